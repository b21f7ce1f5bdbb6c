"""The table of `readingroom evaluate writing`: each writer's measures with 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from agents.aggregator.contract import RewordingBackend
from evaluation.bootstrap import Estimate, estimate, mean_estimate
from evaluation.reports.efficacy import CHEXPERT, efficacy
from evaluation.reports.overlap import bleu, bleu_counts, rouge_l
from evaluation.reports.pairs import ReferenceReport, ReportPair
from evaluation.writing.cases import Source, WritingCase
from evaluation.writing.desk import Written, write
from evaluation.writing.style import reading_ease, repetition, words_per_sentence
from findings.claims import Frozen
from findings.vocabulary import Language
from reporting.planning import written_claim

Progress = Callable[[str, int, int], None]

_BLEU: Final = 4


class WriterScore(Frozen):
    """What one writer reaches on all cases. Shares are of what each figure names."""

    writer: str
    model: str
    bleu_1: Estimate
    bleu_4: Estimate
    rouge_l: Estimate
    report_f1: Estimate
    """Findings affirmed, against those of the radiologist's report (micro F1 of CheXpert's 14)."""
    ledger_f1: Estimate
    """The same, against the ledger that the text was written from."""
    unverified: Estimate
    """Sentences that verification finds faulty or without evidence, of a report's; nothing is
    left out of it that fell back."""
    missing: Estimate
    """Positive ledger entries that no sentence states, for a report."""
    refused: Estimate
    """Rewordings that did not pass at the first try, of those made."""
    repairs: Estimate
    """Further tries for a draft."""
    fallbacks: Estimate
    """Sentences given back to the phraser, for a draft."""
    reworded: Estimate
    """Sentences in other words than the phraser's, of those given to the model."""
    repetition: Estimate
    reading_ease: Estimate
    words_per_sentence: Estimate
    distinct: Estimate
    """Different sentences of all sentences that affirm something, over the drafts."""
    seconds: Estimate


class WritingReport(Frozen):
    """All writers on the same ledgers."""

    language: Language
    source: Source
    cases: int
    scores: tuple[WriterScore, ...]

    def markdown(self) -> list[str]:
        """The table, a measure a line, a writer a column."""
        about = "as the reports state them" if self.source == "report" else "with drawn errors"
        lines = [
            f"{self.cases} held-out ledgers {about}, {self.language.value}; 95 % bootstrap "
            "intervals over patients.",
            "",
            "| measure | " + " | ".join(score.writer for score in self.scores) + " |",
            "|---|" + "---|" * len(self.scores),
        ]
        for name, label, decimals in _ROWS:
            figures = [getattr(score, name) for score in self.scores]
            if any(figure.value is not None for figure in figures):
                shown = " | ".join(figure.shown(decimals) for figure in figures)
                lines.append(f"| {label} | {shown} |")
        return lines


_ROWS: Final = (
    ("bleu_1", "BLEU-1 against the report", 3),
    ("bleu_4", "BLEU-4 against the report", 3),
    ("rouge_l", "ROUGE-L against the report", 3),
    ("report_f1", "clinical F1 against the report", 3),
    ("ledger_f1", "clinical F1 against the ledger", 3),
    ("unverified", "unverified sentences of a report", 3),
    ("missing", "positive entries left out of a report", 3),
    ("refused", "rewordings refused at the first try", 3),
    ("repairs", "repairs a draft", 2),
    ("fallbacks", "fallbacks a draft", 2),
    ("reworded", "sentences given that came out in other words", 3),
    ("repetition", "repeated runs of four words", 3),
    ("distinct", "different sentences among affirming ones", 3),
    ("reading_ease", "reading ease", 1),
    ("words_per_sentence", "words a sentence", 1),
    ("seconds", "seconds of writing a draft", 2),
)


