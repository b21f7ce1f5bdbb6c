"""How far the cardiothoracic ratio can be trusted, measured on people-made masks and labels.

::

    python -m evaluation.measurements DATA

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

from findings.regions import Region
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

FILMS: Final = 150
"""Films with and without the label that are measured per split; they stand for all."""
SEED: Final = 20260704


@dataclass(frozen=True)
class RatioPair:
    """One film's ratio on people-made masks and on the segmenter's."""

    film: str
    people: float
    segmenter: float | None
    """`None` where the segmenter's masks cannot be trusted."""
    lungs_only: float | None
    """With the heart's borders read off the lungs, as is done where its mask is doubtful."""


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
            yield RatioPair(record.image_id, people, *segmented_ratios(record.image, model))


def ratios_with_labels(
    data: Path, model: AnatomyModel, most: int = FILMS
) -> Iterator[LabeledRatio]:
    """A sample of NIH films with the label and of those without, weighted to stand for all."""
    from models.data.finding_sources import read_nih

    chosen = random.Random(SEED)
    usable = [r for r in read_nih(data) if not r.note and r.view in ("PA", "AP")]
    for split in ("train", "val"):
        films = [record for record in usable if record.split.value == split]
        for ill in (True, False):
            group = [r for r in films if bool(r.labels[Finding.CARDIOMEGALY.value]) == ill]
            sample = chosen.sample(group, min(most, len(group)))
            for record in sample:
                ratio, _ = segmented_ratios(record.image, model)
                if ratio is not None:
                    weight = len(group) / len(sample)
                    yield LabeledRatio(ratio, View(record.view), ill, split == "train", weight)


def segmented_ratios(film: Path, model: AnatomyModel) -> tuple[float | None, float | None]:
    """The ratio as the measurer takes it, and on the lungs only; `None` where not trusted."""
    study = load_study(film)
    masks, quality = by_region(model.segment(study.frontal.display))
    lungs: dict[Region, Mask] = {
        region: mask for region, mask in masks.items() if region is not Region.CARDIAC_SILHOUETTE
    }
    return (
        _ratio(measure_thorax(masks, quality=quality), TRUSTED_QUALITY),
        _ratio(measure_thorax(lungs, quality=quality), TRUSTED_QUALITY),
    )


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
    print(f"JSRT people-made masks, {len(pairs)} films: ratio {people.mean():.3f}", end=" ")
    print(f"± {people.std():.3f} ({people.min():.3f} to {people.max():.3f})")
    for name, taken in (
        ("segmenter", [(pair.segmenter, pair.people) for pair in pairs]),
        ("segmenter's lungs only", [(pair.lungs_only, pair.people) for pair in pairs]),
    ):
        errors = np.array([mine - person for mine, person in taken if mine is not None])
        if not errors.size:
            print(f"{name}: its masks cannot be trusted on any of them")
            continue
        low, high = errors.mean() + np.array([-1.96, 1.96]) * errors.std()
        print(
            f"{name} against people, {errors.size} films: mean absolute error "
            f"{np.abs(errors).mean():.4f}, standard deviation {errors.std():.4f}, "
            f"bias {errors.mean():+.4f}, largest "
            f"{np.abs(errors).max():.3f}, 95 % limits {low:+.3f} to {high:+.3f}"
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
    parser.add_argument("--films", type=int, default=FILMS, help="NIH films per split and label")
    parser.add_argument("--split", default="val", choices=("train", "val"))
    given = parser.parse_args()

    from models.segmenter.inference import AnatomySegmenter

    model = AnatomySegmenter.load(given.weights)
    _print_errors(list(people_against_segmenter(given.data, model, given.split)))
    _print_labels(list(ratios_with_labels(given.data, model, given.films)))


if __name__ == "__main__":
    main()
