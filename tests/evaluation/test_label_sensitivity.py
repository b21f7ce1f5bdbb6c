"""Corrupted labels and moved regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evaluation.bootstrap import Estimate
from evaluation.label_sensitivity import (
    LEVELS,
    Sensitivity,
    SensitivityRow,
    _Films,
    corrupted,
    drawn_regions,
    label_f1,
    moved,
)
from evaluation.reports.cases import ComparedCase
from evaluation.reports.pairs import ReferenceReport
from findings.claims import Claim
from findings.regions import CLALA_REGIONS, Region
from findings.vocabulary import Finding, Language
from imaging.geometry import box_iou
from models.clala.aggregation import RegionSentence
from models.clala.inference import Described
from models.clala.lesions import LESIONS
from models.reports.contract import Decoding


@given(st.sampled_from(LEVELS), st.integers(0, 5))
def test_labels_are_corrupted_to_the_f1_asked_for(level: float, seed: int) -> None:
    truth = np.random.default_rng(seed).random((400, 14)) < 0.25
    given_labels = corrupted(truth, level, np.random.default_rng(seed))
    assert label_f1(given_labels, truth) == pytest.approx(level, abs=0.01)
    # As many positives as before, so precision and recall are the same.
    assert (given_labels.sum(axis=0) == truth.sum(axis=0)).all()


def test_true_labels_stay_as_they_are() -> None:
    truth = np.random.default_rng(0).random((20, 14)) < 0.3
    assert (corrupted(truth, 1.0, np.random.default_rng(0)) == truth).all()


def test_a_lesion_of_every_film_cannot_be_exchanged() -> None:
    truth = np.ones((10, 14), dtype=bool)
    assert (corrupted(truth, 0.2, np.random.default_rng(0)) == truth).all()


def test_label_f1_by_hand() -> None:
    truth, other = np.zeros((4, 2), dtype=bool), np.zeros((4, 2), dtype=bool)
    truth[:2, 0] = other[1:3, 0] = True  # one of two hit, two given
    truth[0, 1] = other[0, 1] = True
    assert label_f1(other, truth) == pytest.approx((0.5 + 1) / 2)


@given(st.sampled_from([0.75, 0.5, 0.25]), st.integers(0, 20))
def test_boxes_are_moved_as_far_as_asked(overlap: float, seed: int) -> None:
    box = (400.0, 300.0, 500.0, 420.0)
    own = moved({Region.LEFT_LUNG: box}, overlap, (1000, 1000), np.random.default_rng(seed))
    other = own[Region.LEFT_LUNG]
    assert other[2] - other[0] == pytest.approx(100) and other[3] - other[1] == pytest.approx(120)
    assert overlap - 0.06 <= box_iou(box, other) <= overlap


def test_moved_boxes_stay_on_the_film() -> None:
    for seed in range(10):
        boxes = moved(
            {Region.LEFT_LUNG: (0.0, 0.0, 90.0, 90.0)},
            0.25,
            (100, 100),
            np.random.default_rng(seed),
        )
        x0, y0, x1, y1 = boxes[Region.LEFT_LUNG]
        assert x0 >= 0 and y0 >= 0 and x1 <= 100 and y1 <= 100


class _Echo:
    """A writer that says of every film what its labels say, so that figures are known."""

    class config:  # noqa: N801
        decoding = Decoding()

    def find(self, display: Any) -> dict[Region, Any]:
        return {Region.LEFT_LUNG: (0.0, 0.0, 8.0, 8.0)}

    def view(self, display: Any, boxes: Any = None) -> Any:
        return None

    def describe_views(self, views: Any, labels: Any, seed: int, decoding: Any) -> Any:
        effusion = LESIONS.index(Finding.PLEURAL_EFFUSION)
        return tuple(
            Described(
                (RegionSentence(Region.LEFT_LUNG, "left pleural effusion ."),)
                if own[effusion]
                else (),
                own,
            )
            for own in labels
        )


def test_rows_count_what_was_written(tmp_path: Path, chest_film: Any) -> None:
    path = tmp_path / "film.png"
    Image.fromarray((chest_film(32, 32) * 255).astype(np.uint8)).save(path)
    effusion = (Claim(finding=Finding.PLEURAL_EFFUSION),)
    cases = [
        ComparedCase(path, ReferenceReport(str(n), "Left pleural effusion.", claims))
        for n, claims in enumerate([effusion, effusion, (), ()])
    ]
    films = _Films(_Echo(), cases, Language.ENGLISH, None)  # type: ignore[arg-type]
    truth = np.zeros((4, 14), dtype=bool)
    truth[:2, LESIONS.index(Finding.PLEURAL_EFFUSION)] = True
    labels = np.roll(truth, 1, axis=0)
    row = films.row("x", labels, truth, films.boxes)
    own = (row.precision.value, row.recall.value, row.f1.value)
    assert (row.label_f1, *own) == (0.5, 0.5, 0.5, 0.5)
    assert row.f1.low is not None and row.f1.low < 0.5 < (row.f1.high or 0)
    assert row.region_iou == 1.0
    assert films.row("x", truth, truth).f1.value == 1.0


def test_the_heading_says_when_references_are_weak(tmp_path: Path) -> None:
    row = SensitivityRow(
        condition="found",
        label_f1=0.4,
        precision=Estimate(value=0.3),
        recall=Estimate(value=0.2),
        f1=Estimate(value=0.25, low=0.2, high=0.4),
        published=0.4,
        rouge_l=None,
        meteor=None,
        region_iou=1.0,
    )
    report = Sensitivity(dataset="nih", weak=True, films=3, labels=(row,), regions=(row,))
    text = "\n".join(report.markdown())
    assert "not comparable with the paper" in text
    f1 = "0.250 (0.200 to 0.400)"
    assert f"| found | 1.00 | 0.400 | 0.300 | 0.200 | {f1} |  |  | 0.40 |" in text
    picture = report.draw(tmp_path / "curves.png")
    with Image.open(picture) as drawn:
        assert drawn.size[0] > drawn.size[1] > 100


def test_people_drawn_regions_lie_on_their_films(shared_data: Path) -> None:
    case, boxes = next(drawn_regions(shared_data))
    from models.preprocessing import read_display

    height, width = read_display(case.image).shape
    assert set(boxes) == set(CLALA_REGIONS)
    for x0, y0, x1, y1 in boxes.values():
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    # The patient's left lies on the display's right.
    assert boxes[Region.LEFT_LUNG][0] > boxes[Region.RIGHT_LUNG][0]
    assert boxes[Region.LEFT_LUNG][2] > width / 2
