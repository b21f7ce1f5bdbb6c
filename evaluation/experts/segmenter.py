"""Accuracy of the shipped anatomy segmenter and finding classifier on radiographs with truth.

Works on any folder laid out as the shared data are; folders that are missing are passed over.
The whole path is measured, as a draft uses it: file -> segmenter -> lung box -> classifier.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from findings.claims import Frozen
from findings.errors import StudyError
from findings.regions import Region
from findings.vocabulary import Finding
from imaging.thoracic_measurements import CARDIOTHORACIC_RATIO, measure_thorax
from models.calibration import fit_platt
from models.classifier.inference import FindingClassifier
from models.data.anatomy_cache import read_mask, resize_mask
from models.data.anatomy_sources import read_anatomy
from models.data.finding_sources import NIH_COLUMNS, read_nih
from models.data.records import AnatomyRecord, MaskKind, Split
from models.metrics import (
    area_under_curve,
    bootstrap_interval,
    bootstrap_mean_interval,
    dice,
    expected_calibration_error,
)
from models.preprocessing import read_display
from models.segmenter.inference import AnatomyMasks, AnatomySegmenter, Structure

_BOTH_LUNGS = "both_lungs"
_MASK_OF = {structure: MaskKind(structure.value) for structure in Structure}
_REGION_OF = {
    Structure.LEFT_LUNG: Region.LEFT_LUNG,
    Structure.RIGHT_LUNG: Region.RIGHT_LUNG,
    Structure.HEART: Region.CARDIAC_SILHOUETTE,
}


class OverlapScore(Frozen):
    """Dice of one structure in one source, at the images' own resolution."""

    source: str
    structure: str = Field(description="a structure, or both_lungs for the union")
    images: int
    mean: float
    median: float
    worst_twentieth: float = Field(description="5th percentile")


class CardiothoracicScore(Frozen):
    """Cardiothoracic ratio from the segmenter's masks against that from the drawn ones."""

    source: str
    images: int
    not_measurable: int
    mean_absolute_error: float
    bias: float = Field(description="mean of (segmenter - drawn)")


class SegmenterScore(Frozen):
    """The anatomy segmenter on all sources that are there."""

    version: str
    overlap: tuple[OverlapScore, ...]
    cardiothoracic: CardiothoracicScore | None
    median_seconds: float | None = Field(description="for one image, files not counted")


class FindingScore(Frozen):
    """One finding; figures that its cases do not allow are None."""

    finding: Finding
    positives: int
    negatives: int
    auc: float | None
    auc_low: float | None = Field(description="95 % bootstrap interval over patients")
    auc_high: float | None
    calibration_error: float = Field(description="with the shipped calibration")
    cross_fitted_calibration_error: float | None = Field(
        description="calibration refitted on half of the patients, measured on the other, both ways"
    )
    sensitivity: float | None = Field(description="at the shipped balanced operating point")
    specificity: float | None


class ClassifierScore(Frozen):
    """All findings of the classifier on the NIH folder."""

    version: str
    images: int
    patients: int
    mean_auc: float | None
    mean_auc_low: float | None
    mean_auc_high: float | None
    mean_calibration_error: float
    mean_cross_fitted_calibration_error: float | None
    findings: tuple[FindingScore, ...]
    median_seconds: float

    def table(self) -> list[str]:
        """The scores as lines of a Markdown table."""
        lines = [
            "| finding | positive of | AUC (95 % interval) | calibration error, cross-fitted |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {f.finding} | {f.positives} of {f.positives + f.negatives} "
            f"| {_shown(f.auc)} ({_shown(f.auc_low)} to {_shown(f.auc_high)}) "
            f"| {_shown(f.cross_fitted_calibration_error)} |"
            for f in self.findings
        ]
        mean = (
            f"| mean | {self.images} images, {self.patients} patients | {_shown(self.mean_auc)} "
            f"({_shown(self.mean_auc_low)} to {_shown(self.mean_auc_high)}) "
            f"| {_shown(self.mean_cross_fitted_calibration_error)} |"
        )
        return [*lines, mean]


class ExpertReport(Frozen):
    """What the two experts reach on a folder of data.

    Thresholds, calibration and the training's stopping point were chosen on the published
    validation split; its figures are therefore a little flattering, those of other images not.
    """

    split: Literal["val", "all"]
    anatomy: SegmenterScore
    classifier: ClassifierScore | None

    def markdown(self) -> str:
        """The report as tables."""
        lines = [
            f"Split: {self.split}.",
            "",
            "| source | structure | images | Dice | median | 5 % |",
        ]
        lines.append("|---|---|---|---|---|---|")
        lines += [
            f"| {o.source} | {o.structure} | {o.images} | {o.mean:.3f} | {o.median:.3f} "
            f"| {o.worst_twentieth:.3f} |"
            for o in self.anatomy.overlap
        ]
        if (ratio := self.anatomy.cardiothoracic) is not None:
            lines += [
                "",
                f"Cardiothoracic ratio ({ratio.source}, {ratio.images} images, "
                f"{ratio.not_measurable} not measurable): mean absolute error "
                f"{ratio.mean_absolute_error:.4f}, bias {ratio.bias:+.4f}.",
            ]
        if self.classifier is not None:
            lines += ["", *self.classifier.table()]
        return "\n".join(lines)


