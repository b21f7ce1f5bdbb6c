"""From sentence vectors to the vector of a report (Arora, Liang and Ma, ICLR 2017).

Sentences that every report has ("no pneumothorax") say little, so each counts by
a / (a + p), p the share of reports that have it; the direction common to all reports is then taken
out. On reports this finds neighbours that share findings where a plain mean finds neighbours that
share stock phrases (figures in docs/retrieval.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

_COMMONNESS: Final = 1e-3
_FEWEST: Final = 200
"""Reports below which a common direction cannot be told from the reports themselves."""


def weighted_mean(vectors: Sequence[Vector], frequencies: Sequence[float]) -> Vector:
    """The mean of a report's sentence vectors by rarity; zero without sentences is refused."""
    weights = _COMMONNESS / (_COMMONNESS + np.asarray(frequencies, dtype=np.float32))
    total: Vector = (np.stack(vectors) * weights[:, None]).sum(axis=0)
    return _unit(total)


def common_direction(means: Vector) -> Vector:
    """The first principal direction, not centred, of ``(reports, dimension)``; zero if too few."""
    if len(means) < _FEWEST:
        return np.zeros(means.shape[1], dtype=np.float32)
    _, directions = np.linalg.eigh(means.astype(np.float64).T @ means.astype(np.float64))
    first = directions[:, -1]
    # The sign is free; fix it so that equal input gives equal files.
    largest = first[np.argmax(np.abs(first))]
    direction: Vector = (first * np.sign(largest)).astype(np.float32)
    return direction


def without_common(means: Vector, direction: Vector) -> Vector:
    """Take the common direction out of one mean, or of each row, and scale to length one."""
    return _unit(means - (means @ direction)[..., None] * direction)


def _unit(vectors: Vector) -> Vector:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vector = (vectors / np.maximum(norms, 1e-9)).astype(np.float32)
    return scaled
