"""The finding detector against drawn boxes: precision, free response, localisation, JSRT nodules.

Boxes are not exhaustive. For one finding, an image counts where the finding is drawn on it or its
labels deny it; false boxes are counted on the latter alone. JSRT's nodules were confirmed by CT, so
there every film counts, and so does every box off the nodule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import Field

from evaluation.bootstrap import Estimate, estimate
from evaluation.curves import FrocCurve
from evaluation.experts.published_boxes import (
    LOCALISATION_OVERLAPS,
    PUBLISHED,
    PUBLISHED_NODULES,
)
from evaluation.experts.readings import Readings, Which, wanted
from findings.claims import Frozen
from findings.vocabulary import Finding
from models.data.box_sources import BoxRecord, read_boxes
from models.detection_metrics import (
    Floats,
    Judged,
    centre_within,
    free_response,
    hits,
    intersection_over_union,
    localisation_accuracy,
    precision_area,
    score_at_false_boxes,
    sensitivity,
)
from models.metrics import area_under_curve
from models.preprocessing import read_display
from tools.contract import Role

if TYPE_CHECKING:
    from models.detector.inference import DetectorOutput, FindingDetector

PRECISION_OVERLAPS: Final = (0.4, 0.5)
FROC_OVERLAP: Final = 0.3
FROC_RATES: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
JSRT_RATES: Final = (0.5, 1.0, 2.0, 5.0)
REPEATS: Final = 200
_STAGE: Final = "detector"


class FindingBoxScore(Frozen):
    """Boxes of one finding in one source."""

    source: str
    finding: Finding
    boxes: int
    clear_images: int = Field(description="images whose labels deny the finding")
    precision: tuple[Estimate, ...] = Field(description="average, at `PRECISION_OVERLAPS`")
    localisation: tuple[Estimate, ...] = Field(description="at `LOCALISATION_OVERLAPS`")
    froc: FrocCurve | None = Field(description="None: no image is known to be clear")
    presence_auc: Estimate = Field(description="of the best box's score, against the labels")
    shown_false_boxes: float | None = Field(description="for a clear image, at the shipped score")
    shown_sensitivity: float | None


class NoduleScore(Frozen):
    """JSRT nodules: a box hits where its centre lies in the drawn square."""

    films: int
    nodules: int
    froc: FrocCurve
    by_subtlety: dict[str, tuple[int, float]] = Field(
        description="subtlety -> nodules, share hit at two false boxes a film"
    )


class DetectorScore(Frozen):
    """The detector on all sources that are there."""

    version: str
    images: int
    findings: tuple[FindingBoxScore, ...]
    nodules: NoduleScore | None

    def mean(
        self, figures: Callable[[FindingBoxScore], tuple[Estimate, ...]], source: str = "nih"
    ) -> list[float]:
        """Means of a score's figures over the findings of a source that have them."""
        rows = [figures(score) for score in self.findings if score.source == source]
        columns = [[own.value for own in column] for column in zip(*rows, strict=True)]
        known = [[value for value in column if value is not None] for column in columns]
        return [float(np.mean(values)) if values else float("nan") for values in known]

    def markdown(self) -> list[str]:
        """Tables: precision and free response, localisation beside published, JSRT."""
        return [
            f"{self.images} images.",
            "",
            *self._precision_table(),
            "",
            *self._localisation_table(),
            *([] if self.nodules is None else ["", *_nodule_table(self.nodules)]),
        ]

    def _precision_table(self) -> list[str]:
        rates = " | ".join(f"{rate:g}" for rate in FROC_RATES)
        lines = [
            "Average precision, and the share of boxes met (IoU "
            f"{FROC_OVERLAP:g}) at so many false boxes for an image without the finding:",
            "",
            f"| source | finding | boxes | AP at IoU 0.4 | AP at IoU 0.5 | {rates} | "
            "AUC of presence |",
            "|---" * (6 + len(FROC_RATES)) + "|",
        ]
        for score in self.findings:
            shares = " | ".join(
                ["n/a"] * len(FROC_RATES)
                if score.froc is None
                else [f"{value:.2f}" for value in score.froc.sensitivity]
            )
            precision = " | ".join(value.shown(2) for value in score.precision)
            lines.append(
                f"| {score.source} | {score.finding} | {score.boxes} | {precision} | {shares} | "
                f"{score.presence_auc.shown(2)} |"
            )
        means = [f"{value:.2f}" for value in self.mean(lambda score: score.precision)]
        blank = " |" * (1 + len(FROC_RATES))
        return [*lines, f"| nih | mean | | {' | '.join(means)} |{blank}"]

    def _localisation_table(self) -> list[str]:
        names = " | ".join(f"{name} {t:g}" for t in LOCALISATION_OVERLAPS for name in PUBLISHED)
        lines = [
            "Localisation accuracy: the best box of the finding, where it is drawn, at T(IoU):",
            "",
            "| source | finding | images | "
            + " | ".join(f"T {t:g}" for t in LOCALISATION_OVERLAPS)
            + f" | {names} |",
            "|---" * (6 + len(PUBLISHED) * len(LOCALISATION_OVERLAPS)) + "|",
        ]
        for score in self.findings:
            own = " | ".join(value.shown(2) for value in score.localisation)
            theirs = " | ".join(
                f"{table[score.finding][n]:.2f}"
                if score.source == "nih" and score.finding in table
                else ""
                for n in range(len(LOCALISATION_OVERLAPS))
                for table in PUBLISHED.values()
            )
            images = score.localisation[0].cases
            lines.append(f"| {score.source} | {score.finding} | {images} | {own} | {theirs} |")
        means = [f"{value:.2f}" for value in self.mean(lambda score: score.localisation)]
        means += [
            f"{np.mean([values[n] for values in table.values()]):.2f}"
            for n in range(len(LOCALISATION_OVERLAPS))
            for table in PUBLISHED.values()
        ]
        return [*lines, f"| nih | mean | | {' | '.join(means)} |"]

    def draw(self, folder: Path) -> list[Path]:
        """The free-response curves."""
        from evaluation.figures import draw_froc

        curves = [score.froc for score in self.findings if score.froc is not None]
        paths = [draw_froc(curves, folder / "experts-detector-froc.png", most=FROC_RATES[-1])]
        if self.nodules is not None:
            nodules = [self.nodules.froc]
            paths.append(
                draw_froc(nodules, folder / "experts-nodules-froc.png", most=JSRT_RATES[-1])
            )
        return paths


