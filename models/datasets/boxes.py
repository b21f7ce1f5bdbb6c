"""Boxes out of the cells of a table."""

from __future__ import annotations

from findings.evidence import Box
from models.datasets.tables import number


def corners(x0: str, y0: str, x1: str, y1: str) -> Box | None:
    """The box of two corners; None where a cell is no number or the box has no extent."""
    left, top, right, bottom = (number(cell) for cell in (x0, y0, x1, y1))
    if left is None or top is None or right is None or bottom is None:
        return None
    return _with_extent(left, top, right, bottom)


def corner_and_size(x: str, y: str, width: str, height: str) -> Box | None:
    """The box of its upper left corner and its size; None as in `corners`."""
    left, top, across, down = (number(cell) for cell in (x, y, width, height))
    if left is None or top is None or across is None or down is None:
        return None
    return _with_extent(left, top, left + across, top + down)


def _with_extent(left: float, top: float, right: float, bottom: float) -> Box | None:
    return (left, top, right, bottom) if left < right and top < bottom else None
