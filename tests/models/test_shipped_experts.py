"""The shipped networks on real, odd and empty images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from findings.errors import StudyError
from findings.vocabulary import Finding
from models.classifier.inference import FindingClassifier
from models.data.anatomy_cache import read_mask, resize_mask
from models.data.anatomy_sources import read_anatomy
from models.data.finding_sources import NIH_COLUMNS, read_nih
from models.data.records import Split
from models.metrics import area_under_curve, dice
from models.preprocessing import read_display
from models.segmenter.inference import AnatomySegmenter, Structure


@pytest.fixture(scope="module")
def segmenter() -> AnatomySegmenter:
    return AnatomySegmenter.load()


@pytest.fixture(scope="module")
def classifier() -> FindingClassifier:
    return FindingClassifier.load()


def _phantom(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    image = np.full((height, width), 0.7, np.float32)
    for centre in (0.3, 0.7):
        inside = ((columns / width - centre) / 0.15) ** 2 + ((rows / height - 0.45) / 0.3) ** 2 < 1
        image[inside] = 0.2
    return image


@pytest.mark.parametrize("shape", [(16, 16), (31, 517), (1201, 403), (256, 256)])
def test_any_size_gives_masks_of_that_size(segmenter, classifier, shape) -> None:
    display = _phantom(*shape)
    found = segmenter.segment(display)
    assert set(found.masks) == set(found.quality) == set(segmenter.config.structures)
    assert all(mask.shape == shape and mask.dtype == bool for mask in found.masks.values())
    assert all(0 <= quality <= 1 for quality in found.quality.values())
    output = classifier.classify(display, found.lung_box())
    judged = {*(Finding(name) for name in NIH_COLUMNS), Finding.TUBERCULOSIS}
    assert set(output.probability) == set(output.conformal) == judged
    assert all(0 < p < 1 for p in output.probability.values())


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_image_has_no_measurable_anatomy(segmenter, classifier, value) -> None:
    display = np.full((300, 200), value, np.float32)
    found = segmenter.segment(display)
    assert not found.trusted(Structure.HEART) and found.lung_box() is None
    assert all(np.isfinite(p) for p in classifier.classify(display).probability.values())


@pytest.mark.parametrize(
    "display",
    [
        np.zeros((3, 300), np.float32),
        np.zeros((300, 300, 3), np.float32),
        np.full((64, 64), np.nan, np.float32),
    ],
)
def test_what_is_no_image_is_refused(segmenter, classifier, display) -> None:
    for run in (segmenter.segment, classifier.classify):
        with pytest.raises(StudyError):
            run(display)


def test_a_lung_box_outside_the_image_is_refused(classifier) -> None:
    with pytest.raises(StudyError, match="lung box"):
        classifier.classify(_phantom(100, 100), (10.0, 10.0, 120.0, 90.0))


def test_the_same_image_gives_the_same_answer_from_any_thread(segmenter, classifier) -> None:
    display = _phantom(200, 220)
    first = segmenter.segment(display)
    with ThreadPoolExecutor(4) as pool:
        others = list(pool.map(segmenter.segment, [display] * 4))
        judged = list(pool.map(classifier.classify, [display] * 4))
    for other in others:
        assert other.quality == first.quality
        assert all(np.array_equal(other.masks[s], first.masks[s]) for s in first.masks)
    assert all(output.probability == judged[0].probability for output in judged)


def test_operating_points_are_ordered(classifier) -> None:
    points = classifier.classify(_phantom(64, 64)).operating_points
    for point in points.values():
        assert point.sensitive.threshold <= point.balanced.threshold
        assert point.sensitive.sensitivity >= 0.9


def test_outlines_on_jsrt_validation_films(segmenter, shared_data: Path) -> None:
    films = [r for r in read_anatomy(shared_data, ("jsrt",)) if r.split is Split.VAL][:8]
    scores: dict[Structure, list[float]] = {}
    for film in films:
        display = read_display(film.image)
        found = segmenter.segment(display)
        height, width = display.shape
        for kind, path in film.masks.items():
            structure = Structure(kind.value)
            drawn = resize_mask(read_mask(path), (height, width))
            scores.setdefault(structure, []).append(dice(found.masks[structure], drawn))
        assert found.lung_box() is not None
    mean = {structure: float(np.mean(values)) for structure, values in scores.items()}
    assert (mean[Structure.LEFT_LUNG] + mean[Structure.RIGHT_LUNG]) / 2 >= 0.97
    assert mean[Structure.HEART] >= 0.93
    assert min(mean[Structure.LEFT_CLAVICLE], mean[Structure.RIGHT_CLAVICLE]) >= 0.80


def test_hands_and_heads_are_not_measured_on(segmenter, shared_data: Path) -> None:
    pictures = sorted((shared_data / "not_chest" / "images").iterdir())[::10]
    trusted = sum(segmenter.segment(read_display(p)).trusted(Structure.HEART) for p in pictures)
    assert trusted <= len(pictures) // 10


def test_findings_on_nih_validation_images(segmenter, classifier, shared_data: Path) -> None:
    records = [r for r in read_nih(shared_data) if r.split is Split.VAL][::4]
    assert len(records) >= 100
    logits = []
    for record in records:
        display = read_display(record.image)
        output = classifier.classify(display, segmenter.segment(display).lung_box())
        logits.append(list(output.logit.values()))
    scores = np.array(logits)
    truth = np.array([[bool(r.labels[name]) for name in NIH_COLUMNS] for r in records])
    common = [column for column in range(14) if truth[:, column].sum() >= 5]
    mean = np.mean([area_under_curve(scores[:, c], truth[:, c]) for c in common])
    assert mean >= 0.68
