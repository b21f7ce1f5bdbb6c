"""An existing report held against a ledger: what agrees, what is missed, what is not supported.

Claims are compared as atoms (`reporting.places.atoms`), one side each. A finding answers another
where one is a kind of the other: a report that says "opacity" where the ledger has pneumonia has
not missed it. What the experts abstain on, or never judged, is neither agreed nor refuted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from findings.catalogue import describe, is_a
from findings.claims import Claim, Frozen
from findings.vocabulary import Certainty, Finding, Language
from reporting.contradictions import contradictions
from reporting.entailment import same_number, tolerance
from reporting.existing_report import ExistingReport
from reporting.ledger import LedgerEntry
from reporting.places import LATERAL, atoms, covers
from reporting.remarks import Remarks, reason_in, remarks
from reporting.review_items import (
    ItemSeverity,
    ItemType,
    ReviewItem,
    Said,
    sides_meet,
)
from reporting.suggestions import remove, state, with_number, with_side

_NOT_FINDINGS = (Finding.NO_FINDING, Finding.OTHER_FINDING)
_MOST_URGENT = 70
_URGENT = 40


class Review(Frozen):
    """The whole table, most severe first; agreements last."""

    items: tuple[ReviewItem, ...] = ()

    def of(self, kind: ItemType) -> tuple[ReviewItem, ...]:
        """The items of one type."""
        return tuple(item for item in self.items if item.type is kind)


@dataclass(frozen=True)
class _Known:
    """One atom that the ledger holds, and the entry it comes from."""

    claim: Claim
    entry: LedgerEntry


@dataclass(frozen=True)
class _Tongue:
    """In which language the report is, and in which its reader is told of it."""

    report: Language
    told_in: Language

    @property
    def remarks(self) -> Remarks:
        return remarks(self.told_in)

    def why(self, entry: LedgerEntry) -> str:
        """Why an entry was decided as it was."""
        return reason_in(self.told_in, entry.reason)


def review_report(
    report: ExistingReport,
    entries: Sequence[LedgerEntry],
    has_prior: bool,
    told_in: Language | None = None,
) -> Review:
    """Hold `report` against the ledger `entries`, and against itself.

    The reasons are in the report's language, or `told_in` another.
    """
    said = [
        Said(atom, sentence)
        for sentence in report.sentences
        for claim in sentence.claims
        if claim.finding not in _NOT_FINDINGS
        for atom in atoms(claim)
    ]
    known = [
        _Known(atom, entry)
        for entry in entries
        if entry.finding not in _NOT_FINDINGS and (claim := entry.claim()) is not None
        for atom in atoms(claim)
    ]
    tongue = _Tongue(report.language, told_in or report.language)
    items = [
        *_affirmed(said, known, entries, tongue),
        *_denied(said, known, tongue),
        *_unsaid(said, known, tongue),
        *contradictions(said, tongue.told_in),
        *_comparison(report, has_prior, tongue.remarks),
    ]
    distinct: dict[tuple[object, ...], ReviewItem] = {}
    for item in items:
        distinct.setdefault((item.type, item.finding, item.side, item.sentence), item)
    order = list(ItemSeverity)
    return Review(
        items=tuple(
            sorted(
                distinct.values(),
                key=lambda i: (i.type is ItemType.AGREED, -order.index(i.severity)),
            )
        )
    )


def _related(one: Finding, other: Finding) -> bool:
    return is_a(one, other) or is_a(other, one)


def _severity(finding: Finding, certainty: Certainty) -> ItemSeverity:
    weight = describe(finding).weight
    steps = (weight >= _URGENT) + (weight >= _MOST_URGENT) - (certainty is Certainty.POSSIBLE)
    return list(ItemSeverity)[max(0, steps)]


def _affirmed(
    said: Sequence[Said],
    known: Sequence[_Known],
    entries: Sequence[LedgerEntry],
    tongue: _Tongue,
) -> Iterator[ReviewItem]:
    """What the report affirms: agreed, on the wrong side, off in number, or not supported."""
    for one in said:
        claim, text = one.claim, one.sentence.text
        if not claim.present:
            continue
        carriers = [
            k for k in known if k.claim.present and _related(k.claim.finding, claim.finding)
        ]
        meeting = _meeting(claim, carriers)
        if meeting:
            yield _agreed_or_measured(claim, text, meeting, tongue)
        elif carriers:
            there = sorted({k.claim.side for k in carriers if k.claim.side in LATERAL})
            yield ReviewItem(
                type=ItemType.WRONG_SIDE,
                finding=claim.finding,
                side=claim.side,
                sentence=text,
                severity=ItemSeverity.HIGH,
                evidence=_evidence(carriers),
                reason=tongue.remarks.say("wrong_side", places=tongue.remarks.sides(there)),
                suggestion=with_side(text, claim.side, there[0]) if len(there) == 1 else None,
            )
        else:
            yield _unsupported(claim, text, known, entries, tongue)


def _meeting(claim: Claim, carriers: Sequence[_Known]) -> list[_Known]:
    """The carriers that the claim agrees with in side.

    What the ledger says of the very finding decides; a kind of it speaks for the claim where it
    lies on the claim's own side, or where the very finding is not in the ledger.
    """
    exact = [k for k in carriers if k.claim.finding is claim.finding]
    return [
        k
        for k in carriers
        if sides_meet(k.claim.side, claim.side)
        and (k in exact or not exact or k.claim.side is claim.side)
    ]


def _agreed_or_measured(
    claim: Claim, text: str, carriers: Sequence[_Known], tongue: _Tongue
) -> ReviewItem:
    best = max(carriers, key=lambda k: k.claim.finding is claim.finding)
    measured = [k for k in carriers if k.claim.measurement is not None]
    if claim.measurement is not None:
        comparable = [
            k
            for k in measured
            if k.claim.measurement is not None
            and k.claim.measurement.name == claim.measurement.name
        ]
        if comparable and not any(
            same_number(claim.measurement, k.claim.measurement)
            for k in comparable
            if k.claim.measurement is not None
        ):
            right = comparable[0].claim.measurement
            assert right is not None
            return ReviewItem(
                type=ItemType.MEASUREMENT,
                finding=claim.finding,
                side=claim.side,
                sentence=text,
                severity=ItemSeverity.MODERATE,
                evidence=_evidence(comparable),
                reason=tongue.remarks.say(
                    "measured",
                    value=tongue.remarks.number(right.value),
                    unit="" if right.unit == "1" else f" {right.unit}",
                    tolerance=tongue.remarks.number(tolerance(right), ".3g"),
                ),
                suggestion=with_number(text, claim.measurement, right),
            )
    return ReviewItem(
        type=ItemType.AGREED,
        finding=claim.finding,
        side=claim.side,
        sentence=text,
        evidence=_evidence([best]),
        reason=tongue.why(best.entry),
    )


def _unsupported(
    claim: Claim,
    text: str,
    known: Sequence[_Known],
    entries: Sequence[LedgerEntry],
    tongue: _Tongue,
) -> ReviewItem:
    """An affirmation that nothing carries: denied outright, left open, or never judged."""
    deniers = [
        k
        for k in known
        if not k.claim.present and is_a(claim.finding, k.claim.finding) and covers(k.claim, claim)
    ]
    judged = [e for e in entries if _related(e.finding, claim.finding)]
    if deniers:
        severity = _severity(claim.finding, claim.certainty)
        severity = max(severity, ItemSeverity.MODERATE, key=list(ItemSeverity).index)
        reason = tongue.remarks.review["not_found"]
        evidence = _evidence(deniers)
    elif judged:
        severity, reason = ItemSeverity.LOW, tongue.remarks.review["undecided"]
        evidence = tuple(dict.fromkeys(key for e in judged for key in e.evidence))
    else:
        severity, reason = ItemSeverity.LOW, tongue.remarks.review["unjudged"]
        evidence = ()
    return ReviewItem(
        type=ItemType.UNSUPPORTED,
        finding=claim.finding,
        side=claim.side,
        sentence=text,
        severity=severity,
        evidence=evidence,
        reason=reason,
        suggestion=remove(text, tongue.report),
    )


def _denied(said: Sequence[Said], known: Sequence[_Known], tongue: _Tongue) -> Iterator[ReviewItem]:
    """What the report denies: agreed where the ledger denies it, missed where it has it.

    A denial in general ("the lungs are clear") does not deny what the report itself affirms.
    """
    affirmed = [s.claim for s in said if s.claim.present]
    for one in said:
        claim, text = one.claim, one.sentence.text
        if claim.present:
            continue
        against = [
            k
            for k in known
            if k.claim.present
            and is_a(k.claim.finding, claim.finding)
            and covers(claim, k.claim)
            and not _stated(k.claim, affirmed)
        ]
        for k in against:
            yield _missed(k, text, tongue, "denied")
        agreeing = [
            k
            for k in known
            if not k.claim.present
            and _related(k.claim.finding, claim.finding)
            and sides_meet(k.claim.side, claim.side)
        ]
        if agreeing and not against:
            yield ReviewItem(
                type=ItemType.AGREED,
                finding=claim.finding,
                side=claim.side,
                sentence=text,
                evidence=_evidence(agreeing),
                reason=tongue.why(agreeing[0].entry),
            )


def _stated(wanted: Claim, affirmed: Iterable[Claim]) -> bool:
    return any(
        _related(claim.finding, wanted.finding) and sides_meet(claim.side, wanted.side)
        for claim in affirmed
    )


def _unsaid(said: Sequence[Said], known: Sequence[_Known], tongue: _Tongue) -> Iterator[ReviewItem]:
    """What the ledger has and the report neither affirms nor denies.

    On the other side it is affirmed already, and then listed as on the wrong side, unless the
    ledger has it on both.
    """
    affirmed = [s.claim for s in said if s.claim.present]
    denied = [s.claim for s in said if not s.claim.present]
    for k in known:
        wanted = k.claim
        if not wanted.present or _stated(wanted, affirmed):
            continue
        if any(is_a(wanted.finding, d.finding) and covers(d, wanted) for d in denied):
            continue
        elsewhere = [a for a in affirmed if _related(a.finding, wanted.finding)]
        if elsewhere and not any(_answered(a, wanted, known) for a in elsewhere):
            continue
        yield _missed(k, None, tongue, "unmentioned")


def _answered(affirmed: Claim, wanted: Claim, known: Sequence[_Known]) -> bool:
    """Whether the affirmation answers another atom of the ledger than `wanted`."""
    return any(
        k.claim.present
        and k.claim is not wanted
        and _related(k.claim.finding, affirmed.finding)
        and sides_meet(k.claim.side, affirmed.side)
        for k in known
    )


def _missed(k: _Known, text: str | None, tongue: _Tongue, how: str) -> ReviewItem:
    return ReviewItem(
        type=ItemType.MISSED,
        finding=k.claim.finding,
        side=k.claim.side,
        sentence=text,
        severity=_severity(k.claim.finding, k.claim.certainty),
        evidence=_evidence([k]),
        reason=f"{tongue.remarks.review[how]} {tongue.why(k.entry)}".strip(),
        suggestion=state(k.entry, tongue.report),
    )


def _comparison(report: ExistingReport, has_prior: bool, told: Remarks) -> Iterator[ReviewItem]:
    if has_prior and not report.compares:
        yield ReviewItem(
            type=ItemType.NO_COMPARISON,
            severity=ItemSeverity.MODERATE,
            reason=told.review["uncompared"],
        )
    if has_prior:
        return
    for sentence in report.sentences:
        for claim in sentence.claims:
            if claim.change is not None:
                yield ReviewItem(
                    type=ItemType.NO_COMPARISON,
                    finding=claim.finding,
                    side=claim.side,
                    sentence=sentence.text,
                    severity=ItemSeverity.LOW,
                    reason=told.review["unchecked_change"],
                )


def _evidence(carriers: Iterable[_Known]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for k in carriers for key in k.entry.evidence))
