"""Typed disagreements: where the voices on one entry differ, and what settled it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agents.reconciliation.fusion import Fusion
from agents.reconciliation.voices import Stance, Voice
from findings.evidence import PriorFinding
from findings.regions import Region, paired_region, region_side
from findings.vocabulary import Change, Severity, Side
from reporting.ledger import Decision, Disagreement, DisagreementType

IMAGE = "boxes and masks"
"""What settles a side or place: the image, not a text."""


def polarity(voices: Sequence[Voice], decision: Decision) -> Disagreement | None:
    """Some voices affirm the finding while others deny it."""
    affirm = _names(voice for voice in voices if voice.stance is Stance.AFFIRMS)
    deny = _names(voice for voice in voices if voice.stance is Stance.DENIES)
    if not affirm or not deny:
        return None
    settled = {
        Decision.PRESENT: "the pooled probability",
        Decision.UNCERTAIN: "the rule that a positive wins in an undecided pool",
        Decision.ABSENT: "the pooled probability",
        Decision.ABSTAIN: "nothing: the report stays silent",
    }[decision]
    return Disagreement(
        type=DisagreementType.POLARITY,
        detail=f"{affirm} for, {deny} against",
        settled_by=settled,
    )


def side(voices: Sequence[Voice], settled: Side | None) -> Disagreement | None:
    """Affirming voices put the finding on different sides."""
    said = _sided(voices)
    sides = {voice_side for _, voice_side in said} | ({settled} if settled else set())
    if not _conflict(sides):
        return None
    detail = ", ".join(f"{name} says {voice_side.value}" for name, voice_side in said)
    if not any(v.sees and v.side is settled for v in voices) or settled is None:
        return Disagreement(
            type=DisagreementType.SIDE,
            detail=detail,
            settled_by="nothing: the side is not stated",
        )
    return Disagreement(type=DisagreementType.SIDE, detail=detail, settled_by=IMAGE)


def place(voices: Sequence[Voice], settled: Region | None) -> Disagreement | None:
    """An affirming voice names a region on the settled side that is another place altogether."""
    if settled is None:
        return None
    others = {
        (voice.expert, voice.region)
        for voice in voices
        if voice.stance is Stance.AFFIRMS
        and voice.region is not None
        and not _compatible(voice.region, settled)
    }
    if not others:
        return None
    detail = ", ".join(f"{expert} says {region.value}" for expert, region in sorted(others))
    return Disagreement(type=DisagreementType.PLACE, detail=detail, settled_by=IMAGE)


def severity(voices: Sequence[Voice], settled: Severity | None) -> Disagreement | None:
    """Affirming voices grade the finding differently."""
    graded = {
        (voice.expert, voice.severity)
        for voice in voices
        if voice.stance is Stance.AFFIRMS and voice.severity is not None
    }
    if len({grade for _, grade in graded}) < 2 or settled is None:
        return None
    measured = any(v.sees and v.measurement is not None and v.severity is settled for v in voices)
    return Disagreement(
        type=DisagreementType.SEVERITY,
        detail=", ".join(f"{expert} says {grade.value}" for expert, grade in sorted(graded)),
        settled_by="measurement" if measured else "the lesser of the grades most often given",
    )


def number(voices: Sequence[Voice], fusion: Fusion) -> Disagreement | None:
    """Two voices give different values of the same measurement."""
    by_name: dict[str, list[tuple[float, str, bool]]] = {}
    for voice in voices:
        if voice.measurement is not None:
            by_name.setdefault(f"{voice.measurement.name} [{voice.measurement.unit}]", []).append(
                (voice.measurement.value, voice.expert, voice.sees)
            )
    for name, values in sorted(by_name.items()):
        ordered = sorted(values)
        low, high = ordered[0][0], ordered[-1][0]
        if high - low > fusion.tolerance.measurement * max(abs(low), abs(high)):
            measured = any(sees for _, _, sees in ordered)
            return Disagreement(
                type=DisagreementType.NUMBER,
                detail=f"{name}: "
                + ", ".join(f"{expert} {value:g}" for value, expert, _ in ordered),
                settled_by="measurement on the image" if measured else "nothing: not stated",
            )
    return None


def change(priors: Sequence[PriorFinding], settled: Change | None) -> Disagreement | None:
    """Comparers see different changes, or one that the decision contradicts."""
    said = sorted({(item.expert, item.change) for item in priors if item.change is not None})
    changes = {value for _, value in said}
    if len(changes) < 2 and (not changes or settled in changes):
        return None
    return Disagreement(
        type=DisagreementType.CHANGE,
        detail=", ".join(f"{expert} says {value.value}" for expert, value in said),
        settled_by="the current image" if settled else "nothing: no change is stated",
    )


def _names(voices: Iterable[Voice]) -> str:
    return ", ".join(sorted({voice.expert for voice in voices}))


def _sided(voices: Sequence[Voice]) -> list[tuple[str, Side]]:
    return sorted(
        {
            (voice.expert, voice.side)
            for voice in voices
            if voice.stance is Stance.AFFIRMS and voice.side is not None
        }
    )


def _conflict(sides: set[Side]) -> bool:
    lateral = sides & {Side.LEFT, Side.RIGHT, Side.BILATERAL}
    return len(lateral) > 1


def _compatible(region: Region, settled: Region) -> bool:
    if region is settled or paired_region(settled) is region or paired_region(region) is settled:
        return True
    one, other = region_side(region), region_side(settled)
    if one is not other:
        return True
    whole = {Region.LEFT_LUNG, Region.RIGHT_LUNG, Region.LUNGS}
    return region in whole or settled in whole
