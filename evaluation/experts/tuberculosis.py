"""The classifier's tuberculosis output, at each hospital apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from evaluation.bootstrap import Estimate, estimate
from evaluation.curves import OperatingMark, RocCurve, operating_mark, roc_curve
from evaluation.experts.classifier import by_finding, films_of
from evaluation.experts.hospitals import LEAST_FILMS, LearntAnew, learn_anew, pool_films
from evaluation.experts.readings import Readings, Which, wanted
from findings.claims import Frozen
from findings.evidence import Classification
from findings.vocabulary import Finding
from models.classifier.config import ClassifierConfig
from models.data.finding_sources import TUBERCULOSIS, read_tuberculosis
from models.data.records import FindingRecord
from models.metrics import area_under_curve
from models.shipping import SHIPPED, read_config
from tools.classifier import ClassifierExpert
from tools.contract import ExpertCard, Role


class HospitalScore(Frozen):
    """One hospital's films."""

    source: str
    images: int
    positives: int
    auc: Estimate
    mark: OperatingMark | None
    curve: RocCurve | None


class TuberculosisScore(Frozen):
    """Each hospital apart: a network that tells the two apart would gain from mixing them."""

    version: str
    hospitals: tuple[HospitalScore, ...]
    learnt_anew: tuple[LearntAnew, ...] = ()

    def markdown(self) -> list[str]:
        """The scores as a table."""
        lines = [
            "| source | images | with tuberculosis | AUC (95 % interval) "
            "| sensitivity / specificity, balanced |",
            "|---|---|---|---|---|",
        ]
        for score in self.hospitals:
            mark = score.mark
            reached = f"{mark.sensitivity:.2f} / {mark.specificity:.2f}" if mark else "n/a"
            lines.append(
                f"| {score.source} | {score.images} | {score.positives} | {score.auc.shown()} "
                f"| {reached} |"
            )
        if self.learnt_anew:
            lines += [
                "",
                "The same output learnt anew, and tested on films that it did not learn from:",
                "",
                "| learnt at | tested at | images | AUC (95 % interval) |",
                "|---|---|---|---|",
                *(
                    f"| {own.learnt_at} | {own.tested_at} | {own.images} | {own.auc.shown()} |"
                    for own in self.learnt_anew
                ),
            ]
        return lines

    def draw(self, folder: Path) -> list[Path]:
        """ROC curves of the hospitals as one picture."""
        from evaluation.figures import draw_roc

        curves = [score.curve for score in self.hospitals if score.curve is not None]
        return [draw_roc(curves, folder / "experts-tuberculosis-roc.png")]


def evaluate_tuberculosis(data: Path, split: Which, readings: Readings) -> TuberculosisScore | None:
    """Judge the tuberculosis films; None without films or without a classifier that judges it."""
    records = [r for r in read_tuberculosis(data) if wanted(r.split, split)]
    card = readings.card(Role.CLASSIFIER)
    if not records or card is None:
        return None
    films = films_of(records)
    first = by_finding(readings.of(Role.CLASSIFIER, films[0]))
    if first and Finding.TUBERCULOSIS not in first:
        return None
    readings.prepare((Role.CLASSIFIER,), films)
    judged = [
        (record, found[Finding.TUBERCULOSIS])
        for record, film in zip(records, films, strict=True)
        if Finding.TUBERCULOSIS in (found := by_finding(readings.of(Role.CLASSIFIER, film)))
    ]
    sources = sorted({record.source for record, _ in judged})
    hospitals = tuple(
        _hospital(source, [own for own in judged if own[0].source == source]) for source in sources
    )
    if not judged:
        return None
    return TuberculosisScore(
        version=card.version, hospitals=hospitals, learnt_anew=_learnt_anew(data, card, readings)
    )


def _learnt_anew(data: Path, card: ExpertCard, readings: Readings) -> tuple[LearntAnew, ...]:
    """Of the shipped classifier, at hospitals with enough films of either reading."""
    shipped = read_config(SHIPPED / ClassifierExpert.folder, ClassifierConfig)
    if card.sha256 != shipped.weights_sha256:
        return ()
    records = list(read_tuberculosis(data))
    counts = Counter((record.source, bool(record.labels[TUBERCULOSIS])) for record in records)
    hospitals = {
        source
        for source, _ in counts
        if min(counts[source, False], counts[source, True]) >= LEAST_FILMS
    }
    if len(hospitals) < 2:
        return ()
    films = pool_films([record for record in records if record.source in hospitals], readings)
    return tuple(learn_anew(films))


def _hospital(source: str, judged: list[tuple[FindingRecord, Classification]]) -> HospitalScore:
    score = np.array([item.probability for _, item in judged])
    truth = np.array([bool(record.labels[TUBERCULOSIS]) for record, _ in judged])
    mark = operating_mark("balanced", judged[0][1].threshold, score, truth)
    return HospitalScore(
        source=source,
        images=len(judged),
        positives=int(truth.sum()),
        auc=estimate(
            lambda cases: area_under_curve(score[cases], truth[cases]),
            [record.patient for record, _ in judged],
        ),
        mark=mark,
        curve=roc_curve(source, score, truth, (mark,) if mark else ()),
    )
