"""PNG and JPEG pictures to display pixels."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import PIL.Image
import pytest

from findings.errors import StudyError
from imaging.limits import LoadLimits
from imaging.raster import read_raster
from imaging.study import StudyImage

GRAY = np.add.outer(np.arange(40), 3 * np.arange(60)).astype(np.uint8)


def encoded(picture: PIL.Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def read(data: bytes) -> StudyImage:
    return read_raster(data, LoadLimits())


def test_gray_values_are_kept() -> None:
    image = read(encoded(PIL.Image.fromarray(GRAY)))
    np.testing.assert_allclose(image.display, GRAY / 255, atol=1e-6)
    assert image.display.dtype == np.float32
    assert not image.display.flags.writeable
    assert not image.colour_source


def test_gray_saved_as_colour_is_no_colour() -> None:
    for mode in ("RGB", "CMYK", "RGBA"):
        picture = PIL.Image.fromarray(GRAY).convert("RGB").convert(mode)
        kind = "JPEG" if mode == "CMYK" else "PNG"
        image = read(encoded(picture, kind, **({"quality": 98} if kind == "JPEG" else {})))
        assert not image.colour_source
        np.testing.assert_allclose(image.display, GRAY / 255, atol=0.03)


def test_colour_is_remembered() -> None:
    colour = np.zeros((40, 60, 3), dtype=np.uint8)
    colour[..., 0], colour[..., 2] = GRAY, 255 - GRAY
    assert read(encoded(PIL.Image.fromarray(colour))).colour_source


def test_a_palette_is_resolved() -> None:
    picture = PIL.Image.fromarray(GRAY)
    palette = picture.convert("P")
    np.testing.assert_allclose(read(encoded(palette)).display, GRAY / 255, atol=0.02)


def test_transparency_lies_on_black() -> None:
    layered = np.full((20, 20, 4), 200, dtype=np.uint8)
    layered[:10, :, 3], layered[10:, :, 3] = 0, 255
    display = read(encoded(PIL.Image.fromarray(layered))).display
    assert not display[:10].any()
    np.testing.assert_allclose(display[10:], 200 / 255, atol=0.01)


def test_sixteen_bits_that_fill_their_range_are_kept() -> None:
    values = np.linspace(0, 65535, 2400).astype(np.uint16).reshape(40, 60)
    image = read(encoded(PIL.Image.fromarray(values)))
    assert image.bits_stored == 16
    np.testing.assert_allclose(image.display, values / 65535, atol=1e-4)


def test_twelve_bits_in_sixteen_are_stretched() -> None:
    values = np.linspace(0, 4095, 2400).astype(np.uint16).reshape(40, 60)
    image = read(encoded(PIL.Image.fromarray(values)))
    np.testing.assert_allclose(image.display, values / 4095, atol=0.02)
    assert image.notes


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_exif_orientation_is_applied(orientation: int, turn: Any) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    display = read(encoded(PIL.Image.fromarray(GRAY), exif=exif)).display
    np.testing.assert_allclose(display, turn(GRAY) / 255, atol=1e-6)


def test_one_bit_pictures() -> None:
    display = read(encoded(PIL.Image.fromarray(GRAY > 100))).display
    assert set(np.unique(display)) == {0.0, 1.0}


def png_claiming(width: int, height: int) -> bytes:
    """A small PNG whose header claims any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(StudyError, match="more pixels"):
        read(png_claiming(60000, 60000))
    with pytest.raises(StudyError):
        read_raster(png_claiming(3000, 3000), LoadLimits(max_pixels=1_000_000))


def test_a_text_chunk_bomb_is_refused() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    plain = encoded(PIL.Image.fromarray(GRAY))
    text = b"key\0\0" + zlib.compress(bytes(80_000_000))
    with pytest.raises(StudyError):
        read(plain[:33] + chunk(b"zTXt", text) + plain[33:])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_cut_off_pictures_are_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 60)).astype(np.uint8)
    data = encoded(PIL.Image.fromarray(noise), kind)
    with pytest.raises(StudyError, match="damaged"):
        read(data[: len(data) // 2])
