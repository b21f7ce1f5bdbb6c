"""From outlines, tubes and particles to thickness maps on the square pixel grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
Points = NDArray[np.float64]

_OVERSAMPLING = 2


@dataclass(frozen=True)
class Grid:
    """A square of ``size`` pixels on which ``unit`` pixels make one millimetre of anatomy.

    The anatomy's millimetres are nominal: those of a patient 270 mm wide inside the ribs. The
    pixel spacing that a sample states scales patient and anatomy together.
    """

    size: int
    unit: float

    def rows(self) -> Map:
        """Pixel-centre y, shape (size, 1)."""
        return (np.arange(self.size, dtype=np.float32) + 0.5)[:, None]

    def columns(self) -> Map:
        """Pixel-centre x, shape (1, size)."""
        return (np.arange(self.size, dtype=np.float32) + 0.5)[None, :]

    def empty(self) -> Map:
        """A map of zeros."""
        return np.zeros((self.size, self.size), dtype=np.float32)


def fill(size: int, outline: Points) -> Map:
    """Coverage (0 to 1) of each pixel by a closed outline given in pixels."""
    from PIL import Image, ImageDraw

    sheet = Image.new("L", (size * _OVERSAMPLING, size * _OVERSAMPLING))
    # PIL's vertices sit on pixel centres, ours on pixel corners.
    vertices = [(float(x), float(y)) for x, y in outline * _OVERSAMPLING - 0.5]
    ImageDraw.Draw(sheet).polygon(vertices, fill=255)
    fine = np.asarray(sheet, dtype=np.float32)
    shape = (size, _OVERSAMPLING, size, _OVERSAMPLING)
    return np.asarray(fine.reshape(shape).mean(axis=(1, 3)) / 255.0, dtype=np.float32)


def depth(mask: Mask) -> Map:
    """Distance in pixels from inside ``mask`` to its border, zero outside."""
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(mask)
    return np.asarray(np.maximum(distance - 0.5, 0.0), dtype=np.float32)


def round_profile(distance: Map, radius: float) -> Map:
    """Chord of a body with a rounded rim, 0 at the rim to 1 at ``radius`` and beyond.

    A sphere or cylinder of that radius has this profile; its infinite slope at the rim is what
    makes heart, diaphragm and vessel borders crisp on a film.
    """
    inward = np.clip(distance / np.float32(radius), 0.0, 1.0)
    return np.asarray(np.sqrt(np.maximum(inward * (2.0 - inward), 0.0)), dtype=np.float32)


def soften(image: Map, sigma: float) -> Map:
    """Gaussian blur; wide ones are computed on a coarser grid."""
    from scipy import ndimage

    if sigma <= 0:
        return image
    step = 1
    while sigma / step > 8.0 and image.shape[0] % (2 * step) == 0:
        step *= 2
    if step == 1:
        return np.asarray(ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3.0))
    size = image.shape[0] // step
    coarse = image.reshape(size, step, size, step).mean(axis=(1, 3))
    coarse = ndimage.gaussian_filter(coarse, sigma / step, mode="nearest", truncate=3.0)
    return enlarge(coarse, image.shape[0])


def enlarge(coarse: Map, size: int) -> Map:
    """Bicubic enlargement to ``size`` pixels, pixel corners aligned."""
    from PIL import Image

    sheet = Image.fromarray(np.asarray(coarse, dtype=np.float32))
    return np.asarray(sheet.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)


def splat(grid: Grid, x: Points, y: Points, weight: Points | float) -> Map:
    """Sum of point masses, each shared bilinearly among the four pixels around it."""
    size = grid.size
    x = np.clip(np.ravel(x) - 0.5, 0.0, size - 1.001)
    y = np.clip(np.ravel(y) - 0.5, 0.0, size - 1.001)
    mass = np.broadcast_to(np.asarray(weight, dtype=np.float64), x.shape).ravel()
    column, row = x.astype(np.int64), y.astype(np.int64)
    right, down = x - column, y - row
    start = row * size + column
    total = np.zeros(size * size)
    for offset, share in (
        (0, (1 - right) * (1 - down)),
        (1, right * (1 - down)),
        (size, (1 - right) * down),
        (size + 1, right * down),
    ):
        total += np.bincount(start + offset, mass * share, minlength=size * size)
    image = total.reshape(size, size)
    image[[0, -1], :] = 0.0
    image[:, [0, -1]] = 0.0
    return image.astype(np.float32)


def tube(grid: Grid, path: Points, radius: NDArray[np.float64] | float, step: float = 0.4) -> Map:
    """Chord length (pixels) through a round tube along ``path`` (n, 2), pixels."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    count = max(2, int(length[-1] / step))
    at = (np.arange(count) + 0.5) * length[-1] / count
    x, y = (np.interp(at, length, path[:, axis]) for axis in (0, 1))
    wide = np.interp(at, length, np.broadcast_to(np.asarray(radius, dtype=float), len(path)))
    along = np.column_stack([np.gradient(x), np.gradient(y)])
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    lanes = max(3, int(2 * float(wide.max()) / step) | 1)
    across = (np.arange(lanes) + 0.5) / lanes * 2 - 1
    chord = 2 * np.sqrt(np.maximum(1 - across**2, 0))
    offset = across[None, :] * wide[:, None]
    mass = chord[None, :] * wide[:, None] * (2 * wide[:, None] / lanes) * (length[-1] / count)
    return splat(
        grid, x[:, None] - along[:, 1:] * offset, y[:, None] + along[:, :1] * offset, mass.ravel()
    )


def waves(rng: np.random.Generator, size: int, slope: float, coarsest: float, finest: float) -> Map:
    """Zero-mean unit-variance random texture with power falling as frequency to ``-slope``.

    ``coarsest`` and ``finest`` are the longest and shortest wavelengths in pixels.
    """
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    inside = (frequency >= 1.0 / coarsest) & (frequency <= 1.0 / finest)
    amplitude = np.where(inside, np.maximum(frequency, 1.0 / size) ** (-slope / 2.0), 0.0)
    spectrum = amplitude * np.exp(2j * np.pi * rng.random(frequency.shape))
    texture = np.fft.irfft2(spectrum, s=(size, size))
    return np.asarray((texture - texture.mean()) / texture.std(), dtype=np.float32)
