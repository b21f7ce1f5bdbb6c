"""Coherence between findings: a kind implies its parents, and `no_finding` is derived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agents.reconciliation.decisions import decide, operating_points, tally
from agents.reconciliation.fusion import Fusion
from agents.reconciliation.voices import Voice
from findings.catalogue import FindingGroup, ancestors, describe
from findings.vocabulary import Certainty, Finding, Polarity
from reporting.ledger import Decision, Disagreement, DisagreementType, LedgerEntry, Vote

_OPPOSITE = {Polarity.PRESENT: Polarity.ABSENT, Polarity.ABSENT: Polarity.PRESENT}
_STATED = (Decision.PRESENT, Decision.UNCERTAIN)


def cohere(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """No parent is denied, nor held less likely, while one of its kinds is stated.

    A denied parent of a stated kind becomes silent: the kind itself is what the report says.
    """
    stated = sorted(
        (entry for entry in entries if entry.decision in _STATED),
        key=lambda entry: (-entry.probability, entry.finding),
    )
    coherent = []
    for entry in entries:
        kinds = [kind for kind in stated if entry.finding in ancestors(kind.finding)]
        coherent.append(_implied(entry, kinds[0]) if kinds else entry)
    return coherent


def _implied(entry: LedgerEntry, kind: LedgerEntry) -> LedgerEntry:
    raised = max(entry.probability, kind.probability)
    if entry.decision is not Decision.ABSENT:
        return entry.model_copy(update={"probability": raised})
    note = Disagreement(
        type=DisagreementType.POLARITY,
        detail=f"{entry.finding.value} denied, {kind.finding.value} stated",
        settled_by=f"the hierarchy: {kind.finding.value} is a kind of {entry.finding.value}",
    )
    return entry.model_copy(
        update={
            "probability": raised,
            "decision": Decision.ABSTAIN,
            "certainty": Certainty.POSSIBLE,
            "reason": f"A kind of it, {kind.finding.value}, is stated instead.",
            "disagreements": (*entry.disagreements, note),
        }
    )


def no_finding(
    entries: Sequence[LedgerEntry], overall: Sequence[Voice], fusion: Fusion
) -> tuple[LedgerEntry, ...]:
    """The entry for `no_finding`, derived from the others; none where nothing was looked at.

    It is affirmed only where every required finding was looked at and nothing but devices is
    stated: definite where all required ones are denied, else probable. An expert's own opinion on
    `no_finding` is kept as a vote but decides nothing except how sure an affirmation is.
    """
    looked_at = {entry.finding: entry for entry in entries}
    if not looked_at and not overall:
        return ()
    probability, votes = tally(Finding.NO_FINDING, overall, fusion)
    abnormal = [
        entry
        for entry in entries
        if entry.decision in _STATED and describe(entry.finding).group is not FindingGroup.DEVICES
    ]
    required = fusion.no_finding.required
    missing = [finding for finding in required if finding not in looked_at]
    if abnormal:
        decision, certainty = Decision.ABSTAIN, Certainty.POSSIBLE
        reason = "Abnormal findings are stated."
        derived = 1.0 - max(entry.probability for entry in abnormal)
    elif missing:
        decision, certainty = Decision.ABSTAIN, Certainty.POSSIBLE
        reason = "Not everything that must be looked at was looked at."
        derived = fusion.base_rate(Finding.NO_FINDING)
    else:
        denied = all(looked_at[finding].decision is Decision.ABSENT for finding in required)
        decision = Decision.PRESENT
        doubted = bool(overall) and (
            decide(probability, overall, operating_points(overall, fusion), fusion.stated).decision
            is not Decision.PRESENT
        )
        certainty = Certainty.DEFINITE if denied and not doubted else Certainty.PROBABLE
        reason = "Everything that must be looked at was looked at, and nothing is stated."
        derived = 1.0 - max(looked_at[finding].probability for finding in required)
    return (
        LedgerEntry(
            id="L0",
            finding=Finding.NO_FINDING,
            probability=round(derived, 6),
            decision=decision,
            certainty=certainty,
            reason=reason,
            votes=(*votes, *_witnesses(looked_at, required)),
        ),
    )


def _witnesses(
    looked_at: Mapping[Finding, LedgerEntry], required: Sequence[Finding]
) -> tuple[Vote, ...]:
    """The voices on the required findings as votes without weight: the conclusion rests on them."""
    return tuple(
        vote.model_copy(update={"weight": 0.0, "polarity": _OPPOSITE[vote.polarity]})
        for finding in required
        if finding in looked_at
        for vote in looked_at[finding].votes[:1]
    )