def evaluate_experts(data: Path, split: Literal["val", "all"] = "val") -> ExpertReport:
    """Measure the shipped experts on ``data``: its validation rows, or all of its rows.

    Raises:
        StudyError: the folder holds no such row with an image.
        WeightsError: the shipped weights are missing or damaged.
    """
    segmenter, classifier = AnatomySegmenter.load(), FindingClassifier.load()
    anatomy = evaluate_segmenter(data, split, segmenter)
    findings = evaluate_classifier(data, split, segmenter, classifier)
    if not anatomy.overlap and findings is None:
        raise StudyError(
            "The data folder holds nothing to measure on. Give a folder laid out like the "
            "project's data (nih/, jsrt/ ...), or measure all rows with --split all."
        )
    return ExpertReport(split=split, anatomy=anatomy, classifier=findings)


def evaluate_segmenter(
    data: Path, split: Literal["val", "all"], segmenter: AnatomySegmenter
) -> SegmenterScore:
    """Hold the segmenter's masks against the drawn ones of every source that is there."""
    scores: dict[tuple[str, str], list[float]] = {}
    ratios: list[tuple[float | None, float]] = []
    seconds: list[float] = []
    for record in read_anatomy(data):
        if not _wanted(record.split, split) or not record.masks:
            continue
        found = segmenter.segment(read_display(record.image))
        seconds.append(found.seconds)
        drawn = _drawn(record, found)
        for structure, (mine, theirs) in _pairs(found, drawn).items():
            scores.setdefault((record.source, structure), []).append(dice(mine, theirs))
        if MaskKind.HEART in drawn:
            truth = _cardiothoracic_ratio({s: drawn[_MASK_OF[s]] for s in _REGION_OF})
            if truth is not None:
                ratios.append((_cardiothoracic_ratio(found.masks), truth))
    return SegmenterScore(
        version=segmenter.config.version,
        overlap=tuple(
            OverlapScore(
                source=source,
                structure=structure,
                images=len(values),
                mean=float(np.mean(values)),
                median=float(np.median(values)),
                worst_twentieth=float(np.percentile(values, 5)),
            )
            for (source, structure), values in sorted(scores.items())
        ),
        cardiothoracic=_cardiothoracic_score(ratios),
        median_seconds=float(np.median(seconds)) if seconds else None,
    )


def _wanted(own: Split, split: Literal["val", "all"]) -> bool:
    return split == "all" or own is Split.VAL


def _drawn(record: AnatomyRecord, found: AnatomyMasks) -> dict[MaskKind, NDArray[np.bool_]]:
    """The drawn masks, those of another size than the image resized to it."""
    height, width = found.masks[Structure.HEART].shape
    return {
        kind: resize_mask(read_mask(path), (height, width)) for kind, path in record.masks.items()
    }


