"""From path lengths to film: exposure, scatter, sharpness, noise and the display curve.

Beer-Lambert exposure for a 120 kVp chest beam at its effective energy of about 65 keV, with
attenuation coefficients after NIST XCOM (soft tissue 0.20/cm, cortical bone 0.50/cm beyond the
soft tissue it replaces about 0.33/cm, lung as soft tissue of a quarter of the density); scatter
left behind an anti-scatter grid as a wide blur of the primary (Boone & Seibert, Med Phys 1988);
quantum noise as Poisson with electronic noise; a Gaussian approximation of detector MTF. The
display step ranges the log exposure by its histogram as digital systems do (IEC 62220 readings
are linear; "for presentation" images are not), towards the mean quantile curve of real films.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from imaging.synthetic.raster import Map, soften

SOFT_PER_MM = 0.0195
BONE_PER_MM = 0.036
METAL_PER_MM = 0.55
LUNG_DENSITY = 0.27
WHITE = 4095


@dataclass(frozen=True)
class Exposure:
    """How one film is taken and developed.

    ``photons`` is the count per pixel of 0.35 mm in open field; ``scatter`` the scatter-to-primary
    ratio behind the grid; ``blur_mm`` and ``scatter_mm`` are Gaussian sigmas; ``matching`` the
    share by which brightness follows real films' mean quantiles, ``digital`` that of digital
    ones in it; ``edge`` the gain of detail.
    """

    photons: float
    scatter: float
    scatter_mm: float
    blur_mm: float
    electronic: float
    matching: float
    digital: float
    edge: float
    gamma: float


def draw_exposure(rng: np.random.Generator, *, anteroposterior: bool) -> Exposure:
    """A usual technique; bedside films have more scatter and noise."""
    bedside = 1.0 if anteroposterior else 0.0
    return Exposure(
        photons=float(rng.uniform(9e4, 1.6e5)) * (1 - 0.45 * bedside),
        scatter=float(rng.uniform(0.16, 0.32)) + 0.18 * bedside,
        scatter_mm=float(rng.uniform(26.0, 36.0)),
        blur_mm=float(rng.uniform(0.17, 0.24)),
        electronic=25.0,
        matching=float(rng.uniform(0.75, 0.95)),
        digital=float(rng.uniform(0.0, 0.55)),
        edge=float(rng.uniform(0.3, 0.8)),
        gamma=float(rng.uniform(0.7, 0.9)),
    )


def expose(attenuation: Map, unit: float, setting: Exposure, rng: np.random.Generator) -> Map:
    """Detector signal relative to the open field for a map of summed log attenuation."""
    primary = np.exp(-attenuation)
    # Scatter grows where the body is thick, which the blur of sqrt(primary) imitates well enough.
    veil = soften(primary, setting.scatter_mm * unit)
    signal = soften(primary, setting.blur_mm * unit) + setting.scatter * veil
    mean = signal * np.float32(setting.photons * (2.86 / unit) ** 2)
    noise = rng.standard_normal(mean.shape, dtype=np.float32)
    counts = mean + noise * np.sqrt(mean + np.float32(setting.electronic))
    counts = soften(np.maximum(counts, 1.0), 0.35)
    return counts / np.float32(setting.photons * (2.86 / unit) ** 2)


def develop(signal: Map, unit: float, setting: Exposure, field: Map) -> NDArray[np.uint16]:
    """Twelve-bit display values: bright is dense. ``field`` is 1 inside the collimated field."""
    density = -np.log(np.maximum(signal, 1e-5))
    fine = density - soften(density, 2.2 * unit)
    broad = density - soften(density, 14.0 * unit)
    density = density + np.float32(setting.edge) * (0.55 * fine + 0.30 * broad)
    inside = density[::4, ::4][field[::4, ::4] > 0.5]
    knots = np.quantile(inside, np.linspace(0, 1, 33))
    low, high = knots[1], knots[-1]
    linear = np.clip((knots - low) / (high - low), 0.0, 1.0) ** setting.gamma
    film, digital = real_quantiles()
    real = (1 - setting.digital) * film + setting.digital * digital
    target = setting.matching * real + (1 - setting.matching) * linear
    # Ranging must not tear flat areas apart: limit the slope of the curve.
    target = _limited(knots, target)
    shown = np.interp(density, np.maximum.accumulate(knots), target).astype(np.float32)
    shown = shown * field
    return np.asarray(np.clip(np.rint(shown * WHITE), 0, WHITE), dtype=np.uint16)


def _limited(knots: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """``target`` with its slope held below 1.6 times the mean slope, rescaled to its range."""
    widths = np.diff(knots)
    slopes = np.diff(target) / np.maximum(widths, 1e-6)
    mean = (target[-1] - target[0]) / max(knots[-1] - knots[0], 1e-6)
    rises = np.minimum(slopes, 1.6 * mean) * widths
    curve = np.concatenate([[0.0], np.cumsum(rises)])
    return np.asarray(target[0] + curve * (target[-1] - target[0]) / curve[-1])


@cache
def real_quantiles() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean brightness quantiles (0 to 1) of real screen films and of real digital images."""
    source = resources.files("imaging.synthetic").joinpath("data/anatomy.npz")
    with source.open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
        film, digital = stored["film_quantiles"], stored["digital_quantiles"]
    return film.astype(np.float64), digital.astype(np.float64)
