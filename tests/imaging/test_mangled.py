"""Mangled files: whatever the bytes, either a study comes out or a StudyError."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from findings.errors import StudyError
from imaging.limits import LoadLimits
from imaging.loading import load_study
from tests.imaging.conftest import as_bytes, made_dataset

LIMITS = LoadLimits(max_pixels=4_000_000, decode_seconds=3)


def mangled(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one kind of damage."""
    array = bytearray(data)
    # Most damage goes where headers and codestream markers are.
    reach = len(array) if rng.random() < 0.4 else min(len(array), 2000)
    match rng.integers(5):
        case 0:
            for _ in range(int(rng.integers(1, 40))):
                array[int(rng.integers(reach))] = int(rng.integers(256))
        case 1:
            del array[int(rng.integers(reach)) :]
        case 2:
            start = int(rng.integers(reach))
            del array[start : start + int(rng.integers(1, 300))]
        case 3:
            start = int(rng.integers(reach))
            array[start:start] = rng.bytes(int(rng.integers(1, 300)))
        case _:
            start = int(rng.integers(reach))
            array[start : start + 4] = rng.choice(
                np.array([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\xfe\xff\0\xe0"])
            )
    return bytes(array)


def survive(path: Path, data: bytes, seconds: float = 10.0) -> None:
    """Load the bytes; `seconds` of this process's own time, since the machine may be busy."""
    path.write_bytes(data)
    began, began_own = time.monotonic(), time.process_time()
    try:
        study = load_study(path, limits=LIMITS)
    except StudyError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        display = study.frontal.display
        assert display.dtype == np.float32
        assert bool(np.isfinite(display).all())
    assert time.process_time() - began_own < seconds
    # Waiting for the decoding process is bounded too, generously.
    assert time.monotonic() - began < 120


def test_mangled_real_files(shared_data: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(26)
    for file in sorted((shared_data / "dicom").glob("*.dcm")):
        data = file.read_bytes()
        for _ in range(4 if len(data) > 1_000_000 else 9):
            survive(tmp_path / "x.dcm", mangled(data, rng))


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_mangled_made_files(tmp_path: Path, syntax: str | None) -> None:
    rng = np.random.default_rng(4)
    slope = (np.add.outer(np.arange(48), np.arange(64)) * 30).astype(np.uint16)
    dataset = made_dataset(
        slope, PixelSpacing=[0.4, 0.4], PatientOrientation=["R", "F"], ViewPosition="PA"
    )
    if syntax is not None:
        dataset.compress(syntax, generate_instance_uid=False)
    data = as_bytes(dataset)
    for _ in range(40):
        survive(tmp_path / "x.dcm", mangled(data, rng))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_mangled_pictures(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(5)
    stream = io.BytesIO()
    gray = rng.integers(0, 255, (64, 64)).astype(np.uint8)
    PIL.Image.fromarray(gray).save(stream, kind)
    for _ in range(40):
        survive(tmp_path / "x.png", mangled(stream.getvalue(), rng))


def test_deeply_nested_sequences_end_in_an_error(tmp_path: Path) -> None:
    head = as_bytes(made_dataset(np.zeros((4, 4), dtype=np.uint16)))
    head = head[: head.index(b"\x08\x00\x16\x00")]
    nested = b"\x54\x00\x20\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    survive(tmp_path / "x.dcm", head + nested * 20_000, seconds=30)
