"""The embedded experts with their shipped networks, on real films."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from findings.evidence import Classification, Evidence, MeasurementEvidence, RegionMask
from findings.regions import CLALA_REGIONS, Region
from findings.vocabulary import Finding
from imaging.loading import load_study
from imaging.thoracic_measurements import CARDIOTHORACIC_RATIO, measure_thorax
from tools.contract import Expert, ExpertContext, Role
from tools.registry import EMBEDDED, Registry

FILMS = ("JPCLN001", "JPCLN002", "JPCLN003")
PARTS = {
    "left_lung": Region.LEFT_LUNG,
    "right_lung": Region.RIGHT_LUNG,
    "heart": Region.CARDIAC_SILHOUETTE,
}


def embedded(role: Role, cache: Path) -> Expert:
    """The embedded expert; skips where its network is not shipped."""
    expert = Registry().build(role, EMBEDDED, cache)
    if not expert.installed():
        pytest.skip(f"the network of the {role.value} is not shipped")
    return expert


def people_made_ratio(folder: Path, film: str) -> float:
    """The ratio on the people-made masks."""
    masks = {
        region: np.asarray(Image.open(folder / "masks" / f"{film}_{name}.png")) > 127
        for name, region in PARTS.items()
    }
    return next(
        item.measurement.value
        for item in measure_thorax(masks)
        if item.measurement.name == CARDIOTHORACIC_RATIO
    )


def test_regions_and_ratio_of_real_films_agree_with_people(shared_data: Path, cache: Path) -> None:
    segmenter, measurer = embedded(Role.SEGMENTER, cache), embedded(Role.MEASURER, cache)
    for film in FILMS:
        study = load_study(shared_data / "jsrt" / "images" / f"{film}.jpg")
        outlines = segmenter.run(study, ExpertContext())
        regions = {item.region for item in outlines if isinstance(item, RegionMask)}
        assert set(CLALA_REGIONS) <= regions
        taken = measurer.run(study, ExpertContext(evidence=outlines))
        ratio = next(
            item
            for item in taken
            if isinstance(item, MeasurementEvidence)
            and item.measurement.name == CARDIOTHORACIC_RATIO
        )
        people = people_made_ratio(shared_data / "jsrt", film)
        assert ratio.measurement.value == pytest.approx(people, abs=0.06)


def test_threads_share_one_segmenter_and_agree(shared_data: Path, cache: Path) -> None:
    segmenter = embedded(Role.SEGMENTER, cache)
    study = load_study(shared_data / "jsrt" / "images" / f"{FILMS[0]}.jpg")
    answers: list[tuple[Evidence, ...]] = []

    def look() -> None:
        answers.append(segmenter.run(study, ExpertContext()))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3 and answers[0] == answers[1] == answers[2]


def test_the_classifier_judges_fourteen_findings_and_tuberculosis(
    shared_data: Path, cache: Path
) -> None:
    classifier = embedded(Role.CLASSIFIER, cache)
    study = load_study(shared_data / "jsrt" / "images" / f"{FILMS[0]}.jpg")
    judged = classifier.run(study, ExpertContext())
    assert len(judged) == 15 and judged[-1].finding is Finding.TUBERCULOSIS
    for item in judged:
        assert isinstance(item, Classification)
        assert item.sensitive_threshold <= item.threshold <= item.confident_threshold
        assert item.plausible is not None and item.coverage == 0.9