def evaluate_detector(data: Path, split: Which, readings: Readings) -> DetectorScore | None:
    """Hold the shipped detector's boxes against the drawn ones; None without either.

    Every box of the network counts, whatever its score: curves need those that a draft leaves out.
    """
    records = [record for record in read_boxes(data) if wanted(record.split, split)]
    if not readings.installed(Role.DETECTOR) or not any(record.boxes for record in records):
        return None
    from models.detector.inference import FindingDetector

    detector = FindingDetector.load()
    found = readings.each(
        _STAGE, lambda record: detector.search(read_display(record.image)), records
    )
    scores = [
        _finding_score(detector, finding, source, own)
        for source in dict.fromkeys(record.source for record in records)
        for finding in detector.config.findings
        if (own := _Cases.of(records, found, source, finding)).drawn
    ]
    return DetectorScore(
        version=detector.config.version,
        images=len(records),
        findings=tuple(scores),
        nodules=_nodule_score(data, records, found),
    )


class _Cases:
    """One finding in one source: images where it is drawn or denied, judged by overlap."""

    def __init__(self) -> None:
        self.judged: list[Judged] = []
        self.patients: list[str] = []
        self.labelled: list[tuple[float, bool, str]] = []
        """Best score, presence, patient of every image whose label is known."""

    @property
    def drawn(self) -> list[Judged]:
        """Images with a drawn box."""
        return [own for own in self.judged if own.drawn]

    @property
    def clear(self) -> list[Judged]:
        """Images that are labelled free of the finding."""
        return [own for own in self.judged if not own.drawn]

    @classmethod
    def of(
        cls,
        records: Sequence[BoxRecord],
        found: Sequence[DetectorOutput],
        source: str,
        finding: Finding,
    ) -> _Cases:
        cases = cls()
        for record, output in zip(records, found, strict=True):
            if record.source != source:
                continue
            own = judged_finding(record, output, finding, intersection_over_union)
            present = record.present.get(finding)
            if present is not None:
                best = float(own.scores.max(initial=0.0))
                cases.labelled.append((best, present, record.patient))
            if own.drawn or present is False:
                cases.judged.append(own)
                cases.patients.append(record.patient)
        return cases


def judged_finding(
    record: BoxRecord,
    output: DetectorOutput,
    finding: Finding,
    overlap: Callable[[Floats, Floats], Floats],
) -> Judged:
    """The boxes of one finding on one image against the drawn ones, in shares of the image."""
    from PIL import Image

    with Image.open(record.image) as image:
        scale = np.array([image.width, image.height] * 2)
    own = [box for box in output.boxes if box.finding is finding]
    drawn = [box.box for box in record.boxes if box.finding is finding]
    return Judged(
        scores=np.array([box.score for box in own]),
        overlaps=overlap(
            np.array([box.box for box in own]).reshape(-1, 4) / scale,
            np.array(drawn).reshape(-1, 4),
        ),
    )


