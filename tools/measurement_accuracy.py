"""How far the cardiothoracic ratio can be trusted, measured on people-made masks and labels.

::

    python -m tools.measurement_accuracy DATA

prints the numbers of docs/measurements.md and the constants of `tools.cardiomegaly`: the error of
the ratio on the segmenter's masks against people-made ones (JSRT, validation films), and what a
ratio says about the label cardiomegaly (NIH, fitted on training patients, scored on validation
patients). DATA is a folder laid out as the shared data (`jsrt/`, `nih/`).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from findings.vocabulary import Finding
from imaging.loading import load_study
from imaging.study import Mask, View
from imaging.thoracic_measurements import (
    CARDIOTHORACIC_RATIO,
    ThoracicMeasurement,
    cardiothoracic_threshold,
    measure_thorax,
)
from tools.segmenter import REGION_OF_STRUCTURE, AnatomyModel, by_region
from tools.trust import TRUSTED_QUALITY

NEGATIVES: Final = 600
"""Films without the label that are measured per split; they stand for all with their weight."""
SEED: Final = 20260704


@dataclass(frozen=True)
class RatioPair:
    """One film's ratio on people-made masks and on the segmenter's."""

    film: str
    people: float
    segmenter: float | None
    """`None` where the segmenter's masks cannot be trusted."""


@dataclass(frozen=True)
class LabeledRatio:
    """One film's ratio on the segmenter's masks and whether its report says cardiomegaly."""

    ratio: float
    view: View
    cardiomegaly: bool
    training: bool
    weight: float