def evaluate_writing(
    cases: Sequence[WritingCase],
    writers: Mapping[str, RewordingBackend | None],
    source: Source,
    progress: Progress,
) -> WritingReport:
    """Write every case with every writer and measure. Raises `BackendError`."""
    scores = []
    for name, backend in writers.items():
        written = []
        for number, case in enumerate(cases, start=1):
            written.append(write(case, backend))
            progress(name, number, len(cases))
        scores.append(score(name, written, "" if backend is None else backend.model.name))
    return WritingReport(
        language=cases[0].context.language if cases else Language.ENGLISH,
        source=source,
        cases=len(cases),
        scores=tuple(scores),
    )


def score(writer: str, written: Sequence[Written], model: str = "") -> WriterScore:
    """Measure what one writer wrote."""
    patients = [one.case.patient for one in written]
    language = written[0].case.context.language
    texts = [one.text for one in written]
    references = [one.case.reference for one in written]
    worded = all(references)
    counts = bleu_counts(texts, references) if worded else None

    def bleu_of(order: int) -> Estimate:
        if counts is None:
            return Estimate(value=None)
        return estimate(lambda chosen: bleu(counts[chosen], order), patients)

    def mean(values: Sequence[float]) -> Estimate:
        return mean_estimate(values, patients)

    def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Estimate:
        def of(chosen: object) -> float:
            indices = list(chosen)  # type: ignore[call-overload]
            whole = sum(wholes[i] for i in indices)
            return sum(parts[i] for i in indices) / whole if whole else float("nan")

        return estimate(of, patients)

    given = [float(one.given) for one in written]
    affirming = [_affirming(one) for one in written]
    return WriterScore(
        writer=writer,
        model=model,
        bleu_1=bleu_of(1),
        bleu_4=bleu_of(_BLEU),
        rouge_l=mean(rouge_l(texts, references).tolist()) if worded else Estimate(value=None),
        report_f1=efficacy(_against_reports(written), CHEXPERT).micro_f1
        if worded
        else Estimate(value=None),
        ledger_f1=efficacy(_against_ledgers(written), CHEXPERT).micro_f1,
        unverified=ratio(
            [len(one.verification.faulty) for one in written],
            [len(one.verification.checks) for one in written],
        ),
        missing=mean([len(one.verification.missing) for one in written]),
        refused=ratio([one.refused for one in written], given),
        repairs=mean([one.repairs for one in written]),
        fallbacks=mean([one.fallbacks for one in written]),
        reworded=ratio([one.given - one.fallbacks - one.unchanged for one in written], given),
        repetition=mean([repetition(_sentences(one)) for one in written]),
        reading_ease=mean([reading_ease(text, language) for text in texts]),
        words_per_sentence=mean([words_per_sentence(text) for text in texts]),
        # No interval: drawing a draft twice would itself repeat its sentences.
        distinct=Estimate(value=_distinct(affirming), cases=len(written)),
        seconds=mean([one.seconds for one in written]),
    )


def _against_reports(written: Sequence[Written]) -> list[ReportPair]:
    return [
        ReportPair(
            one.text,
            ReferenceReport.written(
                one.case.patient, one.case.reference, one.case.context.language
            ),
            one.case.context.language,
        )
        for one in written
    ]


def _against_ledgers(written: Sequence[Written]) -> list[ReportPair]:
    """The text against the claims that the ledger must make; there is no text of those."""
    return [
        ReportPair(
            one.text,
            ReferenceReport(
                one.case.patient,
                "",
                tuple(
                    claim
                    for entry in one.case.ledger.entries
                    if (claim := written_claim(entry, one.case.context.has_prior)) is not None
                ),
            ),
            one.case.context.language,
        )
        for one in written
    ]


def _sentences(one: Written) -> list[str]:
    return [s.text for section in one.sections for s in section.sentences if s.claims]


def _affirming(one: Written) -> list[str]:
    return [
        s.text
        for section in one.sections
        for s in section.sentences
        if any(claim.present for claim in s.claims)
    ]


def _distinct(drafts: Sequence[Sequence[str]]) -> float | None:
    every = [text for draft in drafts for text in draft]
    return len(set(every)) / len(every) if every else None
