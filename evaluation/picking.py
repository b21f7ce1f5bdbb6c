"""A part of many cases that stands for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def evenly(items: Sequence[Item], most: int) -> tuple[Item, ...]:
    """At most so many of the items, evenly over them in their order; 0 is all."""
    if not most or most >= len(items):
        return tuple(items)
    places = np.linspace(0, len(items) - 1, most).round().astype(int)
    return tuple(items[int(place)] for place in places)
