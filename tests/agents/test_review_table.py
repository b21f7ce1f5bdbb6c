"""A review's lines are said once, and accuse only where the experts contradict the report."""

from __future__ import annotations

from agents.review_table import readable
from findings.vocabulary import Finding, Language, Side
from reporting.existing_report import read_report
from reporting.ledger import Decision, LedgerEntry, Vote
from reporting.review import review_report
from reporting.review_items import ItemSeverity, ItemType, ReviewItem


def entry(finding: Finding, decision: Decision) -> LedgerEntry:
    return LedgerEntry(
        id="L1",
        finding=finding,
        probability=0.5,
        decision=decision,
        reason="As pooled.",
        votes=(Vote(expert="classifier", evidence="E1", polarity="present"),),
    )


def table(text: str, *entries: LedgerEntry) -> tuple[ReviewItem, ...]:
    report = read_report(text, Language.ENGLISH)
    return readable(review_report(report, entries, has_prior=False), report).items


def test_what_is_said_twice_or_of_both_sides_is_one_line() -> None:
    text = "Findings: Bilateral streaky opacities.\n\nImpression: Mild bilateral opacities."
    [line] = table(text, entry(Finding.LUNG_OPACITY, Decision.ABSTAIN))
    assert (line.type, line.side) == (ItemType.UNSUPPORTED, Side.BILATERAL)


def test_what_the_experts_cannot_judge_is_not_to_be_removed() -> None:
    [open_] = table("Right atelectasis.", entry(Finding.ATELECTASIS, Decision.ABSTAIN))
    assert open_.suggestion is None and open_.severity is ItemSeverity.LOW
    [denied] = table("Right atelectasis.", entry(Finding.ATELECTASIS, Decision.ABSENT))
    assert denied.suggestion and denied.severity is not ItemSeverity.LOW


def test_a_wide_heart_on_a_shallow_breath_is_a_remark() -> None:
    heart = entry(Finding.CARDIOMEGALY, Decision.PRESENT)
    text = "The heart is normal in size."
    [plain] = table(text, heart)
    assert (plain.type, plain.severity) == (ItemType.MISSED, ItemSeverity.MODERATE)
    mild = next(i for i in table(f"{text} Low lung volumes.", heart) if i.type is ItemType.MISSED)
    assert mild.severity is ItemSeverity.LOW and "shallow breath" in mild.reason