def _pairs(
    found: AnatomyMasks, drawn: dict[MaskKind, NDArray[np.bool_]]
) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Found and drawn mask of every structure that can be compared.

    Where heart and mediastinum were drawn as one, the lungs were drawn to run on behind it, which
    the segmenter's do not; only pixels outside it are then compared.
    """
    judged = ~drawn.get(
        MaskKind.CARDIOMEDIASTINUM, np.zeros_like(found.masks[Structure.HEART], dtype=np.bool_)
    )
    pairs = {
        str(structure): (found.masks[structure] & judged, drawn[kind] & judged)
        for structure, kind in _MASK_OF.items()
        if kind in drawn
    }
    mine = found.masks[Structure.LEFT_LUNG] | found.masks[Structure.RIGHT_LUNG]
    if MaskKind.BOTH_LUNGS in drawn:
        pairs[_BOTH_LUNGS] = (mine & judged, drawn[MaskKind.BOTH_LUNGS] & judged)
    elif {MaskKind.LEFT_LUNG, MaskKind.RIGHT_LUNG} <= drawn.keys():
        theirs = drawn[MaskKind.LEFT_LUNG] | drawn[MaskKind.RIGHT_LUNG]
        pairs[_BOTH_LUNGS] = (mine & judged, theirs & judged)
    return pairs


def _cardiothoracic_ratio(masks: dict[Structure, NDArray[np.bool_]]) -> float | None:
    taken = measure_thorax({region: masks[s] for s, region in _REGION_OF.items()})
    for item in taken:
        if item.measurement.name == CARDIOTHORACIC_RATIO:
            return item.measurement.value
    return None


def _cardiothoracic_score(ratios: list[tuple[float | None, float]]) -> CardiothoracicScore | None:
    errors = np.array([mine - truth for mine, truth in ratios if mine is not None])
    if len(errors) == 0:
        return None
    return CardiothoracicScore(
        source="jsrt",
        images=len(ratios),
        not_measurable=len(ratios) - len(errors),
        mean_absolute_error=float(np.abs(errors).mean()),
        bias=float(errors.mean()),
    )


def evaluate_classifier(
    data: Path,
    split: Literal["val", "all"],
    segmenter: AnatomySegmenter,
    classifier: FindingClassifier,
) -> ClassifierScore | None:
    """Judge the NIH images as a draft does; None where there are none."""
    records = [record for record in read_nih(data) if _wanted(record.split, split)]
    if not records:
        return None
    outputs = []
    for record in records:
        display = read_display(record.image)
        lungs = segmenter.segment(display).lung_box() if classifier.sees_lungs else None
        outputs.append(classifier.classify(display, lungs))
    findings = [Finding(name) for name in NIH_COLUMNS]
    logits = np.array([[output.logit[f] for f in findings] for output in outputs])
    probability = np.array([[output.probability[f] for f in findings] for output in outputs])
    truth = np.array([[bool(record.labels[f]) for f in findings] for record in records])
    _, patients = np.unique([record.patient for record in records], return_inverse=True)
    crossed = cross_fitted_probability(logits, truth, patients)
    scores = tuple(
        _finding_score(
            finding,
            probability[:, column],
            None if crossed is None else crossed[:, column],
            truth[:, column],
            patients,
            outputs[0].operating_points[finding].balanced.threshold,
        )
        for column, finding in enumerate(findings)
    )
    measured = [score.auc for score in scores if score.auc is not None]
    low, high = bootstrap_mean_interval(probability, truth, patients)
    crossed_errors = [
        score.cross_fitted_calibration_error
        for score in scores
        if score.cross_fitted_calibration_error is not None
    ]
    return ClassifierScore(
        version=classifier.config.version,
        images=len(records),
        patients=len(np.unique(patients)),
        mean_auc=float(np.mean(measured)) if measured else None,
        mean_auc_low=_number(low),
        mean_auc_high=_number(high),
        mean_calibration_error=float(np.mean([score.calibration_error for score in scores])),
        mean_cross_fitted_calibration_error=(
            float(np.mean(crossed_errors)) if crossed_errors else None
        ),
        findings=scores,
        median_seconds=float(np.median([output.seconds for output in outputs])),
    )


def cross_fitted_probability(
    logits: NDArray[np.float64], truth: NDArray[np.bool_], patients: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Calibrated probabilities, each by a scale that was fitted without the patient's half.

    None with fewer than two patients.
    """
    order = np.random.default_rng(0).permutation(np.unique(patients))
    if len(order) < 2:
        return None
    first = np.isin(patients, order[: len(order) // 2])
    crossed = np.empty_like(logits)
    for half in (first, ~first):
        scales = fit_platt(logits[~half], truth[~half])
        for column, scale in enumerate(scales):
            crossed[half, column] = scale.apply(logits[half, column])
    return crossed


def _finding_score(
    finding: Finding,
    probability: NDArray[np.float64],
    crossed: NDArray[np.float64] | None,
    truth: NDArray[np.bool_],
    patients: NDArray[np.int64],
    threshold: float,
) -> FindingScore:
    low, high = bootstrap_interval(probability, truth, patients)
    called = probability >= threshold
    return FindingScore(
        finding=finding,
        positives=int(truth.sum()),
        negatives=int((~truth).sum()),
        auc=_number(area_under_curve(probability, truth)),
        auc_low=_number(low),
        auc_high=_number(high),
        calibration_error=expected_calibration_error(probability, truth),
        cross_fitted_calibration_error=(
            None if crossed is None else expected_calibration_error(crossed, truth)
        ),
        sensitivity=float(called[truth].mean()) if truth.any() else None,
        specificity=float((~called[~truth]).mean()) if (~truth).any() else None,
    )


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _number(value: float) -> float | None:
    """NaN, which JSON does not know, becomes None."""
    return None if np.isnan(value) else value


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report as JSON: ``python -m evaluation.experts --data DIR``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("val", "all"), default="val")
    parser.add_argument("--json", type=Path, help="write the report here too")
    chosen = parser.parse_args(arguments)
    report = evaluate_experts(chosen.data, chosen.split)
    if chosen.json is not None:
        chosen.json.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    print(report.markdown())


if __name__ == "__main__":
    main()
