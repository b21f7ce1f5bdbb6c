"""A simulated nodule lies in the lungs, brightens its box and nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.data.simulated_nodules import add_nodule

SIZE = 128


def two_lungs(coarse: int) -> NDArray[np.bool_]:
    """Two upright rectangles, a film's eighth from its edges."""
    lungs = np.zeros((coarse, coarse), dtype=np.bool_)
    eighth = coarse // 8
    lungs[eighth:-eighth, eighth : 3 * eighth] = True
    lungs[eighth:-eighth, 5 * eighth : 7 * eighth] = True
    return lungs


@given(st.integers(0, 2**32 - 1), st.sampled_from([32, 64, 128]), st.floats(0.0, 0.95))
def test_it_brightens_its_box_and_nothing_else(seed: int, coarse: int, grey: float) -> None:
    film = np.full((SIZE, SIZE), grey, dtype=np.float32)
    lungs = two_lungs(coarse)
    shown, box = add_nodule(film, lungs, np.random.default_rng(seed))
    added = shown - film
    assert added.min() >= 0 and shown.max() <= 1
    x0, y0, x1, y1 = (round(value * SIZE) for value in box)
    assert 0 <= x0 < x1 <= SIZE and 0 <= y0 < y1 <= SIZE
    outside = added.copy()
    outside[y0:y1, x0:x1] = 0
    assert float(outside.max()) == 0.0
    assert float(added.max()) > 0.01 * (1 - grey)


@given(st.integers(0, 2**32 - 1))
def test_its_middle_lies_in_a_lung_and_its_size_is_a_nodule_s(seed: int) -> None:
    lungs = two_lungs(SIZE)
    _, box = add_nodule(
        np.zeros((SIZE, SIZE), dtype=np.float32), lungs, np.random.default_rng(seed)
    )
    x, y = (round(SIZE * (low + high) / 2) for low, high in (box[::2], box[1::2]))
    around = lungs[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
    assert around.any()
    # The lungs span 96 of 128 pixels for 280 mm; 30 mm are 10.3 pixels, more along an oval's axis.
    assert max(box[2] - box[0], box[3] - box[1]) * SIZE < 10.3 * 1.35 * 1.3 + 2


def test_the_same_seed_draws_the_same_nodule() -> None:
    film, lungs = np.full((SIZE, SIZE), 0.3, dtype=np.float32), two_lungs(64)
    first, box = add_nodule(film, lungs, np.random.default_rng(5))
    second, again = add_nodule(film, lungs, np.random.default_rng(5))
    assert box == again and np.array_equal(first, second)
    assert np.array_equal(film, np.full((SIZE, SIZE), 0.3, dtype=np.float32))
