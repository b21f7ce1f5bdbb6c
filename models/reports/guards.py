"""Guards against what these models are known to get wrong.

Radixpert's authors report two kinds of error (both versions, Fig. 3): estimated figures, such as a
cardiothoracic ratio, and exchanged sides. A model without a ruler must not measure: sentences with
a figure are neither learnt nor let out; measurements come from the masks. Sides are guarded by
never mirroring an image whose report names one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from findings.errors import SettingsError
from models.data.augmentation import AugmentationSettings
from models.reports.sentences import split_report

_FIGURE: Final = re.compile(
    r"[0-9]|%|\b(?:percent|por ?ciento|cm|mm|cent[ií]met\w*|mil[ií]met\w*|ratio|[ií]ndice)\b",
    re.IGNORECASE,
)


def has_figure(sentence: str) -> bool:
    """Whether a sentence states a number, a length, a share or a ratio."""
    return bool(_FIGURE.search(sentence))


def without_figures(sentences: Sequence[str]) -> tuple[str, ...]:
    """The sentences that measure nothing."""
    return tuple(sentence for sentence in sentences if not has_figure(sentence))


def learnable(text: str) -> str:
    """A written report as it is learnt: whole sentences that measure nothing."""
    return " ".join(without_figures(split_report(text)))


def refuse_mirroring(augmentation: AugmentationSettings) -> None:
    """Refuse settings under which an image's sides would part from its report's.

    Raises:
        SettingsError: images would be mirrored.
    """
    if augmentation.flip > 0:
        raise SettingsError(
            "a report model must not be shown mirrored images, since their reports name sides: "
            "set flip = 0 under [augmentation]"
        )
