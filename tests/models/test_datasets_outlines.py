"""Masks out of run lengths and picture files, and the pixels of raw films."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from findings.errors import StudyError
from findings.vocabulary import Finding
from models.data.records import MaskKind
from models.datasets.outlines import FileOutline, RunLengthOutline
from models.datasets.pixels import image_size, read_pixels

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 7)))


def encode(mask: np.ndarray) -> str:
    """Run lengths as the SIIM-ACR tables have them, pixel by pixel."""
    words, since = [], 0
    previous = False
    for pixel in mask.T.ravel().tolist():
        if pixel and not previous:
            words += [since, 0]
            since = 0
        if pixel:
            words[-1] += 1
        else:
            since += 1
        previous = pixel
    return " ".join(map(str, words))


@given(MASKS)
def test_run_lengths_give_the_mask_back(mask: np.ndarray) -> None:
    height, width = mask.shape
    outline = RunLengthOutline(Finding.PNEUMOTHORAX, (encode(mask),), width, height)
    assert np.array_equal(outline.read(), mask)


@given(MASKS, st.randoms())
def test_several_masks_are_joined(mask: np.ndarray, random: object) -> None:
    height, width = mask.shape
    other = np.roll(mask, 1, axis=0)
    outline = RunLengthOutline(Finding.PNEUMOTHORAX, (encode(mask), encode(other)), width, height)
    assert np.array_equal(outline.read(), mask | other)


@pytest.mark.parametrize(
    "runs", ["1", "1 2 3", "a b", "-1 2", "0 99", "1e3 1", "0 9999999999", "² 1"]
)
def test_damaged_run_lengths_are_refused(runs: str) -> None:
    with pytest.raises(StudyError, match="mask"):
        RunLengthOutline(Finding.PNEUMOTHORAX, (runs,), 4, 4).read()


def test_mask_files(tmp_path: Path) -> None:
    mask = np.zeros((6, 5), np.uint8)
    mask[2:4, 1:3] = 255
    for suffix in ("png", "gif"):
        path = tmp_path / f"m.{suffix}"
        Image.fromarray(mask).save(path)
        assert np.array_equal(FileOutline(MaskKind.HEART, path).read(), mask > 0)
    for content in (b"", b"GIF89a", b"MZ"):
        path.write_bytes(content)
        with pytest.raises(StudyError, match="mask"):
            FileOutline(MaskKind.HEART, path).read()


def test_raw_films_are_read_dense_as_bright(tmp_path: Path) -> None:
    stored = np.full((2048, 2048), 4095, ">u2")
    stored[0, 5] = 0
    path = tmp_path / "JPCLN001.IMG"
    stored.tofile(path)
    pixels = read_pixels(path)
    assert (pixels.dtype, pixels.shape, image_size(path)) == (
        np.float32,
        (2048, 2048),
        (2048, 2048),
    )
    assert (pixels[0, 5], pixels[5, 0]) == (1.0, 0.0)
    path.write_bytes(b"short")
    with pytest.raises(StudyError, match="damaged"):
        read_pixels(path)


def test_sizes_come_from_headers(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((30, 20), np.uint8)).save(path)
    assert image_size(path) == (20, 30)
    path.write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    with pytest.raises(StudyError, match="damaged"):
        image_size(path)
