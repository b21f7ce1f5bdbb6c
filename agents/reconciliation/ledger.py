"""Making the ledger: voices gathered by finding and place, pooled, decided, made coherent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agents.reconciliation import disagreements
from agents.reconciliation.decisions import decide, operating_points, tally
from agents.reconciliation.fusion import Fusion, default_fusion
from agents.reconciliation.hierarchy import cohere, no_finding
from agents.reconciliation.voices import Stance, Voice, voices
from findings.catalogue import FindingGroup, describe
from findings.claims import Measurement
from findings.evidence import Evidence, PriorFinding
from findings.regions import Region, region_side, sided_region
from findings.vocabulary import Change, Finding, Polarity, Severity, Side
from reporting.ledger import Decision, Ledger, LedgerEntry
from reporting.places import LATERAL

_BY_SIDE = frozenset({FindingGroup.PLEURA})
"""Findings told apart by side alone: two boxes on one side are one effusion, not two."""
_STATED = (Decision.PRESENT, Decision.UNCERTAIN)


@dataclass(frozen=True)
class _Place:
    """Where an entry lies, as the image shows it; both `None`: not placed."""

    side: Side | None = None
    region: Region | None = None


def reconcile(evidence: Iterable[Evidence], fusion: Fusion | None = None) -> Ledger:
    """The ledger that the evidence supports; it does not depend on the evidence's order.

    Evidence ids must be unique and detections placed (`placement.place`). Neighbours are read past;
    prior findings speak on change alone.
    """
    constants = fusion or default_fusion()
    items = sorted(evidence, key=lambda item: int(item.id[1:]))
    priors = [item for item in items if isinstance(item, PriorFinding)]
    spoken: dict[Finding, list[Voice]] = defaultdict(list)
    for voice in voices(items, constants):
        spoken[voice.finding].append(voice)
    overall = spoken.pop(Finding.NO_FINDING, [])
    entries = [
        entry
        for finding, heard in spoken.items()
        for entry in _entries(finding, heard, priors, constants)
    ]
    entries += _only_before(priors, spoken, constants)
    entries = cohere(entries)
    conclusion = no_finding(entries, overall, constants)
    ordered = sorted([*entries, *conclusion], key=_order)
    return Ledger(
        entries=tuple(
            entry.model_copy(update={"id": f"L{number}"})
            for number, entry in enumerate(ordered, start=1)
        )
    )


def _entries(
    finding: Finding, heard: Sequence[Voice], priors: Sequence[PriorFinding], fusion: Fusion
) -> Iterable[LedgerEntry]:
    """The entries of one finding: one per place that the image shows, or one without a place."""
    places: dict[_Place, list[Voice]] = defaultdict(list)
    for voice in heard:
        if voice.sees and (voice.side is not None or voice.region is not None):
            places[_place_of(voice)].append(voice)
    _divide_bilateral(places)
    unplaced = [voice for voice in heard if not (voice.sees and (voice.side or voice.region))]
    if not places:
        yield _entry(finding, _Place(), heard, priors, fusion)
        return
    placed = []
    for place, seeing in places.items():
        joined = [voice for voice in unplaced if _concerns(voice, place, places)]
        region = None if _is_told_by_side(finding, place) else _settled_region(seeing)
        entry = _entry(finding, _Place(place.side, region), [*seeing, *joined], priors, fusion)
        placed.append((entry, all(voice.kind == "detection" for voice in seeing)))
    yield from _without_empty_boxes(placed)


def _divide_bilateral(places: dict[_Place, list[Voice]]) -> None:
    """What is seen on both sides joins what is seen on one, so that no side is told of twice.

    A box over both lungs beside one of the left mid zone shows the finding in the left mid zone and
    on the right. Where no side is told of alone, both stay together.
    """
    both = [place for place in places if place.side is Side.BILATERAL]
    if not any(place.side in LATERAL for place in places):
        return
    for wide in both:
        seeing = places.pop(wide)
        for side in LATERAL:
            region = None if wide.region is None else sided_region(wide.region, side)
            there = [place for place in places if place.side is side]
            for place in there or [_Place(side, region)]:
                places[place] += [replace(voice, side=side, region=region) for voice in seeing]


def _without_empty_boxes(placed: Sequence[tuple[LedgerEntry, bool]]) -> Iterable[LedgerEntry]:
    """Boxes say where a finding is, never where it is not.

    An entry that only boxes place and that is not stated loses its place; where another place of
    the finding is stated, a denied one is left out.
    """
    stated = [entry for entry, _ in placed if entry.decision in _STATED]
    regional = [entry for entry, boxes in placed if not boxes and entry.decision not in _STATED]
    boxed = [entry for entry, boxes in placed if boxes and entry.decision not in _STATED]
    yield from stated
    yield from regional
    if boxed and not stated and not regional:
        surest = max(boxed, key=lambda entry: (entry.probability, entry.evidence))
        yield surest.model_copy(update={"side": None, "region": None})
    elif boxed:
        yield from (entry for entry in boxed if entry.decision is Decision.ABSTAIN)


def _place_of(voice: Voice) -> _Place:
    side = voice.side
    if side is None and voice.region is not None:
        side = region_side(voice.region)
    if side is Side.MIDLINE:
        side = None
    sided = _Place(side)
    return sided if _is_told_by_side(voice.finding, sided) else _Place(side, voice.region)


def _is_told_by_side(finding: Finding, place: _Place) -> bool:
    return place.side is not None and describe(finding).group in _BY_SIDE


def _settled_region(seeing: Sequence[Voice]) -> Region | None:
    """The region of the surest voice that has one."""
    with_region = [(voice.probability, voice.region) for voice in seeing if voice.region]
    return max(with_region, key=lambda item: (item[0], item[1]))[1] if with_region else None


def _concerns(voice: Voice, place: _Place, places: Mapping[_Place, object]) -> bool:
    """Whether an unplaced voice speaks of this place too.

    A text that names a side speaks of the places on it; where the image shows none there, an
    affirming text is taken to mean what the image shows, and the sides are noted as disagreeing.
    """
    if voice.side is None or place.side is None:
        return True
    if _same_side(voice.side, place.side):
        return True
    elsewhere = any(p.side is not None and _same_side(voice.side, p.side) for p in places)
    return voice.stance is Stance.AFFIRMS and not elsewhere


def _same_side(one: Side, other: Side) -> bool:
    return one is other or Side.BILATERAL in (one, other)


def _entry(
    finding: Finding,
    place: _Place,
    heard: Sequence[Voice],
    priors: Sequence[PriorFinding],
    fusion: Fusion,
) -> LedgerEntry:
    probability, votes = tally(finding, heard, fusion)
    verdict = decide(probability, heard, operating_points(heard, fusion), fusion.stated)
    present = verdict.decision in _STATED
    grade = _severity(heard) if present else None
    earlier = [
        item
        for item in priors
        if item.finding is finding
        and (item.side is None or place.side is None or _same_side(item.side, place.side))
    ]
    change = _change(verdict.decision, earlier)
    noted = (
        disagreements.polarity(heard, verdict.decision),
        disagreements.side(heard, place.side),
        disagreements.place(heard, place.region),
        disagreements.severity(heard, grade),
        disagreements.number(heard, fusion),
        disagreements.change(earlier, change),
    )
    return LedgerEntry(
        id="L0",
        finding=finding,
        region=place.region,
        side=place.side,
        probability=probability,
        decision=verdict.decision,
        certainty=verdict.certainty,
        severity=grade,
        change=change,
        measurement=_measurement(heard),
        reason=verdict.reason,
        votes=votes,
        disagreements=tuple(note for note in noted if note is not None),
    )


def _severity(heard: Sequence[Voice]) -> Severity | None:
    """The measured grade; else the one that affirming texts give most often, the least of ties."""
    measured = [v for v in heard if v.sees and v.severity and v.stance is Stance.AFFIRMS]
    if measured:
        return max(measured, key=lambda voice: (voice.probability, -_rank(voice.severity))).severity
    said = Counter(v.severity for v in heard if v.severity and v.stance is Stance.AFFIRMS)
    if not said:
        return None
    return min(said, key=lambda grade: (-said[grade], _rank(grade)))


def _rank(severity: Severity | None) -> int:
    return list(Severity).index(severity) if severity else -1


def _measurement(heard: Sequence[Voice]) -> Measurement | None:
    taken = [v for v in heard if v.sees and v.measurement is not None]
    if not taken:
        return None
    surest = max(taken, key=lambda voice: (abs(voice.probability - 0.5), voice.evidence))
    return surest.measurement


def _change(decision: Decision, earlier: Sequence[PriorFinding]) -> Change | None:
    """The change since the prior that the decision allows; `None` where voices conflict."""
    seen = {item.change for item in earlier if item.change is not None}
    if decision is Decision.PRESENT:
        allowed = seen - {Change.RESOLVED}
        if len(allowed) == 1 and len(seen) == 1:
            return allowed.pop()
        if not seen and earlier and all(i.polarity is Polarity.ABSENT for i in earlier):
            return Change.NEW
        return None
    gone = decision is Decision.ABSENT and seen == {Change.RESOLVED}
    return Change.RESOLVED if gone else None


def _only_before(
    priors: Sequence[PriorFinding], spoken: Mapping[Finding, object], fusion: Fusion
) -> list[LedgerEntry]:
    """Findings of the prior that no expert looked for now: kept in sight, never asserted."""
    named = {
        item.finding
        for item in priors
        if item.finding not in spoken
        and item.finding is not Finding.NO_FINDING
        and item.polarity is Polarity.PRESENT
    }
    return [
        LedgerEntry(
            id="L0",
            finding=finding,
            probability=fusion.base_rate(finding),
            decision=Decision.ABSTAIN,
            reason="Only the prior names it; no expert looked for it on this study.",
        )
        for finding in sorted(named)
    ]


def _order(entry: LedgerEntry) -> tuple[int, int, str, str]:
    return (
        -describe(entry.finding).weight,
        list(Finding).index(entry.finding),
        entry.side or "",
        entry.region or "",
    )
