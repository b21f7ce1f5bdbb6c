"""The shipped anatomy segmenter takes synthetic films for chest films and measures their truth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from findings.errors import WeightsError
from findings.vocabulary import Side
from imaging.study import View
from imaging.synthetic import (
    Device,
    DeviceKind,
    Nodule,
    PleuralEffusion,
    SampleRequest,
    generate,
)
from models.segmenter.inference import AnatomySegmenter
from models.segmenter.network import Structure

REQUESTS = (
    SampleRequest(seed=8, size=512, cardiothoracic_ratio=0.44),
    SampleRequest(seed=12, size=512, cardiothoracic_ratio=0.58),
    SampleRequest(seed=7, size=512, findings=(Nodule(side=Side.LEFT),), cardiothoracic_ratio=0.48),
    SampleRequest(
        seed=20,
        size=512,
        cardiothoracic_ratio=0.60,
        findings=(PleuralEffusion(side=Side.RIGHT),),
    ),
    SampleRequest(
        seed=4,
        size=512,
        view=View.AP,
        cardiothoracic_ratio=0.54,
        findings=(Device(kind=DeviceKind.CENTRAL_VENOUS_CATHETER),),
    ),
)


@pytest.fixture(scope="module")
def segmenter() -> AnatomySegmenter:
    try:
        return AnatomySegmenter.load()
    except WeightsError:
        pytest.skip("the shipped weights of the anatomy segmenter are absent")


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))


def width(mask: NDArray[np.bool_]) -> int:
    columns = np.flatnonzero(mask.any(axis=0))
    return int(np.ptp(columns)) + 1 if len(columns) else 0


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: f"seed {r.seed}")
def test_the_segmenter_finds_the_drawn_anatomy(
    segmenter: AnatomySegmenter, request_: SampleRequest
) -> None:
    film = generate(request_)
    found = segmenter.segment(film.pixels.astype(np.float32) / np.float32(4095)).masks
    left, right = found[Structure.LEFT_LUNG], found[Structure.RIGHT_LUNG]
    assert dice(left, film.masks["left_lung"]) > 0.93
    assert dice(right, film.masks["right_lung"]) > 0.93
    assert dice(found[Structure.HEART], film.masks["heart"]) > 0.88
    ratio = width(found[Structure.HEART]) / width(left | right)
    assert ratio == pytest.approx(film.truth.cardiothoracic_ratio, abs=0.035)
