"""The detector expert: boxes placed and checked by the anatomy, weak boxes from activation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from findings.evidence import Box, Classification, Detection, Evidence
from findings.regions import Region
from findings.vocabulary import Finding, Side
from imaging.study import FloatImage, Study
from models.detector.inference import DetectorOutput, FoundBox
from tools.contract import ExpertContext, Role
from tools.detector import DetectorExpert, affirmed_focal
from tools.registry import EMBEDDED, Registry
from tools.segmenter import SegmenterExpert

MakeStudy = Callable[..., Study]

LEFT_BASE: Box = (125, 130, 165, 172)
RIGHT_TOP: Box = (35, 30, 65, 60)
HEART: Box = (75, 105, 135, 165)


class GivenBoxes:
    """Finds what it is told to find."""

    def __init__(self, *boxes: tuple[Finding, Box, float | None]) -> None:
        self._boxes = tuple(FoundBox(f, box, 0.5, p) for f, box, p in boxes)

    def detect(self, display: FloatImage) -> DetectorOutput:
        """The given boxes."""
        return DetectorOutput(self._boxes, 0.0)


class GivenPlace:
    """Places every finding in the right upper zone; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Finding, ...]] = []

    def place(self, display: FloatImage, findings: tuple[Finding, ...]) -> dict[Finding, Box]:
        """One box for all."""
        self.asked.append(findings)
        return dict.fromkeys(findings, RIGHT_TOP)


def detections(expert: DetectorExpert, study: Study, evidence: tuple[Evidence, ...] = ()) -> list:
    """What the expert states, all of it detections, numbered from E1."""
    found = expert.run(study, ExpertContext(evidence=evidence))
    assert [item.id for item in found] == [f"E{n}" for n in range(1, len(found) + 1)]
    assert all(isinstance(item, Detection) for item in found)
    return list(found)


def classified(finding: Finding, probability: float) -> Classification:
    """The classifier's word on one finding."""
    return Classification(
        id="E1",
        expert="c",
        version="1",
        finding=finding,
        probability=probability,
        threshold=0.4,
        sensitive_threshold=0.1,
        confident_threshold=0.8,
    )


@pytest.fixture
def anatomy(make_study: MakeStudy, segmenter_model: Any, cache: Path) -> tuple[Evidence, ...]:
    """The drawn chest as the segmenter states it."""
    return SegmenterExpert(cache, segmenter_model).run(make_study(), ExpertContext())


def test_sides_and_regions_come_from_the_anatomy(
    make_study: MakeStudy, anatomy: tuple[Evidence, ...], cache: Path
) -> None:
    model = GivenBoxes(
        (Finding.MASS, RIGHT_TOP, 0.3),
        (Finding.PLEURAL_EFFUSION, LEFT_BASE, 0.8),
        (Finding.CARDIOMEGALY, HEART, 0.6),
        (Finding.GROUND_GLASS_OPACITY, RIGHT_TOP, None),
    )
    found = detections(DetectorExpert(cache, model), make_study(), anatomy)
    assert [(item.finding, item.side, item.region) for item in found] == [
        (Finding.PLEURAL_EFFUSION, Side.LEFT, Region.LEFT_LOWER_ZONE),
        (Finding.CARDIOMEGALY, None, Region.CARDIAC_SILHOUETTE),
        (Finding.MASS, Side.RIGHT, Region.RIGHT_UPPER_ZONE),
    ]
    assert not any(item.weak for item in found)
    assert [item.box for item in found] == [LEFT_BASE, HEART, RIGHT_TOP]


def test_what_cannot_be_is_not_stated(
    make_study: MakeStudy, anatomy: tuple[Evidence, ...], cache: Path
) -> None:
    model = GivenBoxes(
        (Finding.NODULE, (0, 190, 10, 200), 0.9), (Finding.CARDIOMEGALY, LEFT_BASE, 0.9)
    )
    expert = DetectorExpert(cache, model)
    assert detections(expert, make_study(), anatomy) == []
    without = detections(expert, make_study())
    assert [(item.side, item.region) for item in without] == [(None, None)] * 2


def test_affirmed_focal_findings_get_a_weak_box(
    make_study: MakeStudy, anatomy: tuple[Evidence, ...], cache: Path
) -> None:
    place = GivenPlace()
    expert = DetectorExpert(cache, GivenBoxes(), place)
    said = (
        classified(Finding.FIBROSIS, 0.7),
        classified(Finding.HERNIA, 0.2),
        classified(Finding.EDEMA, 0.9),
    )
    (found,) = detections(expert, make_study(), (*anatomy, *said))
    assert (found.finding, found.probability, found.weak) == (Finding.FIBROSIS, 0.7, True)
    assert (found.side, found.region) == (Side.RIGHT, Region.RIGHT_UPPER_ZONE)
    assert place.asked == [(Finding.FIBROSIS,)]
    assert affirmed_focal(anatomy) == {}


def test_the_shipped_detector_states_boxes_within_a_real_film(
    shared_data: Path, cache: Path
) -> None:
    from imaging.loading import load_study

    expert = Registry().build(Role.DETECTOR, EMBEDDED, cache)
    if not expert.installed():
        pytest.skip("the network of the detector is not shipped")
    segmenter = Registry().build(Role.SEGMENTER, EMBEDDED, cache)
    study = load_study(shared_data / "jsrt" / "images" / "JPCLN001.jpg")
    anatomy = segmenter.run(study, ExpertContext())
    found = expert.run(study, ExpertContext(evidence=anatomy))
    height, width = study.frontal.display.shape
    for item in found:
        assert isinstance(item, Detection) and item.region is not None
        x0, y0, x1, y1 = item.box
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    assert found == expert.run(study, ExpertContext(evidence=anatomy))
