"""Every metric of one report writer on one set of radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field

from evaluation.bootstrap import Estimate, estimate, mean_estimate
from evaluation.reports.bert_score import BertScorer
from evaluation.reports.cider import cider
from evaluation.reports.efficacy import (
    CHEXPERT,
    FIVE,
    EfficacyScore,
    LesionRow,
    efficacy,
    lesion_table,
)
from evaluation.reports.faithfulness import FaithfulnessScore, faithfulness
from evaluation.reports.field_metrics import FieldMetric, field_scores
from evaluation.reports.meteor_java import meteor_1_5
from evaluation.reports.overlap import ORDERS, bleu, bleu_counts, meteor, rouge_l
from evaluation.reports.pairs import ReportPair
from evaluation.reports.words import joined
from findings.claims import Frozen


class Overlap(Frozen):
    """How far the words are those of the references."""

    bleu: tuple[Estimate, ...] = Field(description="orders 1 to 4")
    rouge_l: Estimate
    meteor: Estimate = Field(description="exact and stem modules, 2007 parameters")
    cider: Estimate
    bert_score: Estimate | None = Field(default=None, description="F1; None without an encoder")
    meteor_1_5: Estimate | None = Field(default=None, description="None where not asked for")


class ReportScore(Frozen):
    """What one writer reaches."""

    films: int
    overlap: Overlap
    chexpert: EfficacyScore
    five: EfficacyScore
    lesions: tuple[LesionRow, ...]
    faithfulness: FaithfulnessScore
    distinct: int = Field(description="different reports, word by word")
    field: dict[str, float] = Field(default_factory=dict)


class Metrics(Frozen):
    """Which of the metrics that need something more are wanted."""

    java: bool = False
    field: tuple[FieldMetric, ...] = ()


NOTHING_MORE: Final = Metrics()


def score_reports(
    pairs: Sequence[ReportPair],
    encoder: BertScorer | None = None,
    wanted: Metrics = NOTHING_MORE,
) -> ReportScore:
    """Hold generated reports against their references; intervals are over patients.

    Raises:
        ResourceError: a wanted metric cannot run here.
    """
    generated = [pair.generated for pair in pairs]
    references = [pair.reference.text for pair in pairs]
    return ReportScore(
        films=len(pairs),
        overlap=_overlap(pairs, encoder, wanted.java),
        chexpert=efficacy(pairs, CHEXPERT),
        five=efficacy(pairs, FIVE),
        lesions=lesion_table(pairs),
        faithfulness=faithfulness(pairs),
        distinct=len({joined(text) for text in generated}),
        field=field_scores(generated, references, wanted.field),
    )


def _overlap(pairs: Sequence[ReportPair], encoder: BertScorer | None, java: bool) -> Overlap:
    generated = [pair.generated for pair in pairs]
    references = [pair.reference.text for pair in pairs]
    patients = [pair.reference.patient for pair in pairs]
    counts = bleu_counts(generated, references)

    def bleu_of(order: int) -> Estimate:
        return estimate(lambda cases: bleu(counts[cases], order), patients)

    return Overlap(
        bleu=tuple(bleu_of(order) for order in range(1, ORDERS + 1)),
        rouge_l=mean_estimate(rouge_l(generated, references).tolist(), patients),
        meteor=mean_estimate(
            meteor(generated, references, pairs[0].language).tolist() if pairs else [], patients
        ),
        cider=mean_estimate(cider(generated, references).tolist(), patients),
        bert_score=None
        if encoder is None
        else mean_estimate(encoder.score(generated, references)[:, 2].tolist(), patients),
        meteor_1_5=None
        if not java
        else mean_estimate(meteor_1_5(generated, references).tolist(), patients),
    )
