"""Held-out ledgers to write from: what a report states, carried by votes, beside its words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agents.reconciliation import reconcile
from agents.tuning.confusion import drawn_evidence
from agents.tuning.corpus import english, spanish
from agents.tuning.reports import Reported, read_english, read_spanish
from agents.tuning.statements import ledger_of
from findings.catalogue import is_a
from findings.claims import Claim
from findings.vocabulary import Finding, Language
from models.language.pairs import Part
from reporting.context import ReportContext
from reporting.ledger import Ledger

Source = Literal["report", "experts"]
"""Ledgers as the report states them, or as the experts' measured errors would have made them."""


@dataclass(frozen=True)
class WritingCase:
    """One study to write."""

    report_id: str
    patient: str
    reference: str
    """The radiologist's report; empty where none is published in words."""
    ledger: Ledger
    context: ReportContext


def held_out_cases(
    corpora: Path, language: Language, source: Source, most: int, seed: int = 0
) -> tuple[WritingCase, ...]:
    """Cases of held-out patients, drawn by the seed, each with something affirmed to write.

    Raises `IndexUnavailableError` where the corpora are not there.
    """
    if language is Language.ENGLISH:
        reports = english(corpora).reports[Part.HELD_OUT]
    else:
        reports = spanish(corpora, 40 * most).reports[Part.HELD_OUT]
    chance = random.Random(f"writing:{seed}")
    drawn = chance.sample(reports, len(reports))
    read = read_english if language is Language.ENGLISH else read_spanish
    cases: list[WritingCase] = []
    for report in drawn:
        (reported,) = read((report,))
        case = _case(reported, source, seed)
        if case is not None:
            cases.append(case)
        if len(cases) == most:
            break
    return tuple(cases)


def _case(reported: Reported, source: Source, seed: int) -> WritingCase | None:
    report = reported.report
    chance = random.Random(f"{seed}:writing:{report.report_id}")
    if source == "experts":
        ledger = reconcile(drawn_evidence(reported.claims, report.language, chance))
    else:
        ledger = ledger_of(stated(reported.claims))
    if not any(
        claim is not None and claim.present and claim.finding is not Finding.NO_FINDING
        for claim in (entry.claim() for entry in ledger.entries)
    ):
        return None
    return WritingCase(
        report_id=report.report_id,
        patient=report.patient,
        reference=report.text,
        ledger=ledger,
        context=ReportContext(language=report.language, seed=chance.randrange(100)),
    )


def stated(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """A report's claims as one reading: no change, and no denial of what is affirmed."""
    plain = dict.fromkeys(
        claim.model_copy(update={"change": None})
        for claim in claims
        if claim.finding not in (Finding.NO_FINDING, Finding.OTHER_FINDING)
    )
    affirmed = [claim for claim in plain if claim.present]
    return tuple(
        claim
        for claim in plain
        if claim.present or not any(is_a(other.finding, claim.finding) for other in affirmed)
    )
