"""The clue prompts, "Clue: <severity> <disease> at <location>" (TRRG, section 2.2).

Fourteen diseases, four severities or none, and the places where each can lie. The labeler reads
every prompt back as what it was made of. A denial of each disease stands beside them: the paper
weighs diseases against each other, and a denial also tells a disease from its absence, as zero-shot
classification from paired prompts does (Tiu et al., Nature Biomedical Engineering 2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from findings.catalogue import FindingGroup, describe, region_name
from findings.claims import Claim, Frozen
from findings.regions import Region, region_side
from findings.vocabulary import Finding, Language, Polarity, Severity, Side
from models.data.finding_sources import NIH_COLUMNS

DISEASES: Final = tuple(Finding(name) for name in NIH_COLUMNS)
"""The fourteen diseases, in the order of the classifier's outputs."""

_ZONES: Final = tuple(
    Region(f"{side}_{zone}")
    for side in ("left", "right")
    for zone in ("upper_zone", "mid_zone", "lower_zone")
)
_LUNGS: Final = (Region.LEFT_LUNG, Region.RIGHT_LUNG)
_BASES: Final = (Region.LEFT_LOWER_ZONE, Region.RIGHT_LOWER_ZONE)
_APICES: Final = (Region.LEFT_APEX, Region.RIGHT_APEX)
_PLACES: Final[dict[Finding, tuple[Region, ...]]] = {
    Finding.CARDIOMEGALY: (Region.CARDIAC_SILHOUETTE,),
    Finding.HERNIA: (Region.MEDIASTINUM,),
    Finding.PLEURAL_EFFUSION: (*_LUNGS, *_BASES),
    Finding.PNEUMOTHORAX: (*_LUNGS, *_APICES),
    Finding.PLEURAL_THICKENING: (*_LUNGS, *_APICES),
}


class CluePrompt(Frozen):
    """One prompt and what it states; `None`: not stated."""

    text: str
    finding: Finding
    polarity: Polarity = Polarity.PRESENT
    severity: Severity | None = None
    side: Side | None = None
    region: Region | None = None

    @property
    def claim(self) -> Claim:
        """The prompt's statement."""
        return Claim(
            finding=self.finding,
            polarity=self.polarity,
            severity=self.severity,
            side=self.side,
            region=self.region,
        )


@cache
def clue_prompts() -> tuple[CluePrompt, ...]:
    """Every prompt, disease by disease; the denial is each disease's last."""
    return tuple(prompt for finding in DISEASES for prompt in _prompts_of(finding))


def _prompts_of(finding: Finding) -> Iterator[CluePrompt]:
    name = describe(finding).name(Language.ENGLISH)
    for severity in (None, *Severity):
        graded = f"{severity} {name}" if severity else name
        yield CluePrompt(text=f"Clue: {graded}", finding=finding, severity=severity)
        for region in _PLACES.get(finding, (*_ZONES, *_LUNGS)):
            side = region_side(region)
            yield CluePrompt(
                text=f"Clue: {graded} at the {region_name(region, Language.ENGLISH)}",
                finding=finding,
                severity=severity,
                side=None if side is Side.MIDLINE else side,
                region=region,
            )
        if describe(finding).group in (FindingGroup.LUNGS, FindingGroup.PLEURA):
            yield CluePrompt(
                text=f"Clue: {graded} at both sides",
                finding=finding,
                severity=severity,
                side=Side.BILATERAL,
            )
    yield CluePrompt(text=f"Clue: absence of {name}", finding=finding, polarity=Polarity.ABSENT)
