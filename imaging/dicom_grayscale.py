"""The DICOM attributes that lead from stored values to gray: window, tables, palette, padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imaging.dicom_elements import number_of, numbers_of, text_of, value_of, values_of
from imaging.grayscale import LookUpTable, Window, WindowFunction
from imaging.pixel_decoding import PixelModule

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def window_of(dataset: Dataset) -> Window | None:
    """The first window that is stated in full."""
    try:
        function = WindowFunction(text_of(dataset, "VOILUTFunction") or "LINEAR")
    except ValueError:
        function = WindowFunction.LINEAR
    centers, widths = numbers_of(dataset, "WindowCenter"), numbers_of(dataset, "WindowWidth")
    for center, width in zip(centers, widths, strict=False):
        if width >= 1 or (width > 0 and function is not WindowFunction.LINEAR):
            return Window(center, width, function)
    return None


def lut_of_sequence(dataset: Dataset, keyword: str, signed: bool) -> LookUpTable | None:
    """The look-up table of the first item of a modality or VOI LUT sequence."""
    items = values_of(dataset, keyword)
    return _lut(items[0], "LUTDescriptor", "LUTData", signed) if items else None


def _lut(
    dataset: Dataset, descriptor_keyword: str, data_keyword: str, signed: bool
) -> LookUpTable | None:
    """A look-up table (PS3.3 C.11.1.1), or `None` where its parts do not fit together."""
    raw = value_of(dataset, descriptor_keyword)
    if isinstance(raw, bytes) and len(raw) == 6:
        raw = np.frombuffer(raw, "<i2" if signed else "<u2").tolist()
    try:
        count, first, bits = (int(value) for value in raw)
    except (TypeError, ValueError):
        return None
    count = 65536 if count == 0 else count % 65536
    data = value_of(dataset, data_keyword)
    try:
        if isinstance(data, bytes):
            wide = len(data) >= 2 * count
            entries = np.frombuffer(data, "<u2" if wide else "u1")
        else:
            entries = np.asarray(data, dtype=np.int64) & 0xFFFF
    except (TypeError, ValueError, OverflowError):
        return None
    if entries.ndim != 1 or entries.size < count or not 8 <= bits <= 16:
        return None
    return LookUpTable(first, entries[:count].astype(np.float32), bits)


def palette_of(dataset: Dataset) -> tuple[LookUpTable, LookUpTable, LookUpTable] | None:
    """The red, green and blue tables of a palette (PS3.3 C.7.9), where all three are stated."""
    tables = [
        _lut(
            dataset,
            f"{colour}PaletteColorLookupTableDescriptor",
            f"{colour}PaletteColorLookupTableData",
            False,
        )
        for colour in ("Red", "Green", "Blue")
    ]
    red, green, blue = tables
    if red is None or green is None or blue is None:
        return None
    return red, green, blue


def padding_of(dataset: Dataset, pixels: PixelModule) -> tuple[float, float] | None:
    """The stored values that pad the image (PS3.3 C.7.5.1.1.2)."""

    def stored(keyword: str) -> float | None:
        raw = value_of(dataset, keyword)
        if isinstance(raw, bytes) and len(raw) == 2:
            dtype = "<i2" if pixels.pixel_representation == 1 else "<u2"
            return float(np.frombuffer(raw, dtype)[0])
        return number_of(dataset, keyword)

    first = stored("PixelPaddingValue")
    if first is None:
        return None
    last = stored("PixelPaddingRangeLimit")
    return (first, first) if last is None else (min(first, last), max(first, last))
