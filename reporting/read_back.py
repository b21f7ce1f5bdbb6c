"""Reading finished text back: what a sentence says, by a reader that did not write it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

from findings.claims import Claim, Frozen, LabeledClaim, Measurement
from findings.labeler import label_report
from findings.vocabulary import Finding, Language
from reporting.entailment import bears_on, decimals, implies, same_number
from reporting.places import atoms, covers

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class DifferenceType(StrEnum):
    """In what way a text departs from what it was to say."""

    ADDED = "added"
    DROPPED = "dropped"
    FLIPPED = "flipped"
    SIDE = "side"
    PLACE = "place"
    NUMBER = "number"
    SEVERITY = "severity"
    CHANGE = "change"
    CHANGE_WITHOUT_PRIOR = "change_without_prior"
    CERTAINTY = "certainty"
    UNREAD = "unread"
    """Words that the reader cannot vouch for (`reporting.vouching`)."""
    EVIDENCE = "evidence"
    """Evidence that is not of the entries that the sentence states."""


class Difference(Frozen):
    """One departure: what was to be said and what was read (`None`: nothing)."""

    type: DifferenceType
    finding: Finding | None = None
    expected: str | None = None
    read: str | None = None


def read_claims(text: str, language: Language) -> tuple[LabeledClaim, ...]:
    """The claims that the report labeler reads in a text."""
    return label_report(text, language)


def compare(
    text: str,
    expected: Sequence[Claim],
    language: Language,
    *,
    has_prior: bool,
    numbers: Iterable[Measurement] = (),
) -> tuple[Difference, ...]:
    """Where `text` departs from the claims it was to state.

    `numbers` are measurements that may be printed besides those of the claims. The rules of
    hierarchy and place are those of `reporting.entailment`; `docs/phrasing.md` states them.
    """
    read = read_claims(text, language)
    known = [*numbers, *(c.measurement for c in expected if c.measurement is not None)]
    found = [
        *(d for d in differences(expected, read) if has_prior or not _is_stated_change(d)),
        *_changes_without_prior(read, has_prior),
        *_unknown_numbers(text, known),
        *_unprinted_numbers(text, expected),
    ]
    return tuple(dict.fromkeys(found))


def differences(expected: Sequence[Claim], read: Sequence[Claim]) -> list[Difference]:
    """Where what a reader read departs from what was to be said."""
    wanted = _strongest([atom for claim in expected for atom in atoms(claim)])
    heard = [atom for claim in read for atom in atoms(_bare(claim))]
    found: list[Difference] = []
    answered: list[Claim] = []
    met: list[Claim] = []
    for want in wanted:
        best, departures = _closest(want, heard)
        if best is None:
            flipped = any(_opposed(want, other) for other in heard)
            kind = DifferenceType.FLIPPED if flipped else DifferenceType.DROPPED
            departures = [Difference(type=kind, finding=want.finding, expected=want.polarity)]
        else:
            met.append(want)
            if best.finding is want.finding:
                answered.append(best)
        found += departures
    for extra in heard:
        if extra in answered or any(implies(want, extra) for want in wanted):
            continue
        opposed = [want for want in wanted if _opposed(want, extra)]
        if opposed:
            found += [
                Difference(type=DifferenceType.FLIPPED, finding=w.finding, expected=w.polarity)
                for w in opposed
                if w in met
            ]
            continue
        near = [want for want in wanted if bears_on(want, extra)]
        if near:
            found += sorted((_attributes(want, extra) for want in near), key=len)[0]
        else:
            found.append(
                Difference(
                    type=DifferenceType.ADDED, finding=extra.finding, read=extra.polarity.value
                )
            )
    return found


def _bare(claim: Claim) -> Claim:
    return claim.without_span() if isinstance(claim, LabeledClaim) else claim


def _strongest(wanted: Sequence[Claim]) -> list[Claim]:
    """The atoms that no other one says already: to say these is to say all."""
    distinct = list(dict.fromkeys(wanted))
    return [
        claim
        for place, claim in enumerate(distinct)
        if not any(
            implies(other, claim) and (rank < place or not implies(claim, other))
            for rank, other in enumerate(distinct)
            if rank != place
        )
    ]


def _closest(want: Claim, heard: Sequence[Claim]) -> tuple[Claim | None, list[Difference]]:
    """The heard atom that answers `want` with the fewest differences."""
    best: Claim | None = None
    fewest: list[Difference] = []
    for claim in heard:
        if not bears_on(claim, want):
            continue
        if claim.finding is want.finding:
            departures = _attributes(want, claim)
        elif implies(claim, want):
            departures = []
        else:
            departures = _attributes(want, claim, broader=True)
        if best is None or len(departures) < len(fewest):
            best, fewest = claim, departures
    return best, fewest


def _opposed(want: Claim, heard: Claim) -> bool:
    """True where one affirms at some place what the other denies there."""
    if want.polarity is heard.polarity:
        return False
    same = heard.model_copy(update={"polarity": want.polarity})
    if not bears_on(same, want):
        return False
    return covers(want, heard) or covers(heard, want)


def _attributes(want: Claim, heard: Claim, *, broader: bool = False) -> list[Difference]:
    """The differences in attributes; `broader`: what the heard kind need not repeat is free."""
    pairs: list[tuple[DifferenceType, str | None, str | None]] = [
        (DifferenceType.SIDE, want.side, heard.side),
        (DifferenceType.PLACE, want.region, heard.region),
        (DifferenceType.SEVERITY, want.severity, heard.severity),
        (DifferenceType.CHANGE, want.change, heard.change),
        (DifferenceType.CERTAINTY, want.certainty, heard.certainty),
    ]
    found = [
        Difference(type=kind, finding=want.finding, expected=wish, read=said)
        for kind, wish, said in pairs
        if wish != said and not (broader and wish is None)
    ]
    if want.present and not _numbers_agree(want.measurement, heard.measurement):
        found.append(
            Difference(
                type=DifferenceType.NUMBER,
                finding=want.finding,
                expected=_shown(want.measurement),
                read=_shown(heard.measurement),
            )
        )
    return found


def _numbers_agree(want: Measurement | None, heard: Measurement | None) -> bool:
    if want is None or heard is None:
        return want is heard
    return same_number(want, heard)


def _shown(measurement: Measurement | None) -> str | None:
    return None if measurement is None else f"{measurement.value:g} {measurement.unit}"


def _is_stated_change(difference: Difference) -> bool:
    return difference.type is DifferenceType.CHANGE and difference.read is not None


def _changes_without_prior(read: Sequence[Claim], has_prior: bool) -> list[Difference]:
    if has_prior:
        return []
    return [
        Difference(
            type=DifferenceType.CHANGE_WITHOUT_PRIOR, finding=claim.finding, read=claim.change
        )
        for claim in read
        if claim.change is not None
    ]


def _unprinted_numbers(text: str, expected: Sequence[Claim]) -> list[Difference]:
    """Numbers of denials: the labeler ties none to what is absent, so they must stand in print."""
    printed = {number.replace(",", ".") for number in _NUMBER.findall(text)}
    return [
        Difference(
            type=DifferenceType.NUMBER, finding=claim.finding, expected=_shown(claim.measurement)
        )
        for claim in expected
        if not claim.present and claim.measurement is not None
        if f"{claim.measurement.value:.{decimals(claim.measurement)}f}" not in printed
    ]


def _unknown_numbers(text: str, known: Sequence[Measurement]) -> list[Difference]:
    """Every number in the text must be one of the known ones as it is printed."""
    printed = {f"{m.value:.{decimals(m)}f}" for m in known}
    return [
        Difference(type=DifferenceType.NUMBER, read=number)
        for number in _NUMBER.findall(text)
        if number.replace(",", ".") not in printed
    ]
