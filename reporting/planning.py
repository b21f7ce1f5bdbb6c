"""What the report says, in which sentence and order, before any language is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from findings.catalogue import FindingGroup, describe, is_a
from findings.claims import Claim
from findings.errors import EvidenceRuleError
from findings.regions import paired_region
from findings.vocabulary import Certainty, Change, Finding, Polarity, Side
from reporting.entailment import implies
from reporting.ledger import Decision, DisagreementType, Ledger, LedgerEntry
from reporting.places import LATERAL, atoms, covers, report_plan


class Topic(StrEnum):
    """The paragraphs of the findings section, in reading order."""

    HEART = "heart"
    LUNGS = "lungs"
    PLEURA = "pleura"
    BONES = "bones"
    DEVICES = "devices"
    OTHER = "other"


_TOPIC_OF_GROUP = {
    FindingGroup.HEART: Topic.HEART,
    FindingGroup.MEDIASTINUM: Topic.HEART,
    FindingGroup.LUNGS: Topic.LUNGS,
    FindingGroup.PLEURA: Topic.PLEURA,
    FindingGroup.DIAPHRAGM: Topic.PLEURA,
    FindingGroup.BONES: Topic.BONES,
    FindingGroup.SOFT_TISSUE: Topic.BONES,
    FindingGroup.DEVICES: Topic.DEVICES,
    FindingGroup.OVERALL: Topic.OTHER,
}


def topic_of(finding: Finding) -> Topic:
    """The paragraph that a finding is written in."""
    return _TOPIC_OF_GROUP[describe(finding).group]


class Kind(StrEnum):
    """What a sentence does."""

    POSITIVE = "positive"
    RESOLVED = "resolved"
    NORMAL_STATE = "normal_state"
    """A negative that is said as a state: the heart is normal in size."""
    NEGATIVES = "negatives"
    NORMAL_STUDY = "normal_study"
    UNDECIDED = "undecided"
    """That what every report speaks of could not be judged here. It makes no claim."""


class Doubt(StrEnum):
    """Why something could not be judged."""

    UNMEASURED = "unmeasured"
    """What is judged by a measurement was not measured, or not reliably."""
    DISPUTED = "disputed"
    """Some experts affirm it and others deny it."""
    WEAK = "weak"


@dataclass(frozen=True)
class Statement:
    """One sentence to be: the claims that are worded, and all claims and entries they stand for."""

    kind: Kind
    topic: Topic
    heads: tuple[Claim, ...]
    claims: tuple[Claim, ...]
    entries: tuple[LedgerEntry, ...]
    doubt: Doubt | None = None
    """Of what is undecided, whose heads only name the findings."""

    @property
    def weight(self) -> int:
        """Clinical weight of the weightiest head."""
        return max(describe(head.finding).weight for head in self.heads)

    @property
    def evidence(self) -> tuple[str, ...]:
        """Evidence ids behind the entries, in order, without repetition."""
        return tuple(dict.fromkeys(key for entry in self.entries for key in entry.evidence))


def written_claim(entry: LedgerEntry, has_prior: bool) -> Claim | None:
    """The claim that a report makes for an entry; `None` where it says nothing.

    What was decided uncertain is never written as definite, and an absence that is only possible
    is not written. A change is left out without a prior, and where it contradicts the polarity:
    what is present has not resolved, and what is absent for certain can only have resolved.
    """
    claim = entry.claim()
    if claim is None or (not claim.present and claim.certainty is Certainty.POSSIBLE):
        return None
    if entry.decision is Decision.UNCERTAIN and claim.certainty is Certainty.DEFINITE:
        claim = claim.model_copy(update={"certainty": Certainty.POSSIBLE})
    if claim.change is None:
        return claim
    resolved = claim.change is Change.RESOLVED
    doubtful = resolved and claim.certainty is not Certainty.DEFINITE
    if has_prior and resolved is not claim.present and not doubtful:
        return claim
    return claim.model_copy(update={"change": None})


def plan_findings(ledger: Ledger, has_prior: bool) -> tuple[Statement, ...]:
    """The sentences of the findings section, paragraph by paragraph.

    Raises `EvidenceRuleError` where a positive entry has no evidence.
    """
    positives = _positives(ledger, has_prior)
    statements = [*positives, *_resolved(ledger, has_prior)]
    statements += _negatives(ledger, has_prior, positives)
    statements += _undecided(ledger, statements)
    order = list(Topic)
    return tuple(sorted(statements, key=lambda s: order.index(s.topic)))


def plan_impression(ledger: Ledger, has_prior: bool) -> tuple[Statement, ...]:
    """The sentences of the impression, weightiest first.

    Where nothing is stated, it denies the core of what the ledger denies, and says of what every
    report speaks of that it could not be judged: denials alone would read as a normal film.
    """
    positives = _positives(ledger, has_prior)
    resolved = _resolved(ledger, has_prior)
    minimum = report_plan()["impression"]["minimum_weight"]
    clinical = [s for s in positives if s.topic is not Topic.DEVICES]
    cleared = [s for s in resolved if s.topic is not Topic.DEVICES]
    main = [s for s in [*clinical, *cleared] if s.weight >= minimum] or clinical
    if main:
        return tuple(_without_measurement(s) for s in sorted(main, key=_by_weight))
    normal = _normal_study(ledger)
    if normal is not None and not positives:
        return (normal,)
    core = report_plan()["core"]["negatives"]
    denied = _denials(ledger, has_prior, positives, [Finding(name) for name in core])
    lists = _negative_lists(denied, Topic.OTHER)
    if lists:
        return (*lists, *_undecided(ledger, _negatives(ledger, has_prior, positives)))
    return tuple(_without_measurement(s) for s in positives)


def _by_weight(statement: Statement) -> tuple[int, int]:
    doubt = {Certainty.DEFINITE: 0, Certainty.PROBABLE: 1, Certainty.POSSIBLE: 2}
    return (-statement.weight, doubt[statement.heads[0].certainty])


def _without_measurement(statement: Statement) -> Statement:
    def bare(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        return tuple(dict.fromkeys(c.model_copy(update={"measurement": None}) for c in claims))

    return replace(statement, heads=bare(statement.heads), claims=bare(statement.claims))


def _positives(ledger: Ledger, has_prior: bool) -> list[Statement]:
    statements = []
    for entry in ledger.entries:
        if entry.decision not in (Decision.PRESENT, Decision.UNCERTAIN):
            continue
        claim = written_claim(entry, has_prior)
        if claim is None or claim.finding is Finding.NO_FINDING:
            continue
        if not entry.evidence:
            raise EvidenceRuleError(
                f"The ledger affirms {claim.finding.value} without evidence, so no sentence may "
                "state it. Add the votes that carry it or abstain."
            )
        topic = topic_of(claim.finding)
        statements.append(Statement(Kind.POSITIVE, topic, (claim,), (claim,), (entry,)))
    statements = _merge_sides(_merge_implied(statements))
    return sorted(statements, key=_by_weight)


def _says(said: Claim, meant: Claim) -> bool:
    return all(any(implies(s, m) for s in atoms(said)) for m in atoms(meant))


def _merge_implied(statements: Sequence[Statement]) -> list[Statement]:
    """Leave out statements that another one already says, and keep their claims with it."""
    kept: list[Statement] = []
    for index, statement in enumerate(statements):
        carrier = next(
            (
                other
                for position, other in enumerate(statements)
                if position != index
                and _says(other.heads[0], statement.heads[0])
                and (position < index or not _says(statement.heads[0], other.heads[0]))
            ),
            None,
        )
        if carrier is None:
            kept.append(statement)
    return [
        _join(statement, [s for s in statements if _carried_by(s, statement, kept)])
        for statement in kept
    ]


def _carried_by(small: Statement, big: Statement, kept: Sequence[Statement]) -> bool:
    if small in kept:
        return False
    return big is next(s for s in kept if _says(s.heads[0], small.heads[0]))


def _join(statement: Statement, others: Iterable[Statement]) -> Statement:
    every = [statement, *others]
    return replace(
        statement,
        claims=tuple(dict.fromkeys(claim for s in every for claim in s.claims)),
        entries=tuple(dict.fromkeys(entry for s in every for entry in s.entries)),
    )


def _merge_sides(statements: Sequence[Statement]) -> list[Statement]:
    """Say left and right together where they differ in nothing else."""
    merged: list[Statement] = []
    for statement in statements:
        for index, other in enumerate(merged):
            both = _both_sides(other.heads[0], statement.heads[0])
            if both is not None:
                merged[index] = replace(_join(other, [statement]), heads=(both,))
                break
        else:
            merged.append(statement)
    return merged


def _both_sides(one: Claim, other: Claim) -> Claim | None:
    if one.measurement is not None or other.measurement is not None:
        return None
    first, second = atoms(one), atoms(other)
    if len(first) != 1 or len(second) != 1 or {first[0].side, second[0].side} != set(LATERAL):
        return None
    place: dict[str, object] = {"side": Side.BILATERAL, "region": None}
    if first[0].region is not None or second[0].region is not None:
        if first[0].region is None or second[0].region is None:
            return None
        pair = paired_region(first[0].region)
        if pair is None or pair is not paired_region(second[0].region):
            return None
        place["region"] = pair
    blank: dict[str, object] = {"side": None, "region": None}
    if first[0].model_copy(update=blank) != second[0].model_copy(update=blank):
        return None
    return first[0].model_copy(update=place)


def _resolved(ledger: Ledger, has_prior: bool) -> list[Statement]:
    return [
        Statement(Kind.RESOLVED, topic_of(claim.finding), (claim,), (claim,), (entry,))
        for entry, claim in _absent(ledger, has_prior)
        if claim.change is Change.RESOLVED
    ]


def _absent(ledger: Ledger, has_prior: bool) -> list[tuple[LedgerEntry, Claim]]:
    pairs = []
    for entry in ledger.entries:
        claim = written_claim(entry, has_prior)
        if claim is None or claim.present or not entry.evidence:
            continue
        if claim.finding is not Finding.NO_FINDING:
            pairs.append((entry, claim))
    return pairs


def _denials(
    ledger: Ledger, has_prior: bool, positives: Sequence[Statement], wanted: Sequence[Finding]
) -> list[Statement]:
    """Negatives of the wanted findings that no positive contradicts, in the order wanted."""
    affirmed = [atom for s in positives for claim in s.claims for atom in atoms(claim)]
    found = []
    for finding in wanted:
        for entry, claim in _absent(ledger, has_prior):
            if claim.finding is not finding or claim.change is Change.RESOLVED:
                continue
            if any(_contradicts(atom, other) for atom in atoms(claim) for other in affirmed):
                continue
            topic = topic_of(finding)
            found.append(Statement(Kind.NEGATIVES, topic, (claim,), (claim,), (entry,)))
    return found


def _contradicts(denied: Claim, affirmed: Claim) -> bool:
    if not is_a(affirmed.finding, denied.finding):
        return False
    return covers(denied, affirmed) or covers(affirmed, denied)


def _negatives(ledger: Ledger, has_prior: bool, positives: Sequence[Statement]) -> list[Statement]:
    statements: list[Statement] = []
    for name, wanted in report_plan()["pertinent"].items():
        findings = [Finding(value) for value in wanted]
        denied = _denials(ledger, has_prior, positives, findings)
        states = [replace(s, kind=Kind.NORMAL_STATE) for s in denied if _is_state(s)]
        listed = [s for s in denied if not _is_state(s)]
        statements += [*states, *_negative_lists(_merge_implied(listed), Topic(name))]
    return statements


def _is_state(statement: Statement) -> bool:
    """A negative that reads better as a state, said of the whole and without doubt."""
    (claim,) = statement.heads
    named = claim.finding.value in report_plan()["states"]["normal"]
    (atom, *others) = atoms(claim)
    whole = not others and atom.side is None and atom.region is None
    return named and whole and claim.certainty is Certainty.DEFINITE


def _negative_lists(denied: Sequence[Statement], topic: Topic) -> list[Statement]:
    """One list for what is surely absent from the whole; a sentence for each other denial."""
    listed: list[Statement] = []
    alone: list[Statement] = []
    for statement in denied:
        (claim,) = statement.heads
        (atom, *others) = atoms(claim)
        whole = not others and atom.side is None and atom.region is None
        if whole and claim.certainty is Certainty.DEFINITE and claim.measurement is None:
            listed.append(statement)
        else:
            alone.append(statement)
    if not listed:
        return alone
    heads = tuple(dict.fromkeys(head for s in listed for head in s.heads))
    return [replace(_join(listed[0], listed[1:]), topic=topic, heads=heads), *alone]


def _undecided(ledger: Ledger, said: Sequence[Statement]) -> list[Statement]:
    """What every report speaks of, experts looked at and no sentence says: a sentence for a doubt.

    A finding that only the prior names is not among them: nobody looked.
    """
    plan = report_plan()["undecided"]
    spoken = {head.finding for statement in said for head in statement.heads}
    found: dict[tuple[Topic, Doubt], list[LedgerEntry]] = {}
    for finding in map(Finding, plan["findings"]):
        open_ = [
            entry
            for entry in ledger.entries
            if entry.finding is finding and entry.decision is Decision.ABSTAIN and entry.votes
        ]
        if not open_ or any(is_a(other, finding) or is_a(finding, other) for other in spoken):
            continue
        measured = any(entry.measurement is not None for entry in open_)
        if finding.value in plan["measured"] and not measured:
            doubt = Doubt.UNMEASURED
        elif any(d.type is DisagreementType.POLARITY for e in open_ for d in e.disagreements):
            doubt = Doubt.DISPUTED
        else:
            doubt = Doubt.WEAK
        found.setdefault((topic_of(finding), doubt), []).extend(open_)
    return [
        Statement(
            Kind.UNDECIDED,
            topic,
            tuple(Claim(finding=f) for f in dict.fromkeys(entry.finding for entry in entries)),
            (),
            tuple(entries),
            doubt,
        )
        for (topic, doubt), entries in found.items()
    ]


def _normal_study(ledger: Ledger) -> Statement | None:
    for entry in ledger.entries:
        claim = entry.claim()
        if (
            claim is not None
            and claim.finding is Finding.NO_FINDING
            and claim.polarity is Polarity.PRESENT
            and claim.certainty is Certainty.DEFINITE
            and entry.evidence
        ):
            bare = Claim(finding=Finding.NO_FINDING)
            return Statement(Kind.NORMAL_STUDY, Topic.OTHER, (bare,), (bare,), (entry,))
    return None
