"""What lungs imply about the heart: a hand-drawn chest, and people-made outlines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.data.anatomy_cache import Plane, load_anatomy
from models.data.anatomy_sources import read_anatomy
from models.segmenter.implied import lungs_imply
from models.segmenter.task import anatomy_loss, unpack


def chest() -> tuple[torch.Tensor, torch.Tensor]:
    """Two upright boxes for lungs on 40x40 pixels, rows 0 to 20; nothing else outlined."""
    planes = torch.zeros(1, len(Plane), 40, 40)
    planes[0, Plane.RIGHT_LUNG, 0:21, 5:15] = 1
    planes[0, Plane.LEFT_LUNG, 0:21, 25:35] = 1
    known = torch.zeros(1, len(Plane))
    known[0, [Plane.LEFT_LUNG, Plane.RIGHT_LUNG]] = 1
    return planes, known


def test_the_heart_fills_the_gap_low_down_and_is_nowhere_high_up() -> None:
    implied = lungs_imply(*chest())
    heart, judged = implied.heart[0], implied.heart_judged[0]
    # Shares .64 to .79 of rows 0..20 are rows 13, 14 and 15; the gap is columns 15 to 24.
    expected = torch.zeros(40, 40)
    expected[13:16, 15:25] = 1
    assert torch.equal(heart, expected)
    assert judged[13:16].all(), "the whole rows are judged"
    assert judged[:7].all(), "and everything above"
    assert not judged[10, 20], "between them the gap is left open"
    assert judged[10, 10], "but lung is never heart"


def test_clavicles_do_not_reach_low() -> None:
    implied = lungs_imply(*chest())
    assert implied.no_clavicle[0, 15, 10] == 1
    assert implied.no_clavicle[0, 5, 10] == 0
    assert implied.no_clavicle[0, 15, 20] == 0, "outside the lungs nothing is said"


def test_the_mediastinum_fills_the_gap_and_airways_stay_in_the_middle() -> None:
    implied = lungs_imply(*chest())
    # Shares .36 to .70 of rows 0..20 are rows 8 to 14; the lungs' columns are 5 to 34.
    expected = torch.zeros(40, 40)
    expected[8:15, 15:25] = 1
    assert torch.equal(implied.mediastinum[0], expected)
    assert implied.mediastinum_judged[0, 0].all() and not implied.mediastinum_judged[0, 5, 20]
    no_airway = implied.no_airway[0]
    assert no_airway[15:].all() and no_airway[0, 11] == 1 and no_airway[0, 28] == 1
    assert not no_airway[:14, 13:26].any()


def test_films_without_single_lungs_imply_nothing() -> None:
    planes, known = chest()
    assert lungs_imply(planes, known).films.tolist() == [1.0]
    assert lungs_imply(planes, torch.zeros_like(known)).films.tolist() == [0.0]


def test_an_outlined_heart_outweighs_what_is_implied() -> None:
    planes, known = chest()
    known[:, : Plane.BOTH_LUNGS] = 1
    logits = torch.randn(1, 7, 40, 40, generator=torch.Generator().manual_seed(0))
    plain = anatomy_loss(logits, planes, known)
    assert torch.equal(plain, anatomy_loss(logits, planes, known, lungs_imply(planes, known)))


def test_an_implied_heart_is_learnt() -> None:
    planes, known = chest()
    implied = lungs_imply(planes, known)
    empty = torch.full((1, 7, 40, 40), -6.0)
    filled = empty.clone()
    filled[:, Plane.HEART] = torch.where(implied.heart > 0, 6.0, -6.0)
    assert anatomy_loss(filled, planes, known, implied) < anatomy_loss(
        empty, planes, known, implied
    )


def test_it_agrees_with_outlines_that_people_drew(shared_data: Path) -> None:
    records = read_anatomy(shared_data, ("jsrt",))[::6]
    arrays = load_anatomy(records, 128, None)
    planes = unpack(arrays.planes)
    implied = lungs_imply(planes, torch.from_numpy(arrays.known).float())
    judged = implied.heart_judged > 0
    agreed = (implied.heart == planes[:, Plane.HEART])[judged].float().mean()
    assert agreed > 0.99
    assert np.median(implied.heart.mean((1, 2)).numpy()) > 0.02


def test_people_drew_airways_where_they_may_be(shared_data: Path) -> None:
    arrays = load_anatomy(read_anatomy(shared_data, ("gbseg",))[::4], 128, None)
    planes, known = unpack(arrays.planes), torch.from_numpy(arrays.known).float()
    drawn = (known[:, Plane.AIRWAYS] * known[:, Plane.LEFT_LUNG]) > 0
    implied = lungs_imply(planes, known)
    misplaced = (implied.no_airway * planes[:, Plane.AIRWAYS])[drawn].sum()
    assert drawn.sum() >= 10
    assert misplaced < 0.01 * planes[drawn, Plane.AIRWAYS].sum()
