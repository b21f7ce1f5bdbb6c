"""Whole-report pairs: a ledger as the experts would have given it, and the report that it carries.

The plan is the phraser's, of the reconciled ledger. Where a sentence of the sentence-level pairs
says a planned one (the patient's own, else another's of the same part), it is the answer's; what
the experts missed is left out, what they saw wrongly stays in the phraser's words: the answer
follows the ledger, not the film.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from agents.aggregator.prompt import ReportPrompt
from agents.aggregator.report import report_task
from agents.reconciliation import reconcile
from agents.reporter import LedgerReporter
from agents.state import DraftRequest
from agents.tuning.confusion import drawn_evidence, measured_confusion
from agents.tuning.sentences import ROLES
from agents.tuning.statements import Statement, passes
from findings.claims import Claim
from findings.evidence import Neighbour
from findings.labeler import ReportLabeler
from findings.vocabulary import Language
from models.language.pairs import Form, Pair, Part, Turn
from reporting.context import ReportContext
from reporting.draft import Origin, Section, SectionName, Sentence
from reporting.ledger import Ledger
from retrieval.corpora.report import CorpusReport

WRITTEN: Final = "report"
PHRASED: Final = "phrased"
_NEIGHBOURS: Final = 2
_TRIED: Final = 3
_SEEDS: Final = 100


class Reported(NamedTuple):
    """A report with what it claims."""

    report: CorpusReport
    claims: tuple[Claim, ...]


class Wordings:
    """Verified sentences by the claims they make, each with the report it comes from."""

    def __init__(self, taught: Iterable[tuple[Pair, Statement]]) -> None:
        self._by_claims: dict[frozenset[Claim], dict[str, str]] = {}
        for pair, made in taught:
            known = self._by_claims.setdefault(frozenset(made.claims), {})
            known.setdefault(made.text, pair.patient)

    def of(self, claims: Sequence[Claim], patient: str, chance: random.Random) -> list[str]:
        """A few sentences that make these claims: the patient's own, then others drawn."""
        known = self._by_claims.get(frozenset(claims), {})
        own = [text for text, whose in known.items() if whose == patient]
        others = [text for text in known if text not in own]
        return own + chance.sample(others, min(_TRIED, len(others)))


def read_english(reports: Sequence[CorpusReport]) -> tuple[Reported, ...]:
    """The claims of each report, read by the labeler."""
    labeler = ReportLabeler(Language.ENGLISH)
    return tuple(
        Reported(
            report,
            tuple(
                dict.fromkeys(
                    c.without_span() for s in labeler.label(report.text) for c in s.claims
                )
            ),
        )
        for report in reports
    )


def read_spanish(reports: Sequence[CorpusReport]) -> tuple[Reported, ...]:
    """Reports as their labels state them; no sentence of theirs is published unstemmed."""
    return tuple(Reported(report, report.claims) for report in reports)


def report_pairs(
    reports: Sequence[Reported], part: Part, prompt: ReportPrompt, seed: int, wordings: Wordings
) -> Iterator[Pair | str]:
    """A pair for each report, or the reason why there is none."""
    for reported in reports:
        report = reported.report
        chance = random.Random(f"{seed}:report:{report.report_id}")
        ledger = reconcile(drawn_evidence(reported.claims, report.language, chance))
        context = ReportContext(language=report.language, seed=chance.randrange(_SEEDS))
        planned = LedgerReporter().compose(ledger, context)
        neighbours = _neighbours(reported, reports, chance)
        request = DraftRequest(path="", language=report.language)
        task = report_task(planned, neighbours, request)
        if not task.points:
            yield "the experts saw nothing to state"
            continue
        written = [
            section.model_copy(
                update={
                    "sentences": tuple(
                        _worded(s, reported, ledger, context, wordings, chance)
                        for s in section.sentences
                    )
                }
            )
            for section in planned
        ]
        if not LedgerReporter().verify(written, ledger, context).ok:
            yield "the whole did not pass verification"
            continue
        real = report.language is Language.ENGLISH
        yield Pair(
            id=f"{report.report_id}-report",
            patient=report.patient,
            part=part,
            language=report.language,
            form=Form.REPORT,
            origin=WRITTEN if real else PHRASED,
            prompt=tuple(
                Turn.model_validate({"role": ROLES[message.type], "content": message.text})
                for message in prompt.messages(task)
            ),
            answer=json.dumps(_answer(written), ensure_ascii=False),
        )


def _worded(
    planned: Sentence,
    reported: Reported,
    ledger: Ledger,
    context: ReportContext,
    wordings: Wordings,
    chance: random.Random,
) -> Sentence:
    """The planned sentence in a radiologist's words, where there are any that pass."""
    if not planned.claims:
        return planned
    if reported.report.language is Language.SPANISH:
        return _rephrased(planned, ledger, context, chance)
    for text in wordings.of(planned.claims, reported.report.patient, chance):
        if passes(text, planned, ledger, context):
            return planned.model_copy(update={"text": text, "origin": Origin.MODEL})
    return planned


def _rephrased(
    planned: Sentence, ledger: Ledger, context: ReportContext, chance: random.Random
) -> Sentence:
    """The same in another of the phraser's wordings."""
    other = context.model_copy(update={"seed": chance.randrange(_SEEDS)})
    for section in LedgerReporter().compose(ledger, other):
        for sentence in section.sentences:
            if sentence.id == planned.id and sentence.claims == planned.claims:
                return sentence
    return planned


def _neighbours(
    reported: Reported, reports: Sequence[Reported], chance: random.Random
) -> tuple[Neighbour, ...]:
    """Other reports beside this one: as often as measured about a finding of it, else about others.

    Their findings are tempting and not this patient's.
    """
    own = {claim.finding for claim in reported.claims if claim.present}
    wanted = measured_confusion().neighbours.share_a_finding
    found: list[Neighbour] = []
    for other in chance.sample(reports, min(len(reports), 30)):
        theirs = tuple(dict.fromkeys(claim.finding for claim in other.claims if claim.present))
        alike = bool(own & set(theirs))
        same = other.report.patient == reported.report.patient
        if same or not theirs or alike is not (chance.random() < wanted):
            continue
        found.append(
            Neighbour(
                id=f"E{900 + len(found)}",
                expert="retrieval",
                version="drawn",
                report_id=other.report.report_id,
                similarity=round(chance.uniform(0.4, 0.95), 3),
                language=other.report.language.value,
                text=other.report.text or other.report.display,
                findings=theirs,
            )
        )
        if len(found) == _NEIGHBOURS:
            break
    return tuple(found)


def _answer(sections: Sequence[Section]) -> dict[str, Any]:
    """The report in the form that `agents.aggregator.report.report_schema` asks for."""
    return {
        section.name.value: [
            {
                "claims": list(sentence.entries),
                "evidence": list(sentence.evidence),
                "text": sentence.text,
            }
            for sentence in section.sentences
            if sentence.claims
        ]
        for section in sections
        if section.name in (SectionName.FINDINGS, SectionName.IMPRESSION)
        and any(sentence.claims for sentence in section.sentences)
    }
