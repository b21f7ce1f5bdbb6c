"""Losses against examples worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from models.data.anatomy_cache import Plane
from models.losses import masked_overlap_loss, smoothed_cross_entropy, union_logit
from models.segmenter.task import anatomy_loss, extent_loss


def test_overlap_loss_by_hand() -> None:
    # One image, two structures, 1 x 2 pixels; only the first structure is known.
    logits = torch.tensor([[[[0.0, 0.0]], [[9.0, -9.0]]]])
    targets = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
    known = torch.tensor([[1.0, 0.0]])
    entropy = math.log(2)
    soft_dice = (2 * 0.5 + 1) / (1.0 + 1.0 + 1)
    expected = entropy + 1 - soft_dice
    assert masked_overlap_loss(logits, targets, known).item() == pytest.approx(expected, abs=1e-6)


def test_unknown_structures_and_unjudged_pixels_carry_no_gradient() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_(True)
    targets = torch.ones(2, 3, 4, 4)
    known = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    judged = torch.ones(2, 1, 4, 4)
    judged[0, 0, 0] = 0
    masked_overlap_loss(logits, targets, known, judged).backward()
    gradient = logits.grad
    assert gradient is not None
    assert not gradient[1].any() and not gradient[0, 1].any() and not gradient[0, :, 0].any()
    assert gradient[0, 0, 1:].abs().min() > 0


def test_nothing_known_costs_nothing() -> None:
    loss = masked_overlap_loss(torch.zeros(1, 2, 3, 3), torch.ones(1, 2, 3, 3), torch.zeros(1, 2))
    assert loss.item() == 0.0


def test_union_logit_is_the_logit_of_either() -> None:
    left, right = torch.tensor([0.3, -2.0, 40.0, -40.0]), torch.tensor([1.1, -3.0, -40.0, -40.0])
    neither = (1 - torch.sigmoid(left.double())) * (1 - torch.sigmoid(right.double()))
    union = union_logit(left, right)
    assert torch.isfinite(union).all()
    assert torch.allclose(torch.sigmoid(union[:2]).double(), (1 - neither)[:2], atol=1e-5)
    assert union[2] > 10 and union[3] < -10


def test_a_union_mask_teaches_both_lungs_only_where_sides_are_unknown() -> None:
    logits = torch.zeros(1, 7, 4, 4, requires_grad=True)
    planes = torch.zeros(1, len(Plane), 4, 4)
    planes[:, Plane.BOTH_LUNGS] = 1
    known = torch.zeros(1, len(Plane))
    known[:, Plane.BOTH_LUNGS] = 1
    anatomy_loss(logits, planes, known).backward()
    assert logits.grad is not None
    assert (logits.grad[0, :2] < 0).all() and not logits.grad[0, 2:].any()


def test_lungs_are_not_judged_where_unclear_or_behind_the_heart() -> None:
    logits = torch.zeros(1, 7, 4, 4, requires_grad=True)
    planes, known = torch.zeros(1, len(Plane), 4, 4), torch.ones(1, len(Plane))
    planes[:, Plane.CARDIOMEDIASTINUM, 0] = 1
    unclear = torch.zeros(1, 1, 4, 4)
    unclear[..., 1, :] = 1
    anatomy_loss(logits, planes, known, unclear=unclear).backward()
    assert logits.grad is not None
    assert not logits.grad[0, :2, :2].any() and (logits.grad[0, :2, 2:] > 0).all()
    assert logits.grad[0, Plane.CARDIOMEDIASTINUM].ne(0).all()


def test_the_extent_pulls_at_the_outermost_pixels_alone() -> None:
    mask = torch.zeros(1, 3, 5)
    mask[0, :, 1:4] = 1
    logits = torch.where(mask > 0, 4.0, -4.0)
    logits[0, 1, 4] = 3.0  # one pixel too wide
    logits.requires_grad_(True)
    extent_loss(logits, mask, torch.ones(1)).backward()
    gradient = logits.grad
    assert gradient is not None
    assert gradient[0, 1, 4] == gradient.abs().max() > 0.1
    assert (gradient != 0).sum() <= 5 * 3, "a column's likeliest pixels, no others"
    assert extent_loss(logits.detach(), mask, torch.zeros(1)) == 0


def test_smoothing_moves_the_optimum_inside() -> None:
    logits = torch.linspace(-6, 6, 2401)[:, None]
    losses = torch.stack([smoothed_cross_entropy(v[None], torch.ones(1, 1), 0.1) for v in logits])
    best = torch.sigmoid(logits[losses.argmin()])
    assert best.item() == pytest.approx(0.95, abs=0.001)
