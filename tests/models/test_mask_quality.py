"""Trust in masks, spoilt films, mirrored views, and networks continued from earlier ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.data.degradation import Degradation, degrade
from models.segmenter.config import SegmenterConfig
from models.segmenter.inference import AnatomySegmenter
from models.segmenter.network import SegmenterNetwork, Structure, mirror_order
from models.segmenter.quality import (
    AreaRange,
    MaskTraits,
    QualityModel,
    fit_quality,
    mask_traits,
    rule_quality,
    soft_agreement,
)

WIDTHS = (8, 8, 8, 8, 8)
USUAL = AreaRange(low=0.1, high=0.2)
shares = st.floats(0, 1)


def logits(side: int) -> np.ndarray:
    """A certain square of that side on 100 x 100."""
    values = np.full((100, 100), -9.0, np.float32)
    values[:side, :side] = 9.0
    return values


def segmenter(mirrored: bool) -> AnatomySegmenter:
    torch.manual_seed(0)
    config = SegmenterConfig(
        name="anatomy_segmenter",
        version="0",
        licence="test",
        training_command="none",
        training_data_sha256="0",
        size=64,
        decoder_widths=WIDTHS,
        mirrored=mirrored,
        areas=dict.fromkeys(Structure, USUAL),
    )
    return AnatomySegmenter(config, SegmenterNetwork(WIDTHS))


def test_an_empty_mask_has_no_traits_and_a_usual_one_no_doubts() -> None:
    assert mask_traits(logits(0), 0.0, 1.0, USUAL) is None
    found = mask_traits(logits(40), 1.0, 1.0, USUAL)
    assert found is not None
    assert found.certainty > 0.99 and found.unusual_area == 0
    large, small = (mask_traits(logits(side), 1.0, 1.0, USUAL) for side in (90, 10))
    assert large is not None and large.unusual_area == pytest.approx(np.log(0.81 / 0.2))
    assert small is not None and small.unusual_area == pytest.approx(np.log(0.1 / 0.01))


@given(shares, shares, shares, st.floats(0, 3), st.integers(0, 3), st.floats(0.01, 1))
def test_a_doubt_more_never_raises_the_quality(
    certainty: float, agreement: float, kept: float, unusual: float, which: int, step: float
) -> None:
    model = QualityModel(intercept=1.0, weights=(-1.0, -0.5, -2.0, -0.1))
    values = [certainty, agreement, kept, unusual]
    worse = list(values)
    worse[which] = values[which] + step if which == 3 else max(0.0, values[which] - step)
    assert model.chance(MaskTraits(*worse, area=0.1)) <= model.chance(MaskTraits(*values, area=0.1))


def test_the_fit_ranks_and_calibrates_and_never_rewards_a_doubt() -> None:
    random = np.random.default_rng(0)
    traits = random.normal(size=(600, 4))
    chance = 1 / (1 + np.exp(2 * traits[:, 0] - 1))
    good = random.random(600) < chance
    traits[:, 3] = good + random.normal(size=600)  # speaks for a mask, so it must not count
    model = fit_quality(traits, good)
    assert model.weights[3] == 0 and all(weight <= 0 for weight in model.weights)
    score = model.intercept + traits @ np.array(model.weights)
    assert np.corrcoef(score, np.log(chance / (1 - chance)))[0, 1] > 0.97
    assert np.mean(1 / (1 + np.exp(-score))) == pytest.approx(good.mean(), abs=0.02)


def test_masks_of_one_kind_leave_the_fit_finite() -> None:
    model = fit_quality(np.random.default_rng(0).normal(size=(20, 4)), np.ones(20, bool))
    middling = model.chance(MaskTraits(0.9, 0.9, 1.0, 0.0, 0.15))
    assert np.isfinite(model.weights).all() and 0.5 < middling < 1


def test_the_rule_falls_off_outside_the_usual_area() -> None:
    def trust(area: float) -> float:
        return rule_quality(MaskTraits(0.9, 1.0, 0.5, 0.0, area), USUAL)

    assert trust(0.1) == trust(0.2) == pytest.approx(0.45)
    assert trust(0.2 / 3) == pytest.approx(0.225) and trust(0.27) == pytest.approx(0.225)
    assert trust(0.03) == trust(0.35) == 0


def test_agreement_is_soft_dice() -> None:
    one, other = np.full((10, 10), 0.8, np.float32), np.full((10, 10), 0.4, np.float32)
    assert soft_agreement(one, one) == pytest.approx(1)
    assert soft_agreement(one, other) == pytest.approx((2 * 40 + 1) / (120 + 1), rel=1e-5)


@pytest.mark.parametrize("kind", list(Degradation))
def test_spoilt_films_keep_shape_and_range_and_take_masks_along(kind: Degradation) -> None:
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    disc = ((rows - 30) ** 2 + (columns - 36) ** 2 < 15**2).float()
    image, masks = degrade(disc, disc[None], kind, np.random.default_rng(1))
    assert image.shape == (64, 64) and masks.shape == (1, 64, 64)
    assert image.min() >= 0 and image.max() <= 1
    assert set(masks.unique().tolist()) <= {0.0, 1.0}
    if kind in (Degradation.CROPPED, Degradation.TURNED):
        assert ((image > 0.5) == (masks[0] > 0)).float().mean() > 0.99
    else:
        assert torch.equal(masks[0], disc)
    again, _ = degrade(disc, disc[None], kind, np.random.default_rng(1))
    assert torch.equal(image, again)


def test_a_mirrored_film_has_mirrored_masks_with_sides_swapped() -> None:
    display = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    found, mirror = (
        segmenter(mirrored=True).segment(image) for image in (display, display[:, ::-1])
    )
    order = mirror_order(tuple(Structure))
    assert order == [1, 0, 2, 4, 3, 5, 6]
    for place, structure in enumerate(Structure):
        other = tuple(Structure)[order[place]]
        expected = found.probability[structure][:, ::-1]
        assert np.abs(mirror.probability[other] - expected).max() < 1e-4
    alone = segmenter(mirrored=False).segment(display).probability[Structure.HEART]
    assert np.abs(alone - found.probability[Structure.HEART]).max() > 1e-4


def test_a_network_that_outlined_less_is_continued() -> None:
    torch.manual_seed(0)
    earlier = SegmenterNetwork(WIDTHS, tuple(Structure)[:5]).eval()
    network = SegmenterNetwork(WIDTHS).eval()
    network.take_over(earlier)
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        before, after = earlier(image), network(image)
    assert after.shape == (1, 7, 64, 64)
    assert torch.allclose(before, after[:, :5], atol=1e-5)
