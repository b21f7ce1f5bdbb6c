"""The sentences that a film's labels make for its regions, and the plain ones for normal regions.

Chest ImaGenome ties sentences of real reports to regions. Where labels are all there is, each
region is given sentences of other people's reports that state what is known of it (weak pairing).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from findings.claims import Claim
from findings.regions import CLALA_REGIONS, Region, region_side
from findings.vocabulary import Finding, Side
from models.clala.lesions import LESIONS, SPOKEN_OF, WHOLE_LUNGS, Standing, standing
from models.data.sentence_pool import level_of

NORMAL_SENTENCES: Final[Mapping[Region, tuple[str, ...]]] = {
    Region.LEFT_LUNG: ("the left lung is clear .", "no left pneumothorax ."),
    Region.RIGHT_LUNG: ("the right lung is clear .", "no right pneumothorax ."),
    Region.LEFT_LOWER_ZONE: ("the left lower lung zone is clear .",),
    Region.RIGHT_LOWER_ZONE: ("the right lower lung zone is clear .",),
    Region.LEFT_HILUM: ("the left hilum is unremarkable .",),
    Region.RIGHT_HILUM: ("the right hilum is unremarkable .",),
    Region.MEDIASTINUM: ("the mediastinum is unremarkable .",),
    Region.UPPER_MEDIASTINUM: ("the upper mediastinum is unremarkable .",),
    Region.LEFT_COSTOPHRENIC_ANGLE: (
        "the left costophrenic angle is sharp .",
        "no left pleural effusion .",
    ),
    Region.RIGHT_COSTOPHRENIC_ANGLE: (
        "the right costophrenic angle is sharp .",
        "no right pleural effusion .",
    ),
    Region.CARDIAC_SILHOUETTE: ("heart size is normal .",),
}
"""What a region without lesion is said to be, in a few words each."""

_SPEAKS_OF_ALL: Final = frozenset(WHOLE_LUNGS)

Wordings = Callable[[Claim], Sequence[str]]
"""A claim -> sentences that state it and nothing else."""


def region_claims(claims: Sequence[Claim], region: Region) -> tuple[Claim, ...] | None:
    """The lesions that a film's labels affirm of a region, as claims about that region.

    Empty where every lesion that the region's sentence speaks of is known not to be there; None
    where one of them is neither, so that no true sentence is known. A lesion without any place is
    told of both lungs, without a side, since it lies in one of them.
    """
    found: dict[Claim, None] = {}
    present = [claim for claim in claims if claim.present and claim.finding in LESIONS]
    for claim in present:
        held = standing(claim, region)
        if held is Standing.HERE:
            found[_at(claim, region)] = None
        elif held is Standing.UNKNOWN:
            unplaced = claim.side is None and claim.region is None
            if unplaced and region in _SPEAKS_OF_ALL:
                found[claim] = None
            elif claim.side is None or region not in _SPEAKS_OF_ALL:
                return None
    if found:
        return tuple(found)
    denied = {claim.finding for claim in claims if not claim.present}
    absent = {claim.finding for claim in present} | denied
    named: set[Finding] = set(SPOKEN_OF[region])
    return () if named & absent or any(c.finding is Finding.NO_FINDING for c in claims) else None


def compose_region(
    claims: Sequence[Claim], region: Region, wordings: Wordings, random: np.random.Generator
) -> str | None:
    """One text for a region, drawn anew each time; None where its labels tell nothing."""
    stated = region_claims(claims, region)
    if stated is None:
        return None
    if not stated:
        options = NORMAL_SENTENCES[region]
        return options[int(random.integers(len(options)))]
    lines = []
    for claim in stated:
        known = wordings(claim)
        lines.append(known[int(random.integers(len(known)))])
    return " ".join(lines)


def every_sentence(films: Sequence[Sequence[Claim]], wordings: Wordings) -> tuple[str, ...]:
    """Every single sentence that the films' regions may be given, in a fixed order."""
    stated = {
        claim
        for facts in dict.fromkeys(tuple(film) for film in films)
        for region in CLALA_REGIONS
        for claim in region_claims(facts, region) or ()
    }
    lines = {line for claim in stated for line in wordings(claim)}
    return tuple(sorted(lines | {line for own in NORMAL_SENTENCES.values() for line in own}))


def _at(claim: Claim, region: Region) -> Claim:
    """The claim as a sentence about this region states it: on the region's side alone."""
    side = region_side(region)
    if side not in (Side.LEFT, Side.RIGHT):
        return Claim(finding=claim.finding, severity=claim.severity)
    inside = claim.region
    if inside is not None and (level_of(inside) is None or region_side(inside) is not side):
        inside = None
    return Claim(finding=claim.finding, severity=claim.severity, side=side, region=inside)
