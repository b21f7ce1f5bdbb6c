"""Values of DICOM elements, read tolerantly: what is absent or malformed counts as not stated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def value_of(dataset: Dataset, keyword: str) -> Any:
    """The value of an element, or `None` where it is absent or cannot be parsed."""
    try:
        return dataset.get(keyword)
    except Exception:
        return None


def values_of(dataset: Dataset, keyword: str) -> list[Any]:
    """All values of an element; none where it is absent, malformed or raw bytes."""
    value = value_of(dataset, keyword)
    if value is None or isinstance(value, bytes):
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def text_of(dataset: Dataset, keyword: str) -> str | None:
    """The first value as upper-case text without surrounding blanks, at most 64 characters."""
    values = values_of(dataset, keyword)
    text = str(values[0]).strip(" \0").upper()[:64] if values else ""
    return text or None


def numbers_of(dataset: Dataset, keyword: str) -> list[float]:
    """The values as finite numbers; none where any of them is not."""
    numbers: list[float] = []
    for value in values_of(dataset, keyword):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return []
        if not math.isfinite(number):
            return []
        numbers.append(number)
    return numbers


def number_of(dataset: Dataset, keyword: str) -> float | None:
    """The first of the values, where all are finite numbers."""
    numbers = numbers_of(dataset, keyword)
    return numbers[0] if numbers else None


def pair_of(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """Exactly two finite numbers."""
    numbers = numbers_of(dataset, keyword)
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None
