"""The segmenter, the classifier and the measurer, with small models in place of the networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from findings.errors import ExpertError, StudyError
from findings.evidence import Classification, MeasurementEvidence, RegionMask
from findings.regions import CLALA_REGIONS, Region, region_side
from findings.vocabulary import Finding, Polarity, Side
from imaging.masks import decode_mask
from imaging.study import Study, View
from imaging.thorax import STRUCTURES
from tools.classifier import ClassifierExpert, lung_box
from tools.contract import Expert, ExpertContext
from tools.measurer import MeasurerExpert
from tools.segmenter import SegmenterExpert
from tools.trust import TRUSTED_QUALITY

MakeStudy = Callable[..., Study]


def outlined(study: Study, model: Any, cache: Path) -> tuple[RegionMask, ...]:
    """What the segmenter expert says, all of it region masks."""
    found = SegmenterExpert(cache, model).run(study, ExpertContext())
    assert all(isinstance(item, RegionMask) for item in found)
    return tuple(item for item in found if isinstance(item, RegionMask))


def measured(
    study: Study, model: Any, cache: Path, expert: Expert | None = None
) -> dict[str, MeasurementEvidence]:
    """Measurements by name, taken on what the segmenter says."""
    context = ExpertContext(evidence=outlined(study, model, cache))
    taken = (expert or MeasurerExpert(cache)).run(study, context)
    assert [item.id for item in taken] == [f"E{n}" for n in range(1, len(taken) + 1)]
    return {item.measurement.name: item for item in taken if isinstance(item, MeasurementEvidence)}


def test_structures_come_as_masks_and_regions_as_boxes(
    make_study: MakeStudy, segmenter_model: Any, cache: Path
) -> None:
    found = outlined(make_study(), segmenter_model, cache)
    by_region = {item.region: item for item in found}

    assert [item.id for item in found] == [f"E{n}" for n in range(1, len(found) + 1)]
    assert [item.region for item in found[:5]] == list(STRUCTURES)
    assert set(CLALA_REGIONS) <= set(by_region)
    for region, item in by_region.items():
        assert (item.mask is not None) == (region in STRUCTURES)
        assert item.side is region_side(region)
        assert 0 < item.quality <= 0.95
    lung = by_region[Region.LEFT_LUNG]
    assert lung.mask is not None
    drawn = segmenter_model.segment(make_study().frontal.display).masks["left_lung"]
    assert np.array_equal(decode_mask(lung.mask), drawn)


def test_a_segmenter_that_sees_nothing_says_nothing_and_nothing_is_measured(
    make_study: MakeStudy, blank_segmenter_model: Any, cache: Path
) -> None:
    assert outlined(make_study(), blank_segmenter_model, cache) == ()
    with pytest.raises(ExpertError, match="nothing was measured"):
        measured(make_study(), blank_segmenter_model, cache)


def test_nothing_is_measured_on_masks_that_cannot_be_trusted(
    make_study: MakeStudy, doubtful_segmenter_model: Any, cache: Path
) -> None:
    with pytest.raises(ExpertError, match="Measure by hand"):
        measured(make_study(), doubtful_segmenter_model, cache)


@pytest.mark.parametrize(
    ("radius", "view", "polarity"),
    [
        (0.32, View.PA, Polarity.ABSENT),
        (0.40, View.PA, None),
        (0.43, View.PA, Polarity.PRESENT),
        (0.43, View.UNKNOWN, Polarity.PRESENT),
        (0.44, View.AP, None),
        (0.50, View.AP, Polarity.PRESENT),
    ],
)
def test_the_ratio_speaks_for_or_against_cardiomegaly_beyond_its_error(
    make_study: MakeStudy,
    segmenter_model: Any,
    cache: Path,
    radius: float,
    view: View,
    polarity: Polarity | None,
) -> None:
    ratio = measured(make_study(radius, view=view), segmenter_model, cache)["cardiothoracic_ratio"]
    assert ratio.finding is Finding.CARDIOMEGALY
    assert ratio.polarity is polarity
    assert ratio.measurement.value == pytest.approx(radius / 0.8, abs=0.01)
    assert ratio.measurement.unit == "1"
    assert ratio.region is Region.CARDIAC_SILHOUETTE and ratio.box is not None
    assert len(ratio.landmarks) == 6
    assert ratio.text is not None and ("AP" in ratio.text) == (view is View.AP)


def test_a_larger_heart_makes_cardiomegaly_more_probable_and_ap_less(
    make_study: MakeStudy, segmenter_model: Any, cache: Path
) -> None:
    def probability(radius: float, view: View = View.PA) -> float:
        found = measured(make_study(radius, view=view), segmenter_model, cache)
        value = found["cardiothoracic_ratio"].probability
        assert value is not None
        return value

    rising = [probability(radius) for radius in (0.30, 0.36, 0.40, 0.44, 0.50)]
    assert (
        rising == sorted(rising)
        and rising[0] < 0.01
        and rising[2] == pytest.approx(0.5, abs=0.2)
        and rising[-1] > 0.99
    )
    assert probability(0.44, View.AP) < probability(0.44)


def test_only_the_ratio_bears_on_a_finding(
    make_study: MakeStudy, segmenter_model: Any, cache: Path
) -> None:
    found = measured(make_study(), segmenter_model, cache)
    assert {item.finding for name, item in found.items() if name != "cardiothoracic_ratio"} == {
        None
    }
    assert found["left_lung_height"].side is Side.LEFT
    assert found["left_lung_height"].measurement.unit == "{pixel}"


def test_the_classifier_states_operating_points_and_looks_at_the_lungs(
    make_study: MakeStudy, segmenter_model: Any, classifier_model: Any, cache: Path
) -> None:
    expert = ClassifierExpert(cache, classifier_model)
    regions = outlined(make_study(), segmenter_model, cache)
    judged = expert.run(make_study(effusion=0.7), ExpertContext(evidence=regions))
    expert.run(make_study(), ExpertContext())

    assert [type(item) for item in judged] == [Classification, Classification]
    effusion, nodule = (item for item in judged if isinstance(item, Classification))
    assert effusion.finding is Finding.PLEURAL_EFFUSION
    assert effusion.probability == pytest.approx(0.7)
    assert (effusion.sensitive_threshold, effusion.threshold) == (0.1, 0.4)
    assert effusion.confident_threshold == 0.8
    assert nodule.confident_threshold == 1.0
    assert classifier_model.boxes == [lung_box(regions), None]
    assert lung_box(regions) == pytest.approx((20, 20, 180, 180), abs=1)


def test_doubtful_lungs_are_not_cut_out(
    make_study: MakeStudy, doubtful_segmenter_model: Any, cache: Path
) -> None:
    assert lung_box(outlined(make_study(), doubtful_segmenter_model, cache)) is None


def test_the_limit_of_trust_is_the_segmenters_own() -> None:
    from models.segmenter.inference import TRUSTED_QUALITY as SEGMENTERS

    assert TRUSTED_QUALITY == SEGMENTERS


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (StudyError("the array is not an image."), "the array is not an image"),
        (RuntimeError("/home/patient_name.dcm"), "RuntimeError"),
    ],
)
def test_whatever_goes_wrong_is_an_expert_error_without_what_it_held(
    make_study: MakeStudy, cache: Path, fault: Exception, words: str
) -> None:
    class Failing:
        def segment(self, display: object) -> object:
            raise fault

    with pytest.raises(ExpertError, match=words) as raised:
        SegmenterExpert(cache, Failing()).run(make_study(), ExpertContext())  # type: ignore[arg-type]
    assert "patient_name" not in str(raised.value)
