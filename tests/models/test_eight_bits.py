"""Weights in eight bits: what is lost, what is kept, and what does not fit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.eight_bits import expanded, packed


@st.composite
def filters(draw: st.DrawFn) -> Tensor:
    """Filter banks whose rows differ in size by orders of magnitude; some rows are zero."""
    shape = draw(st.sampled_from([(3, 5), (4, 2, 3, 3), (1, 1)]))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    sizes = torch.tensor(
        [draw(st.sampled_from([0.0, 1e-6, 0.1, 1.0, 300.0])) for _ in range(shape[0])]
    )
    return torch.randn(shape, generator=random) * sizes.view(-1, *[1] * (len(shape) - 1))


@given(filters())
def test_a_weight_moves_by_at_most_half_a_step_of_its_row(bank: Tensor) -> None:
    again = expanded(packed({"layer.weight": bank}))
    assert again.keys() == {"layer.weight"} and again["layer.weight"].shape == bank.shape
    step = bank.flatten(1).abs().amax(dim=1) / 127
    moved = (again["layer.weight"] - bank).flatten(1).abs().amax(dim=1)
    assert (moved <= 0.5001 * step + 1e-12).all()


@given(filters())
def test_packing_twice_changes_nothing_more(bank: Tensor) -> None:
    once = expanded(packed({"w": bank}))["w"]
    assert torch.allclose(expanded(packed({"w": once}))["w"], once, rtol=1e-6, atol=0)


def test_vectors_counters_and_what_is_merely_called_scale_stay() -> None:
    weights = {
        "bn.weight": torch.rand(4),
        "bn.num_batches_tracked": torch.tensor(7),
        "attention.scale": torch.rand(3),
        "linear": torch.rand(2, 2),
    }
    stored = packed(weights)
    assert stored["linear"].dtype is torch.int8 and "linear.scale" in stored
    again = expanded(stored)
    assert again.keys() == weights.keys()
    for name in ("bn.weight", "bn.num_batches_tracked", "attention.scale"):
        assert torch.equal(again[name], weights[name])


def test_scales_of_another_layer_do_not_fit() -> None:
    with pytest.raises(RuntimeError):
        expanded({"w": torch.ones(3, 2, dtype=torch.int8), "w.scale": torch.ones(4)})
