"""METEOR 1.5 with all its modules, as the papers report it, where Java and its jar are at hand.

The jar and its paraphrase table come with the package pycocoevalcap; nothing is downloaded.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from evaluation.reports.words import joined
from findings.errors import ResourceError

INSTALL = "pip install pycocoevalcap"


def available() -> bool:
    """Whether `meteor_1_5` can run here."""
    return shutil.which("java") is not None and find_spec("pycocoevalcap") is not None


def meteor_1_5(generated: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """METEOR 1.5 of each report, English, exact, stem, synonym and paraphrase modules.

    Raises:
        ResourceError: Java or the package is not there.
    """
    if not available():
        raise ResourceError(
            f"METEOR 1.5 needs Java and a package that is not installed: '{INSTALL}' and a Java "
            "runtime. The METEOR column of exact and stem matches needs neither."
        )
    from pycocoevalcap.meteor.meteor import Meteor

    scorer = Meteor()
    _, figures = scorer.compute_score(
        {number: [joined(text)] for number, text in enumerate(references)},
        {number: [joined(text)] for number, text in enumerate(generated)},
    )
    return np.array(figures, dtype=np.float64)
