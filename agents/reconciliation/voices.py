"""Voices: what each item of evidence says of one finding, on one scale.

Images place a finding, texts do not: the side and region of a box, mask, measurement or regional
classifier may settle where a finding lies, those of a sentence can only agree or disagree. Prior
findings speak on change alone. Neighbours have no voice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from agents.reconciliation.fusion import Fusion
from findings.claims import Claim, Measurement
from findings.evidence import (
    Classification,
    Clue,
    CrudeSentence,
    Detection,
    Evidence,
    MeasurementEvidence,
)
from findings.regions import Region
from findings.vocabulary import Finding, Polarity, Severity, Side


class Stance(IntEnum):
    """Where a voice stands at its own operating point."""

    DENIES = -1
    UNDECIDED = 0
    AFFIRMS = 1


@dataclass(frozen=True)
class Voice:
    """One expert's statement on one finding."""

    finding: Finding
    evidence: str
    expert: str
    kind: str
    probability: float
    weight: float
    stance: Stance
    side: Side | None = None
    region: Region | None = None
    severity: Severity | None = None
    measurement: Measurement | None = None
    sees: bool = True
    """True where the voice comes from pixels; false where it comes from text."""
    only_raises: bool = False
    """True where a low probability is no argument against the finding (a box that is not sure)."""
    neutral: float | None = None
    """The probability at which the voice says nothing; `None`: the finding's base rate."""
    classification: Classification | None = None

    @property
    def polarity(self) -> Polarity:
        """The nearer of the two polarities."""
        return Polarity.PRESENT if self.stance is Stance.AFFIRMS else Polarity.ABSENT


def voices(evidence: Iterable[Evidence], fusion: Fusion) -> Iterator[Voice]:
    """Every voice that votes on presence, in no particular order."""
    for item in evidence:
        match item:
            case Classification(screen=True):
                continue
            case Classification():
                yield _classification(item, fusion)
            case Detection():
                yield _detection(item, fusion)
            case MeasurementEvidence():
                yield from _measurement(item, fusion)
            case Clue():
                yield Voice(
                    finding=item.finding,
                    evidence=item.id,
                    expert=item.expert,
                    kind=item.kind,
                    probability=item.probability,
                    weight=fusion.weights.of("clue", item.expert),
                    stance=_stance(item.probability, fusion),
                    side=item.side,
                    region=item.region,
                    sees=False,
                )
            case CrudeSentence():
                for claim in item.claims:
                    yield _worded(item, claim, fusion)
            case _:
                continue


def _classification(item: Classification, fusion: Fusion) -> Voice:
    """A classifier's probability; what is too improbable to be stated affirms nothing.

    The balanced threshold of a rare finding may be one in a hundred: alone it is no word for it.
    """
    if item.probability >= max(item.threshold, fusion.stated.possible):
        stance = Stance.AFFIRMS
    elif item.probability < item.sensitive_threshold:
        stance = Stance.DENIES
    else:
        stance = Stance.UNDECIDED
    return Voice(
        finding=item.finding,
        evidence=item.id,
        expert=item.expert,
        kind=item.kind,
        probability=item.probability,
        weight=fusion.weights.of("classification", item.expert),
        stance=stance,
        side=item.side,
        region=item.region,
        classification=item,
    )


def _detection(item: Detection, fusion: Fusion) -> Voice:
    seen = item.probability >= fusion.operating.detection_threshold and not item.weak
    return Voice(
        finding=item.finding,
        evidence=item.id,
        expert=item.expert,
        kind=item.kind,
        probability=item.probability,
        weight=fusion.weights.weak_detection
        if item.weak
        else fusion.weights.of("detection", item.expert),
        stance=Stance.AFFIRMS if seen else Stance.UNDECIDED,
        side=item.side,
        region=item.region,
        only_raises=True,
    )


_STANCE_OF = {
    Polarity.PRESENT: Stance.AFFIRMS,
    Polarity.ABSENT: Stance.DENIES,
    None: Stance.UNDECIDED,
}


def _measurement(item: MeasurementEvidence, fusion: Fusion) -> Iterator[Voice]:
    """A measurement that bears on a finding; one too close to its limit has no stance.

    Its probability says how likely the true value is beyond the limit, whatever is usual: even odds
    say nothing.
    """
    stated = {Polarity.PRESENT: fusion.measured.present, Polarity.ABSENT: fusion.measured.absent}
    probability = item.probability
    if probability is None and item.polarity is not None:
        probability = stated[item.polarity]
    if item.finding is None or probability is None:
        return
    yield Voice(
        finding=item.finding,
        evidence=item.id,
        expert=item.expert,
        kind=item.kind,
        probability=probability,
        weight=fusion.weights.of("measurement", item.expert),
        neutral=0.5,
        stance=_STANCE_OF[item.polarity],
        side=item.side,
        region=item.region,
        severity=fusion.grade(item.measurement.name, item.measurement.value),
        measurement=item.measurement,
    )


def _worded(item: CrudeSentence, claim: Claim, fusion: Fusion) -> Voice:
    scale = fusion.worded.present if claim.present else fusion.worded.absent
    return Voice(
        finding=claim.finding,
        evidence=item.id,
        expert=item.expert,
        kind=item.kind,
        probability=scale[claim.certainty],
        weight=fusion.weights.of("crude_sentence", item.expert),
        stance=Stance.AFFIRMS if claim.present else Stance.DENIES,
        side=claim.side,
        region=claim.region,
        severity=claim.severity,
        measurement=claim.measurement,
        sees=False,
    )


def _stance(probability: float, fusion: Fusion) -> Stance:
    if probability >= fusion.operating.threshold:
        return Stance.AFFIRMS
    return Stance.DENIES if probability < fusion.operating.sensitive else Stance.UNDECIDED
