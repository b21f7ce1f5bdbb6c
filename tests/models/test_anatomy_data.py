"""Readers, caches and augmentation of the training data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.anatomy_cache import Plane, load_anatomy, resize_mask, split_lungs
from models.data.anatomy_sources import read_anatomy
from models.data.augmentation import AugmentationSettings, box_grids, random_grids, sample
from models.data.finding_sources import NIH_COLUMNS, read_nih
from models.data.records import MaskKind, Split
from models.preprocessing import to_square
from models.segmenter.task import unpack


def test_missing_folders_are_passed_over(tmp_path: Path) -> None:
    assert read_anatomy(tmp_path) == [] and read_nih(tmp_path) == []


def test_every_mask_that_is_named_exists(shared_data: Path) -> None:
    records = read_anatomy(shared_data)
    assert {record.source for record in records} == {
        "jsrt",
        "openist",
        "gbseg",
        "montgomery",
        "shenzhen",
        "covid",
    }
    assert all(path.is_file() for record in records for path in record.masks.values())
    jsrt = [record for record in records if record.source == "jsrt"]
    assert len(jsrt) == 180 and all(len(record.masks) == 5 for record in jsrt)


def test_nih_counts_are_the_published_ones(shared_data: Path) -> None:
    records = [record for record in read_nih(shared_data) if record.split is Split.TRAIN]
    assert len(records) == 2373
    assert sum(record.labels["pleural_effusion"] for record in records) == 331
    assert len(NIH_COLUMNS) == 14
    patients = {record.patient for record in records}
    assert len(patients) == 1577 and all(len(patient) == 8 for patient in patients)


def test_lungs_are_parted_by_the_patients_side() -> None:
    both = np.zeros((40, 60), bool)
    both[5:35, 5:25] = True
    both[5:35, 35:55] = True
    parted = split_lungs(both)
    assert parted is not None
    left, right = parted
    assert left[20, 45] and right[20, 15] and not (left & right).any()
    both[20, 20:40] = True
    assert split_lungs(both) is None


def test_the_cache_gives_back_what_was_decoded(shared_data: Path, tmp_path: Path) -> None:
    records = read_anatomy(shared_data, ("jsrt", "gbseg"))[:3]
    first = load_anatomy(records, 64, tmp_path)
    again = load_anatomy(records, 64, tmp_path)
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.planes, again.planes)
    planes = unpack(first.planes)
    assert planes.shape == (3, len(Plane), 64, 64)
    lung, heart = planes[:, Plane.LEFT_LUNG], planes[:, Plane.HEART]
    assert 0.05 < lung.mean() < 0.3 and 0.02 < heart.mean() < 0.2
    assert MaskKind.HEART in records[0].masks and first.known[:, :5].all()


def test_masks_keep_their_place_when_resized() -> None:
    mask = np.zeros((100, 200), bool)
    mask[20:40, 100:160] = True
    small = resize_mask(mask, (50, 50))
    rows, columns = np.nonzero(small)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (10, 20, 25, 40)


def test_a_box_is_cut_where_it_says() -> None:
    image = torch.zeros(1, 1, 64, 64)
    image[0, 0, 16:32, 32:48] = 1.0
    boxes = torch.tensor([[0.5, 0.25, 0.75, 0.5]])
    assert sample(image, box_grids(boxes, 16)).min() > 0.99


def test_augmentation_repeats_itself_and_moves_image_and_mask_alike() -> None:
    image = torch.rand(4, 1, 32, 32)
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(4, 4)
    settings = AugmentationSettings()
    one = random_grids(whole, 32, settings, np.random.default_rng(7))
    other = random_grids(whole, 32, settings, np.random.default_rng(7))
    assert torch.equal(one, other)
    moved = sample(torch.cat([image, image], dim=1), one)
    assert torch.equal(moved[:, 0], moved[:, 1])
    unflipped = random_grids(whole, 32, settings, np.random.default_rng(1))
    assert (unflipped[:, 16, -1, 0] > unflipped[:, 16, 0, 0]).all()


@pytest.mark.parametrize("scale,offset", [(1.0, 0.0), (0.4, 0.3)])
def test_the_network_does_not_see_the_window(scale: float, offset: float) -> None:
    display = np.random.default_rng(0).random((80, 90), dtype=np.float32)
    square = to_square(display, 64)
    shifted = to_square((display * scale + offset).astype(np.float32), 64)
    assert torch.allclose(square, shifted, atol=1e-4)
    assert square.min() == 0 and square.max() == 1
