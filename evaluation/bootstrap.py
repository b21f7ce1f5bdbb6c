"""Estimates with 95 % intervals, by drawing whole patients anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from findings.claims import Frozen

REPEATS = 500
_INTERVAL = (2.5, 97.5)

Statistic = Callable[[NDArray[np.int64]], float]
"""A figure of the cases with these indices; NaN where they do not allow it."""


class Estimate(Frozen):
    """A figure with its 95 % bootstrap interval; None where the cases do not allow it."""

    value: float | None
    low: float | None = None
    high: float | None = None
    cases: int = Field(default=0, ge=0)

    def shown(self, decimals: int = 3) -> str:
        """For a table: `0.912 (0.890 to 0.931)`, `n/a` where there is no figure."""
        if self.value is None:
            return "n/a"
        if self.low is None or self.high is None:
            return f"{self.value:.{decimals}f}"
        return f"{self.value:.{decimals}f} ({self.low:.{decimals}f} to {self.high:.{decimals}f})"


def estimate(
    statistic: Statistic, patients: Sequence[object], repeats: int = REPEATS, seed: int = 0
) -> Estimate:
    """The figure of all cases, with the interval of its values on patients drawn anew.

    ``patients`` names the patient of each case: a patient's cases are drawn together, since they
    resemble one another. Draws that do not allow the figure (no positive among them) do not count.
    """
    cases = len(patients)
    if cases == 0:
        return Estimate(value=None)
    value = statistic(np.arange(cases, dtype=np.int64))
    if np.isnan(value):
        return Estimate(value=None, cases=cases)
    drawn = (statistic(indices) for indices in draws(patients, repeats, seed))
    valid = [figure for figure in drawn if not np.isnan(figure)]
    if not valid:
        return Estimate(value=float(value), cases=cases)
    low, high = np.percentile(valid, _INTERVAL)
    return Estimate(value=float(value), low=float(low), high=float(high), cases=cases)


def draws(
    patients: Sequence[object], repeats: int = REPEATS, seed: int = 0
) -> list[NDArray[np.int64]]:
    """Case indices of bootstrap samples: as many patients as there are, drawn with replacement."""
    _, group = np.unique([str(patient) for patient in patients], return_inverse=True)
    order = np.argsort(group, kind="stable").astype(np.int64)
    members = np.split(order, np.cumsum(np.bincount(group))[:-1])
    random = np.random.default_rng(seed)
    return [
        np.concatenate([members[index] for index in random.integers(0, len(members), len(members))])
        for _ in range(repeats)
    ]


def mean_estimate(values: Sequence[float], patients: Sequence[object]) -> Estimate:
    """The mean of one figure per case."""
    array = np.asarray(values, dtype=np.float64)
    return estimate(lambda cases: float(array[cases].mean()), patients)
