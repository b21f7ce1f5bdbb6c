"""Writing one ledger as a draft does, by the phraser or with a model; what happened is counted."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Final

from agents.aggregator.contract import Attempt, RewordingBackend
from agents.aggregator.form import ill_formed
from agents.aggregator.tasks import complaint, reword_task, worth_rewording
from agents.reporter import LedgerReporter
from agents.state import DraftRequest
from evaluation.writing.cases import WritingCase
from reporting.draft import Origin, Section, SectionName, Sentence
from reporting.verify import Verification

MOST_REPAIRS: Final = 2
_PATIENCE: Final = 300.0
"""Seconds for a sentence: this measures what a model says, on however busy a machine."""


@dataclass(frozen=True)
class Written:
    """One report and how it came about."""

    case: WritingCase
    sections: tuple[Section, ...]
    verification: Verification
    given: int
    """Sentences that the model was given."""
    refused: int
    """Of those, how many did not pass at the first try."""
    repairs: int
    """Further tries."""
    fallbacks: int
    """Sentences that stayed the phraser's after all tries."""
    unchanged: int
    """Rewordings that were the phraser's sentence word for word."""
    seconds: float

    @property
    def text(self) -> str:
        """Findings and impression in running text."""
        return " ".join(
            sentence.text
            for section in self.sections
            if section.name in (SectionName.FINDINGS, SectionName.IMPRESSION)
            for sentence in section.sentences
        )


def write(case: WritingCase, backend: RewordingBackend | None) -> Written:
    """Write a case; without a back end the phraser's sentences stand.

    The rules are those of drafting: positive sentences of the findings section are reworded, each
    rewording is read back, one that fails is tried again twice and then given up. Raises
    `BackendError` where the model gives no answer.
    """
    reporter, began = LedgerReporter(), perf_counter()
    counts = dict.fromkeys(("given", "refused", "repairs", "fallbacks", "unchanged"), 0)
    sections: list[Section] = []
    for section in reporter.compose(case.ledger, case.context):
        sentences: list[Sentence] = []
        for sentence in section.sentences:
            wanted = backend is not None and worth_rewording(section, sentence)
            if backend is None or not wanted or counts["given"] >= backend.max_sentences:
                sentences.append(sentence)
                continue
            counts["given"] += 1
            outcome, tries = _reworded(case, sentence, backend, reporter)
            counts["refused"] += tries != 1
            counts["repairs"] += max(tries, 1) - 1 if tries else MOST_REPAIRS
            counts["fallbacks"] += tries == 0
            counts["unchanged"] += outcome is not sentence and outcome.text == sentence.text
            sentences.append(outcome)
        sections.append(section.model_copy(update={"sentences": tuple(sentences)}))
    seconds = perf_counter() - began
    verification = reporter.verify(sections, case.ledger, case.context)
    return Written(
        case=case,
        sections=tuple(sections),
        verification=verification,
        seconds=seconds,
        **counts,
    )


def _reworded(
    case: WritingCase, sentence: Sentence, backend: RewordingBackend, reporter: LedgerReporter
) -> tuple[Sentence, int]:
    """The sentence as it stands in the end, and at which try it passed (0: never)."""
    request = DraftRequest(path="", language=case.context.language)
    attempt = Attempt(sentence=sentence.id)
    while attempt.tries <= MOST_REPAIRS:
        text = backend.reword(reword_task(sentence, attempt, (), request), _PATIENCE)
        candidate = sentence.model_copy(update={"text": text, "origin": Origin.MODEL})
        wrong = ill_formed(text, sentence.text, case.context.language)
        if wrong is None:
            check = reporter.check(candidate, case.ledger, case.context)
            if not check.differences and check.supported:
                return candidate, attempt.tries + 1
            wrong = complaint(check.differences) if check.differences else "It has no evidence."
        attempt = Attempt(
            sentence=sentence.id, tries=attempt.tries + 1, rejected=text, complaint=wrong
        )
    return sentence, 0
