"""The finding profile: what a report claims, as a vector of fixed length and order.

Four numbers for each finding of the vocabulary: present, absent, present on the left, present on
the right. A finding counts by its clinical weight and the claim's certainty; what it is a kind of
counts half; denials count little, since reports differ in how many they spell out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.catalogue import ancestors, describe
from findings.claims import Claim
from findings.vocabulary import Certainty, Finding, Side

_ASPECTS: Final = 4
_PRESENT, _ABSENT, _LEFT, _RIGHT = range(_ASPECTS)
_CERTAINTY: Final = {Certainty.DEFINITE: 1.0, Certainty.PROBABLE: 0.8, Certainty.POSSIBLE: 0.5}
_OF_A_PARENT: Final = 0.5
_OF_A_SIDE: Final = 0.5
_OF_A_DENIAL: Final = 0.15

_ROW: Final = {finding: row for row, finding in enumerate(Finding)}

PROFILE_LENGTH: Final = _ASPECTS * len(_ROW)
"""Numbers in a profile vector."""


def profile(claims: Iterable[Claim]) -> NDArray[np.float32]:
    """The profile of some claims: ``(PROFILE_LENGTH,)``, of length one, or zero without claims.

    The order of the claims and repetitions do not matter. Claims without any finding present make
    the profile of a normal report.
    """
    table = np.zeros((len(_ROW), _ASPECTS), dtype=np.float32)
    positive = False
    stated = False
    for claim in claims:
        stated = True
        weight = _weight(claim.finding) * _CERTAINTY[claim.certainty]
        row = table[_ROW[claim.finding]]
        if not claim.present:
            row[_ABSENT] = max(row[_ABSENT], _OF_A_DENIAL * weight)
            continue
        if claim.finding is Finding.NO_FINDING:
            continue
        positive = True
        row[_PRESENT] = max(row[_PRESENT], weight)
        if claim.side in (Side.LEFT, Side.BILATERAL):
            row[_LEFT] = max(row[_LEFT], _OF_A_SIDE * weight)
        if claim.side in (Side.RIGHT, Side.BILATERAL):
            row[_RIGHT] = max(row[_RIGHT], _OF_A_SIDE * weight)
        for parent in ancestors(claim.finding):
            above = table[_ROW[parent]]
            above[_PRESENT] = max(above[_PRESENT], _OF_A_PARENT * weight)
    if stated and not positive:
        table[_ROW[Finding.NO_FINDING], _PRESENT] = 1.0
    norm = float(np.linalg.norm(table))
    return (table / norm if norm else table).reshape(-1)


def layout_version() -> str:
    """Changes whenever profiles made before no longer compare with those made now."""
    order = ",".join(f"{finding.value}:{_weight(finding):.2f}" for finding in Finding)
    parents = ",".join(
        f"{finding.value}<{'+'.join(sorted(ancestors(finding)))}" for finding in Finding
    )
    factors = (_CERTAINTY, _OF_A_PARENT, _OF_A_SIDE, _OF_A_DENIAL)
    return hashlib.sha256(f"{order};{parents};{factors}".encode()).hexdigest()[:12]


@cache
def _weight(finding: Finding) -> float:
    return 0.5 + describe(finding).weight / 100
