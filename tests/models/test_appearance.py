"""Borrowed looks: grey values change hands, places do not."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.data.appearance import borrow_look, match_distribution


@given(st.integers(0, 2**16), st.integers(4, 12))
def test_matching_takes_the_references_values_and_keeps_the_order(seed: int, side: int) -> None:
    random = np.random.default_rng(seed)
    image = random.random((side, side), dtype=np.float32)
    reference = random.random((side, side), dtype=np.float32)
    matched = match_distribution(image, reference)
    assert np.array_equal(np.sort(matched, axis=None), np.sort(reference, axis=None))
    assert np.array_equal(np.argsort(matched, axis=None), np.argsort(image, axis=None))


def test_a_share_of_zero_changes_nothing() -> None:
    images, donors = torch.rand(3, 1, 32, 32), torch.rand(3, 1, 32, 32)
    same = borrow_look(images, donors, 0.0, np.random.default_rng(0))
    assert torch.equal(same, images)


def test_the_look_moves_towards_the_donor_and_stays_in_range() -> None:
    images = torch.linspace(0, 0.3, 32 * 32).reshape(1, 1, 32, 32).repeat(8, 1, 1, 1)
    donors = torch.linspace(0.6, 1, 32 * 32).reshape(1, 1, 32, 32).repeat(8, 1, 1, 1)
    changed = borrow_look(images, donors, 1.0, np.random.default_rng(0))
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert (changed.mean((1, 2, 3)) > images.mean((1, 2, 3)) + 0.1).all()


def test_the_same_generator_gives_the_same_look() -> None:
    images, donors = torch.rand(4, 1, 32, 32), torch.rand(4, 1, 32, 32)
    first, second = (borrow_look(images, donors, 0.5, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(first, second)
