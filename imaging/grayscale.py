"""From stored pixel values to display values in [0, 1]: the grayscale pipeline of DICOM.

Modality LUT or rescale (PS3.3 C.11.1), VOI LUT or window (C.11.2), presentation (C.11.6): as
PS3.4 N.2 draws it. The result is float32, 1 = bright = dense.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from imaging.pixel_decoding import StoredPixels
from imaging.study import FloatImage, Mask

PERCENTILES = (0.5, 99.5)
"""The share of values, in percent, that a made-up window leaves below and above."""

_SAMPLE = 1_000_000
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601, as PS3.3 C.7.6.3.1.2 uses for YBR_FULL."""


class WindowFunction(StrEnum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, eq=False)
class LookUpTable:
    """A modality or VOI LUT: values from `first` on are replaced by the entries, clamped."""

    first: int
    entries: FloatImage
    """One-dimensional, float32."""
    bits: int

    def apply(self, values: FloatImage) -> FloatImage:
        """Look every value up."""
        index = np.clip(np.rint(values) - self.first, 0, self.entries.size - 1)
        looked_up: FloatImage = self.entries[index.astype(np.int32)]
        return looked_up


@dataclass(frozen=True)
class Window:
    """Window centre and width with the function they belong to."""

    center: float
    width: float
    function: WindowFunction = WindowFunction.LINEAR

    def apply(self, values: FloatImage) -> FloatImage:
        """Map values to [0, 1] (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
        center, width = self.center, self.width
        match self.function:
            case WindowFunction.SIGMOID:
                exponent = np.clip(-4.0 * (values - center) / width, -60.0, 60.0)
                return np.asarray(1.0 / (1.0 + np.exp(exponent)), dtype=np.float32)
            case WindowFunction.LINEAR if width > 1:
                scaled = (values - (center - 0.5)) / (width - 1.0) + 0.5
            case WindowFunction.LINEAR:
                scaled = (values > center - 0.5).astype(np.float32)
            case WindowFunction.LINEAR_EXACT:
                scaled = (values - center) / width + 0.5
        return np.asarray(np.clip(scaled, 0.0, 1.0), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class GrayscaleTransform:
    """Everything a header says about turning stored values into display values."""

    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: LookUpTable | None = None
    voi_lut: LookUpTable | None = None
    window: Window | None = None
    inverted: bool = False
    padding: tuple[float, float] | None = None
    """Lowest and highest stored value that mark pixels outside the image."""
    full_range: tuple[float, float] | None = None
    """The window to use where the header names none; else one is made from the values."""

    def apply(self, stored: StoredPixels) -> tuple[FloatImage, tuple[str, ...]]:
        """Display values in [0, 1] and what a reader should know of how they came about."""
        outside = self._outside(stored)
        values = stored.astype(np.float32)
        if self.modality_lut is not None:
            values = self.modality_lut.apply(values)
        elif (self.slope, self.intercept) != (1.0, 0.0):
            values = values * np.float32(self.slope) + np.float32(self.intercept)
        display, notes = self._values_of_interest(values, outside)
        if self.inverted:
            display = np.float32(1.0) - display
        if outside is not None:
            display[outside] = 0.0
        return display, notes

    def _outside(self, stored: StoredPixels) -> Mask | None:
        if self.padding is None:
            return None
        outside: Mask = (stored >= self.padding[0]) & (stored <= self.padding[1])
        return outside if outside.any() and not outside.all() else None

    def _values_of_interest(
        self, values: FloatImage, outside: Mask | None
    ) -> tuple[FloatImage, tuple[str, ...]]:
        inside = values if outside is None else values[~outside]
        if self.voi_lut is not None:
            display = self.voi_lut.apply(values) / np.float32(2**self.voi_lut.bits - 1)
            return np.clip(display, np.float32(0.0), np.float32(1.0)), ()
        if self.window is not None:
            display = self.window.apply(values)
            if np.ptp(display) > 1e-3 or np.ptp(inside) == 0:
                return display, ()
            return stretch(values, inside), ("the stated window shows nothing: window made anew",)
        if self.full_range is not None:
            low, high = self.full_range
            return np.clip((values - np.float32(low)) / np.float32(high - low), 0.0, 1.0), ()
        return stretch(values, inside), ("no window stated: window made from the pixel values",)


def stretch(values: FloatImage, inside: FloatImage | None = None) -> FloatImage:
    """Map the values between robust percentiles of `inside` to [0, 1]; a flat image becomes 0."""
    sample = (values if inside is None else inside).ravel()
    sample = sample[:: max(1, sample.size // _SAMPLE)]
    low, high = (np.float32(value) for value in np.percentile(sample, PERCENTILES))
    if high <= low:
        low, high = sample.min(), sample.max()
    if high <= low:
        return np.zeros_like(values)
    stretched: FloatImage = np.clip((values - low) / (high - low), 0.0, 1.0)
    return stretched


def luminance(colour: FloatImage) -> FloatImage:
    """Gray values of an RGB image H×W×3, same range."""
    return np.asarray(colour @ _LUMINANCE, dtype=np.float32)


def is_coloured(colour: FloatImage, tolerance: float = 0.06) -> bool:
    """True where an RGB image in [0, 1], H×W×3, holds colours beyond tinted noise."""
    spread = colour.max(axis=2) - colour.min(axis=2)
    return bool(np.mean(spread > tolerance) > 0.01)