def _finding_score(
    detector: FindingDetector, finding: Finding, source: str, cases: _Cases
) -> FindingBoxScore:
    drawn, clear = cases.drawn, cases.clear
    patients = cases.patients
    drawn_patients = [p for p, own in zip(patients, cases.judged, strict=True) if own.drawn]
    point = detector.config.findings[finding].point

    def precision(threshold: float) -> Estimate:
        met = [hits(own, threshold) for own in cases.judged]
        return estimate(
            lambda chosen: precision_area(
                np.concatenate([cases.judged[i].scores for i in chosen]),
                np.concatenate([met[i] for i in chosen]),
                sum(cases.judged[i].drawn for i in chosen),
            ),
            patients,
            REPEATS,
        )

    def localisation(threshold: float) -> Estimate:
        return estimate(
            lambda chosen: localisation_accuracy([drawn[i] for i in chosen], threshold),
            drawn_patients,
        )

    labelled = cases.labelled
    scores = np.array([own[0] for own in labelled])
    truth = np.array([own[1] for own in labelled], dtype=np.bool_)
    return FindingBoxScore(
        source=source,
        finding=finding,
        boxes=sum(own.drawn for own in drawn),
        clear_images=len(clear),
        precision=tuple(precision(threshold) for threshold in PRECISION_OVERLAPS),
        localisation=tuple(localisation(threshold) for threshold in LOCALISATION_OVERLAPS),
        froc=None
        if not clear
        else FrocCurve(
            name=f"{finding} ({source})",
            false_positives_per_image=FROC_RATES,
            sensitivity=tuple(free_response(drawn, clear, FROC_RATES, FROC_OVERLAP)),
        ),
        presence_auc=estimate(
            lambda chosen: area_under_curve(scores[chosen], truth[chosen]),
            [own[2] for own in labelled],
            REPEATS,
        ),
        shown_false_boxes=None
        if point is None or not clear
        else sum(int((own.scores >= point.score).sum()) for own in clear) / len(clear),
        shown_sensitivity=None if point is None else sensitivity(drawn, FROC_OVERLAP, point.score),
    )


def _nodule_score(
    data: Path, records: Sequence[BoxRecord], found: Sequence[DetectorOutput]
) -> NoduleScore | None:
    films = [
        (record, judged_finding(record, output, Finding.NODULE, centre_within))
        for record, output in zip(records, found, strict=True)
        if record.source == "jsrt"
    ]
    drawn = [own for _, own in films if own.drawn]
    if not drawn:
        return None
    false = [_false_boxes(own) for _, own in films]
    score = score_at_false_boxes(false, 2.0)
    subtlety = _subtlety(data)
    grades: dict[str, list[Judged]] = {}
    for record, own in films:
        if own.drawn:
            grades.setdefault(subtlety.get(record.image_id, "?"), []).append(own)
    return NoduleScore(
        films=len(films),
        nodules=len(drawn),
        froc=FrocCurve(
            name="JSRT nodules",
            false_positives_per_image=JSRT_RATES,
            sensitivity=tuple(free_response(drawn, false, JSRT_RATES, 1.0)),
        ),
        by_subtlety={
            grade: (len(own), sensitivity(own, 1.0, score)) for grade, own in sorted(grades.items())
        },
    )


def _false_boxes(own: Judged) -> Judged:
    """The boxes of a film that hit nothing."""
    missed = own.scores[~hits(own, 1.0)]
    return Judged(missed, np.zeros((len(missed), 0)))


def _subtlety(data: Path) -> dict[str, str]:
    import csv

    with (data / "jsrt" / "nodules.csv").open(newline="", encoding="utf-8-sig") as file:
        return {row["image"]: row.get("subtlety", "?") for row in csv.DictReader(file)}


def _nodule_table(score: NoduleScore) -> list[str]:
    grades = ", ".join(
        f"{grade}: {share:.2f} of {count}" for grade, (count, share) in score.by_subtlety.items()
    )
    return [
        f"JSRT, {score.films} films with {score.nodules} nodules; a box hits where its centre lies "
        "in the drawn square:",
        "",
        "| false boxes a film | "
        + " | ".join(f"{rate:g}" for rate in score.froc.false_positives_per_image)
        + " |",
        "|---" * (1 + len(score.froc.sensitivity)) + "|",
        "| share of nodules | "
        + " | ".join(f"{value:.2f}" for value in score.froc.sensitivity)
        + " |",
        *(
            f"| {name} | "
            + " | ".join(f"{table[rate]:.2f}" if rate in table else "" for rate in JSRT_RATES)
            + " |"
            for name, table in PUBLISHED_NODULES.items()
        ),
        "",
        f"By subtlety (1 hardest, 5 plainest) at two false boxes a film: {grades}.",
    ]