@dataclass(frozen=True)
class Logistic:
    """Probability of the label as a function of the distance from the view's limit."""

    intercept: float
    slope: float

    def probability(self, distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """At these distances."""
        result: npt.NDArray[np.float64] = 1 / (1 + np.exp(-self.intercept - self.slope * distance))
        return result


def people_against_segmenter(
    data: Path, model: AnatomyModel, split: str = "val"
) -> Iterator[RatioPair]:
    """The ratio on both masks of every JSRT film of a split."""
    from models.data.anatomy_sources import read_jsrt

    for record in read_jsrt(data):
        if record.split.value != split:
            continue
        drawn = {
            REGION_OF_STRUCTURE[part.value]: _mask(file) for part, file in record.masks.items()
        }
        people = _ratio(measure_thorax(drawn))
        if people is not None:
            yield RatioPair(record.image_id, people, segmented_ratio(record.image, model))


def ratios_with_labels(data: Path, model: AnatomyModel) -> Iterator[LabeledRatio]:
    """NIH films with the label and a weighted sample of those without, measured."""
    from models.data.finding_sources import read_nih

    chosen = random.Random(SEED)
    usable = [r for r in read_nih(data) if not r.note and r.view in ("PA", "AP")]
    for split in ("train", "val"):
        films = [record for record in usable if record.split.value == split]
        ill = [record for record in films if record.labels[Finding.CARDIOMEGALY.value]]
        well = [record for record in films if not record.labels[Finding.CARDIOMEGALY.value]]
        sample = chosen.sample(well, min(NEGATIVES, len(well)))
        weight = len(well) / len(sample)
        for record in (*ill, *sample):
            ratio = segmented_ratio(record.image, model)
            if ratio is not None:
                label = bool(record.labels[Finding.CARDIOMEGALY.value])
                yield LabeledRatio(
                    ratio, View(record.view), label, split == "train", 1.0 if label else weight
                )


def segmented_ratio(film: Path, model: AnatomyModel) -> float | None:
    """The ratio on the segmenter's masks; `None` where they cannot be trusted."""
    study = load_study(film)
    masks, quality = by_region(model.segment(study.frontal.display))
    return _ratio(measure_thorax(masks, quality=quality), TRUSTED_QUALITY)


def fit(measured: Iterable[LabeledRatio]) -> Logistic:
    """Weighted logistic regression of the label on the distance from the view's limit."""
    from sklearn.linear_model import LogisticRegression

    films = list(measured)
    model = LogisticRegression(C=1e6)
    model.fit(
        _distances(films)[:, None],
        [film.cardiomegaly for film in films],
        sample_weight=[film.weight for film in films],
    )
    return Logistic(float(model.intercept_[0]), float(model.coef_[0, 0]))


def area_under_curve(films: list[LabeledRatio]) -> float:
    """How well the distance from the limit ranks the label (ROC)."""
    from sklearn.metrics import roc_auc_score

    return float(
        roc_auc_score(
            [film.cardiomegaly for film in films],
            _distances(films),
            sample_weight=[film.weight for film in films],
        )
    )


def _distances(films: list[LabeledRatio]) -> npt.NDArray[np.float64]:
    return np.array([film.ratio - cardiothoracic_threshold(film.view) for film in films])


def _ratio(taken: Iterable[ThoracicMeasurement], quality: float = 0.0) -> float | None:
    for item in taken:
        if item.measurement.name == CARDIOTHORACIC_RATIO and item.quality >= quality:
            return item.measurement.value
    return None


def _mask(file: Path) -> Mask:
    from PIL import Image

    with Image.open(file) as picture:
        mask: Mask = np.asarray(picture) > 127
        return mask


def _print_errors(pairs: list[RatioPair]) -> None:
    people = np.array([pair.people for pair in pairs])
    both = [(p.segmenter, p.people) for p in pairs if p.segmenter is not None]
    errors = np.array([segmenter - person for segmenter, person in both])
    print(f"JSRT people-made masks, {len(pairs)} films: ratio {people.mean():.3f}", end=" ")
    print(f"± {people.std():.3f} ({people.min():.3f} to {people.max():.3f})")
    if not both:
        print("the segmenter's masks cannot be trusted on any of them")
        return
    print(
        f"segmenter against people, {len(both)} films: mean absolute error "
        f"{np.abs(errors).mean():.4f}, bias {errors.mean():+.4f}, "
        f"largest {np.abs(errors).max():.3f}, "
        f"95 % limits {errors.mean() - 1.96 * errors.std():+.3f} to "
        f"{errors.mean() + 1.96 * errors.std():+.3f}"
    )


def _print_labels(films: list[LabeledRatio]) -> None:
    training = [film for film in films if film.training]
    held_out = [film for film in films if not film.training]
    fitted = fit(training)
    print(f"NIH, {len(training)} training films: ", end="")
    print(f"intercept {fitted.intercept:.3f}, slope {fitted.slope:.2f}")
    for part in (held_out, *([f for f in held_out if f.view is v] for v in (View.PA, View.AP))):
        ill = sum(film.cardiomegaly for film in part)
        weight = np.array([film.weight for film in part])
        truth = np.array([film.cardiomegaly for film in part], dtype=float)
        said = fitted.probability(_distances(part))
        above = _distances(part) > 0
        sensitivity = float((weight * truth * above).sum() / (weight * truth).sum())
        specificity = float((weight * (1 - truth) * ~above).sum() / (weight * (1 - truth)).sum())
        print(
            f"validation, {'all' if part is held_out else part[0].view.value}: {len(part)} films, "
            f"{ill} with cardiomegaly, AUC {area_under_curve(part):.3f}, "
            f"mean probability {np.average(said, weights=weight):.3f} for a rate of "
            f"{np.average(truth, weights=weight):.3f}; above the limit: "
            f"sensitivity {sensitivity:.2f}, specificity {specificity:.2f}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, help="a folder with other weights")
    parser.add_argument("--split", default="val", choices=("train", "val"))
    given = parser.parse_args()

    from models.segmenter.inference import AnatomySegmenter

    model = AnatomySegmenter.load(given.weights)
    _print_errors(list(people_against_segmenter(given.data, model, given.split)))
    _print_labels(list(ratios_with_labels(given.data, model)))


if __name__ == "__main__":
    main()
