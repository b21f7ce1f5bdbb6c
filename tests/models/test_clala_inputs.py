"""What CLALA-Net is shown and told of a film: region texts, boxes and cut-outs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from findings.claims import Claim
from findings.regions import CLALA_REGIONS, Region
from findings.vocabulary import Finding, Side
from models.clala.texts import states_alone, written_of_region
from models.clala.views import DetectedRegions, box_shares, cut_out
from models.data.records import Split
from models.region_detector.inference import FoundRegion
from models.reports.cases import ReportCase


def test_a_written_report_is_shared_out_among_regions() -> None:
    case = ReportCase(
        "iu",
        "1",
        "1",
        Path("none"),
        Split.TRAIN,
        (),
        "Heart size is normal. There is a left pleural effusion. No pneumothorax.",
    )
    assert written_of_region(case, Region.CARDIAC_SILHOUETTE) == "Heart size is normal."
    assert written_of_region(case, Region.LEFT_COSTOPHRENIC_ANGLE) == (
        "There is a left pleural effusion."
    )
    assert written_of_region(case, Region.RIGHT_COSTOPHRENIC_ANGLE) is None
    assert written_of_region(case, Region.RIGHT_LUNG) == "No pneumothorax."


def test_a_wording_that_names_another_place_is_not_taken() -> None:
    unplaced = Claim(finding=Finding.INFILTRATION)
    assert states_alone("There is infiltrate.", unplaced)
    assert not states_alone("Infiltrate in the cardiac silhouette.", unplaced)
    assert not states_alone("Infiltrate and nodule.", unplaced)
    assert not states_alone("", unplaced)
    left = Claim(finding=Finding.INFILTRATION, side=Side.LEFT, region=Region.LEFT_LOWER_ZONE)
    assert states_alone("Infiltrate in the left lower lung zone.", left)
    assert not states_alone("Infiltrate in the right lower lung zone.", left)


def test_boxes_become_shares_and_absent_regions_say_so() -> None:
    shares, present = box_shares({Region.LEFT_LUNG: (50.0, 20.0, 90.0, 80.0)}, 100, 200)
    row = CLALA_REGIONS.index(Region.LEFT_LUNG)
    assert present.sum() == 1 and present[row]
    assert shares[row].tolist() == pytest.approx([0.25, 0.2, 0.45, 0.8])


def test_a_cut_out_shows_its_own_pixels() -> None:
    display = np.zeros((100, 200), dtype=np.float32)
    display[:, 100:] = 1.0
    shares = np.array([[0, 0, 0.4, 1], [0.6, 0, 1, 1]], dtype=np.float32)
    dark, bright = cut_out(display, shares, 24)
    assert dark.shape == (24, 24)
    assert float(dark.mean()) < 0.05 < 0.95 < float(bright.mean())


def test_a_region_detector_may_find_the_regions() -> None:
    class Detector:
        config = SimpleNamespace(weights_sha256="x")

        def find(self, display: np.ndarray) -> dict[Region, FoundRegion]:
            box = (1.0, 2.0, 30.0, 40.0)
            return {Region.LEFT_LUNG: FoundRegion(box, 0.9), Region.RIBS: FoundRegion(box, 0.9)}

    finder = DetectedRegions(Detector())  # type: ignore[arg-type]
    assert finder.find(np.zeros((64, 64), np.float32)) == {Region.LEFT_LUNG: (1.0, 2.0, 30.0, 40.0)}
    assert finder.sha256 == "x"
