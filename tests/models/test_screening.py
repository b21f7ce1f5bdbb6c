"""The output for tuberculosis: fitted on frozen features, tested across hospitals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from findings.errors import StudyError
from models.calibration import PlattScale
from models.classifier.fitting import SCREENED_PREVALENCE, shift_prevalence
from models.classifier.screening import (
    COLUMN,
    ScreenFeatures,
    fit_screen,
    tuberculosis_rows,
    write_row,
)
from models.data.finding_cache import TARGETS, FindingArrays
from models.data.records import Split
from models.metrics import area_under_curve

CHANNELS = 12


def hospitals(films: int = 80) -> tuple[FindingArrays, ScreenFeatures]:
    """Two hospitals whose films differ in the first channel and show illness in the second."""
    random = np.random.default_rng(3)
    labels = np.zeros((2 * films, len(TARGETS)), bool)
    known = np.zeros_like(labels)
    known[:, COLUMN] = True
    labels[:, COLUMN] = random.random(2 * films) < 0.5
    sources = ("montgomery",) * films + ("shenzhen",) * films
    arrays = FindingArrays(
        images=np.zeros((2 * films, 8, 8), np.uint8),
        boxes=np.tile(np.array([0, 0, 1, 1], np.float32), (2 * films, 1)),
        labels=labels,
        known=known,
        patients=np.arange(2 * films),
        splits=tuple(Split.VAL if n % 4 == 0 else Split.TRAIN for n in range(2 * films)),
        sources=sources,
    )
    values = random.normal(size=(2, 2 * films, CHANNELS)).astype(np.float32)
    values[:, :, 0] += np.where(np.array(sources) == "shenzhen", 5.0, 0.0)
    values[:, :, 1] += 3.0 * labels[:, COLUMN]
    return arrays, ScreenFeatures(np.arange(2 * films), values)


def test_fewer_trials_choose_among_the_same_penalties() -> None:
    arrays, features = hospitals()
    truth = arrays.labels[:, COLUMN]
    for trials in (1, 5):
        screen = fit_screen(features.values, truth, trials)
        assert area_under_curve(screen.logits(features.values), truth) > 0.95


def test_the_row_in_the_network_gives_the_fitted_logit() -> None:
    arrays, features = hospitals()
    screen = fit_screen(features.values, arrays.labels[:, COLUMN])
    head = nn.Linear(CHANNELS, 3)
    before = head.weight[[0, 2]].clone()
    write_row(head, 1, screen)
    with torch.inference_mode():
        logits = head(torch.from_numpy(features.values)).mean(dim=0)[:, 1].numpy()
    assert logits == pytest.approx(screen.logits(features.values), abs=1e-4)
    assert torch.equal(head.weight[[0, 2]], before)


def test_one_reading_alone_cannot_be_fitted() -> None:
    arrays, _ = hospitals()
    healthy = replace(arrays, labels=np.zeros_like(arrays.labels))
    with pytest.raises(StudyError, match="with and without tuberculosis"):
        tuberculosis_rows(healthy, Split.TRAIN)


def test_a_rarer_illness_has_lower_odds_by_the_ratio_of_the_prevalences() -> None:
    scale = PlattScale(slope=1.0, intercept=0.0)
    shifted = shift_prevalence(scale, 0.5, SCREENED_PREVALENCE)
    logit = np.array([0.0, 4.0])
    odds = shifted.apply(logit) / (1 - shifted.apply(logit))
    assert odds == pytest.approx(np.exp(logit) * SCREENED_PREVALENCE / (1 - SCREENED_PREVALENCE))
