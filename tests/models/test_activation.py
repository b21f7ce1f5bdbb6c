"""Activation maps: they add up to the logit, and give a box only where they are decisive."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.blocks import PoolingHead
from models.detector.activation import activation_map, peak_box


def test_the_shares_of_all_places_add_up_to_the_logit() -> None:
    torch.manual_seed(0)
    head = PoolingHead(6, 3, 0.0).eval()
    features = torch.randn(1, 6, 5, 4)
    logits = head(features)[0].detach().numpy()
    bias = head.classify.bias.detach().numpy()
    for finding, weights in enumerate(head.classify.weight.detach().numpy()):
        shares = activation_map(features[0].numpy(), weights)
        assert shares.shape == (5, 4)
        assert shares.mean() == pytest.approx(logits[finding] - bias[finding], abs=1e-5)


def test_the_box_lies_around_the_peak() -> None:
    shares = np.zeros((10, 10), dtype=np.float32)
    shares[6:8, 1:3] = 5.0
    box = peak_box(shares, (200, 400))
    assert box is not None
    assert box == pytest.approx((40, 120, 120, 160), abs=15)


def test_what_is_nowhere_or_on_both_sides_has_no_box() -> None:
    shares = np.full((10, 10), -1.0, dtype=np.float32)
    assert peak_box(shares, (100, 100)) is None
    shares[5, 1] = shares[5, 8] = 30.0
    assert peak_box(shares, (100, 100)) is None
    shares[5, 8] = 0.0
    assert peak_box(shares, (100, 100)) is not None
