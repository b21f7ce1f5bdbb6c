"""The experts as they were measured to err: evidence that they might give of a film so reported.

Nothing is looked at: what a report states is taken for the truth, and each expert's answer is drawn
from its measured hits and misses (`agents/data/confusion.toml`). Reconciled as in a draft, it gives
ledgers with misses, false alarms, wrong sides, boxes drawn twice, and crude sentences that
contradict the rest.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from pydantic import Field

from agents.packaged import read_packaged
from findings.catalogue import describe, is_a
from findings.claims import Claim, Frozen, Measurement
from findings.evidence import (
    Classification,
    CrudeSentence,
    Detection,
    Evidence,
    MeasurementEvidence,
    Probability,
)
from findings.vocabulary import Finding, Language, Polarity, Side

VERSION: Final = "drawn"
_EXPERTS: Final = {
    "classification": "finding_classifier",
    "detection": "finding_detector",
    "measurement": "cardiothoracic",
    "crude_sentence": "crude_report",
}
_OPPOSITE: Final = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
_RATIO_ERROR: Final = 0.018
"""Standard deviation that goes with the measured mean absolute error of 0.014."""
_BOX: Final = (100.0, 100.0, 200.0, 200.0)
_CRUDE: Final = {
    (Language.ENGLISH, True): "There is {name}.",
    (Language.ENGLISH, False): "No {name}.",
    (Language.SPANISH, True): "Se observa {name}.",
    (Language.SPANISH, False): "No se observa {name}.",
}


class OperatingPoint(Frozen):
    """A threshold on the calibrated probability and what it reached."""

    threshold: Probability
    sensitivity: Probability
    specificity: Probability


class CrudeCalls(Frozen):
    """How often the crude report affirms a finding where it is, and where it is not."""

    right: Probability
    wrong: Probability


class FindingConfusion(Frozen):
    """How the experts err on one finding."""

    sensitive: OperatingPoint
    balanced: OperatingPoint
    confident: OperatingPoint | None = None
    crude: CrudeCalls


class BoxConfusion(Frozen):
    """How the detector errs."""

    met: Probability
    false_alarms: float = Field(ge=0)
    side_given: Probability
    side_right: Probability
    side_opposite: Probability


class NeighbourConfusion(Frozen):
    """How far similar reports are about the same findings."""

    share_a_finding: Probability


class Confusion(Frozen):
    """All measured rates of error."""

    version: str
    boxes: BoxConfusion
    neighbours: NeighbourConfusion
    findings: dict[Finding, FindingConfusion]


@cache
def measured_confusion() -> Confusion:
    """The rates that ship with the application. Raises `SettingsError` where damaged."""
    return read_packaged("agents", "data/confusion.toml", Confusion, "agents/data/confusion.toml")


def drawn_evidence(
    claims: Sequence[Claim], language: Language, chance: random.Random
) -> tuple[Evidence, ...]:
    """What the experts might give of a film whose report makes these claims.

    Findings that no expert looks for are missed, as they are in a draft.
    """
    rates = measured_confusion()
    found: list[Evidence] = []
    for finding, rate in rates.findings.items():
        stated = [c for c in claims if c.present and is_a(c.finding, finding)]
        found.append(_classification(finding, rate, bool(stated), chance))
        found += _detections(finding, stated, rates.boxes, chance)
        found += _crude(finding, rate.crude, bool(stated), language, chance)
    found.append(_ratio(claims, chance))
    return tuple(
        item.model_copy(update={"id": f"E{number}"}) for number, item in enumerate(found, start=1)
    )


def _classification(
    finding: Finding, rate: FindingConfusion, present: bool, chance: random.Random
) -> Classification:
    """A probability in the band between operating points that hits and misses fall in."""
    points = [rate.sensitive, rate.balanced, *([rate.confident] if rate.confident else [])]
    bounds = [0.004, *(point.threshold for point in points), 0.95]
    reached = [p.sensitivity if present else 1.0 - p.specificity for p in points]
    draw = chance.random()
    band = sum(draw < share for share in reached)
    low, high = bounds[band], max(bounds[band], bounds[band + 1])
    confident = rate.confident.threshold if rate.confident else 0.9
    return Classification(
        id="E1",
        expert=_EXPERTS["classification"],
        version=VERSION,
        finding=finding,
        probability=round(chance.uniform(low, high), 4),
        threshold=rate.balanced.threshold,
        sensitive_threshold=rate.sensitive.threshold,
        confident_threshold=confident,
    )


def _detections(
    finding: Finding, stated: Sequence[Claim], rate: BoxConfusion, chance: random.Random
) -> Iterator[Detection]:
    """Boxes of what is there, some on the wrong side, and boxes of what is not."""
    for claim in stated:
        if chance.random() < rate.met:
            yield _box(finding, _seen_side(claim.side, rate, chance), chance.uniform(0.5, 0.95))
            if chance.random() < rate.false_alarms:
                yield _box(finding, _seen_side(claim.side, rate, chance), chance.uniform(0.3, 0.6))
    if not stated and chance.random() < rate.false_alarms:
        yield _box(finding, chance.choice((Side.LEFT, Side.RIGHT)), chance.uniform(0.3, 0.6))


def _seen_side(side: Side | None, rate: BoxConfusion, chance: random.Random) -> Side | None:
    if side not in _OPPOSITE or chance.random() >= rate.side_given:
        return None
    draw = chance.random()
    if draw < rate.side_right:
        return side
    return _OPPOSITE[side] if draw < rate.side_right + rate.side_opposite else Side.BILATERAL


def _box(finding: Finding, side: Side | None, probability: float) -> Detection:
    return Detection(
        id="E1",
        expert=_EXPERTS["detection"],
        version=VERSION,
        finding=finding,
        probability=round(probability, 4),
        side=side,
        box=_BOX,
    )


def _crude(
    finding: Finding,
    rate: CrudeCalls,
    present: bool,
    language: Language,
    chance: random.Random,
) -> Iterator[CrudeSentence]:
    affirmed = chance.random() < (rate.right if present else rate.wrong)
    if not affirmed and chance.random() < 0.5:
        return
    polarity = Polarity.PRESENT if affirmed else Polarity.ABSENT
    text = _CRUDE[language, affirmed].format(name=describe(finding).name(language))
    yield CrudeSentence(
        id="E1",
        expert=_EXPERTS["crude_sentence"],
        version=VERSION,
        finding=finding,
        text=text,
        claims=(Claim(finding=finding, polarity=polarity),),
    )


def _ratio(claims: Sequence[Claim], chance: random.Random) -> MeasurementEvidence:
    """The cardiothoracic ratio of a heart so reported, with the measurer's error."""
    large = any(c.present and c.finding is Finding.CARDIOMEGALY for c in claims)
    true = chance.uniform(0.51, 0.66) if large else chance.uniform(0.38, 0.50)
    value = round(min(0.8, max(0.3, chance.gauss(true, _RATIO_ERROR))), 3)
    polarity = Polarity.PRESENT if value > 0.52 else Polarity.ABSENT if value < 0.48 else None
    return MeasurementEvidence(
        id="E1",
        expert=_EXPERTS["measurement"],
        version=VERSION,
        finding=Finding.CARDIOMEGALY,
        measurement=Measurement(name="cardiothoracic_ratio", value=value, unit="1"),
        polarity=polarity,
    )
