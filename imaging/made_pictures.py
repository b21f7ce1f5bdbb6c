"""Made pictures that are no chest radiograph: what the input gate learns to refuse besides data.

Gray values in [0, 1], square, reproducible from a random generator.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import numpy as np

from imaging.study import FloatImage

_PHOTOGRAPHS = ("china.jpg", "flower.jpg")
"""The sample photographs that scikit-learn ships."""


def gradient(rng: np.random.Generator, side: int) -> FloatImage:
    """Smooth ramps, radial or straight, sometimes in steps."""
    y, x = _grid(side)
    angle = rng.uniform(0, 2 * np.pi)
    ramp: Any = np.cos(angle) * x + np.sin(angle) * y
    if rng.random() < 0.4:
        cx, cy = rng.uniform(-1, 1, 2)
        ramp = np.hypot(x - cx, y - cy)
    if rng.random() < 0.4:
        steps = rng.integers(3, 12)
        ramp = np.floor(_unit(ramp) * steps) / steps
    return _unit(ramp)


def noise(rng: np.random.Generator, side: int) -> FloatImage:
    """Noise with a random fall-off over frequency, from white to cloud-like."""
    falloff = rng.uniform(0.0, 2.5)
    spectrum = np.fft.rfft2(rng.normal(size=(side, side)))
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    spectrum /= np.maximum(np.hypot(fx, fy), 1 / side) ** falloff
    return _unit(np.fft.irfft2(spectrum, s=(side, side)))


def pattern(rng: np.random.Generator, side: int) -> FloatImage:
    """Stripes, checks, discs, grids, or a test chart of gray steps."""
    y, x = _grid(side)
    period = rng.uniform(0.05, 0.6)
    match rng.integers(5):
        case 0:
            angle = rng.uniform(0, np.pi)
            picture: Any = np.sin(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period)
        case 1:
            picture = np.sign(np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period))
        case 2:
            picture = np.sin(2 * np.pi * np.hypot(x, y) / period)
        case 3:
            lines = (np.mod(x, period) < 0.03) | (np.mod(y, period) < 0.03)
            picture = np.where(lines, 1.0, rng.uniform(0, 0.6))
        case _:
            picture = _chart(rng, side)
    return _unit(picture)


def _chart(rng: np.random.Generator, side: int) -> FloatImage:
    chart = np.full((side, side), rng.uniform(0.3, 0.6))
    for _ in range(rng.integers(6, 30)):
        top, left = rng.integers(0, side, 2)
        height, width = rng.integers(4, side // 2, 2)
        chart[top : top + height, left : left + width] = rng.uniform()
    return np.asarray(chart, dtype=np.float32)


def text_page(rng: np.random.Generator, side: int) -> FloatImage:
    """Lines of letters, dark on light or the reverse."""
    import PIL.Image
    import PIL.ImageDraw
    import PIL.ImageFont

    page = PIL.Image.new("L", (side, side), 255)
    draw = PIL.ImageDraw.Draw(page)
    size = int(rng.integers(7, 22))
    font = PIL.ImageFont.load_default(size)
    letters = np.array(list(string.ascii_letters + string.digits + "     .,"))
    top = int(rng.integers(0, 30))
    while top < side:
        if rng.random() < 0.85:
            line = "".join(rng.choice(letters, int(rng.integers(5, 60))))
            draw.text((int(rng.integers(0, 20)), top), line, fill=0, font=font)
        top += round(size * 1.3)
    picture: FloatImage = np.asarray(page, dtype=np.float32) / np.float32(255)
    return picture if rng.random() < 0.7 else np.float32(1) - picture


def scene(rng: np.random.Generator, side: int) -> FloatImage:
    """A piece of a photograph, or overlapping shapes with shading."""
    if rng.random() < 0.5:
        from sklearn.datasets import load_sample_image

        photograph = load_sample_image(_PHOTOGRAPHS[rng.integers(2)]).mean(axis=2) / 255
        extent = int(rng.integers(120, min(photograph.shape)))
        top = int(rng.integers(0, photograph.shape[0] - extent + 1))
        left = int(rng.integers(0, photograph.shape[1] - extent + 1))
        return _resized(photograph[top : top + extent, left : left + extent], side)
    y, x = _grid(side)
    picture = gradient(rng, side) * rng.uniform(0, 1)
    for _ in range(rng.integers(2, 25)):
        cx, cy = rng.uniform(-1, 1, 2)
        rx, ry = rng.uniform(0.05, 0.7, 2)
        inside = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
        if rng.random() < 0.5:
            inside = (np.abs(x - cx) < rx) & (np.abs(y - cy) < ry)
        shade = rng.uniform() + rng.uniform(-0.4, 0.4) * x + rng.uniform(-0.4, 0.4) * y
        picture = np.where(inside, shade, picture)
    return _unit(picture + rng.uniform(0, 0.15) * (noise(rng, side) - 0.5))


def limb(rng: np.random.Generator, side: int) -> FloatImage:
    """A limb as a radiograph shows it: soft tissue around one to five tubular bones."""
    y, x = _grid(side)
    angle = rng.uniform(0, np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y
    across = -np.sin(angle) * x + np.cos(angle) * y + rng.uniform(-0.15, 0.15) * along**2
    bones = int(rng.choice([1, 1, 2, 2, 3, 5]))
    centres = np.linspace(-0.5, 0.5, bones) * rng.uniform(0.3, 1.2) if bones > 1 else np.zeros(1)
    radius = rng.uniform(0.06, 0.22) / np.sqrt(bones)
    soft = (np.abs(centres).max() + radius) * rng.uniform(1.4, 2.6)
    thickness = np.sqrt(np.clip(soft**2 - across**2, 0, None))
    joint = rng.uniform(-0.7, 0.7)
    for centre in centres:
        flare = radius * (1 + rng.uniform(0.3, 1.2) * np.exp(-(((along - joint) / 0.15) ** 2)))
        distance = across - centre * (1 + rng.uniform(-0.3, 0.3) * along)
        outer = np.sqrt(np.clip(flare**2 - distance**2, 0, None))
        marrow = np.sqrt(np.clip((0.65 * flare) ** 2 - distance**2, 0, None))
        bone = 3.0 * outer - 2.2 * marrow
        thickness = thickness + np.where(np.abs(along - joint) < 0.015, 0.3 * bone, bone)
    picture = 1 - np.exp(-rng.uniform(0.8, 2.5) * thickness)
    return _unit(picture + 0.03 * (noise(rng, side) - 0.5))


def shuffled(rng: np.random.Generator, picture: FloatImage) -> FloatImage:
    """The tiles of a picture in another order: its textures without its anatomy."""
    tiles = int(rng.integers(2, 6))
    side = picture.shape[0] // tiles * tiles
    parts = [
        tile
        for row in np.split(picture[:side, :side], tiles)
        for tile in np.split(row, tiles, axis=1)
    ]
    order = rng.permutation(len(parts))
    rows = [
        np.concatenate([parts[i] for i in order[k * tiles : (k + 1) * tiles]], axis=1)
        for k in range(tiles)
    ]
    return _resized(np.concatenate(rows), picture.shape[0])


def scrambled(rng: np.random.Generator, picture: FloatImage) -> FloatImage:
    """A picture with its spectrum kept and its phases made random."""
    spectrum = np.abs(np.fft.rfft2(picture - picture.mean()))
    phases = np.angle(np.fft.rfft2(rng.normal(size=picture.shape)))
    return _unit(np.fft.irfft2(spectrum * np.exp(1j * phases), s=picture.shape))


NOT_MEDICAL: tuple[Callable[[np.random.Generator, int], FloatImage], ...] = (
    gradient,
    noise,
    pattern,
    text_page,
    scene,
)


def _grid(side: int) -> tuple[FloatImage, FloatImage]:
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


def _unit(picture: object) -> FloatImage:
    values = np.asarray(picture, dtype=np.float32)
    spread = float(np.ptp(values))
    return np.asarray((values - values.min()) / (spread or 1.0), dtype=np.float32)


def _resized(picture: object, side: int) -> FloatImage:
    import PIL.Image

    source = PIL.Image.fromarray(np.ascontiguousarray(picture, dtype=np.float32))
    return np.asarray(source.resize((side, side), PIL.Image.Resampling.BILINEAR), dtype=np.float32)
