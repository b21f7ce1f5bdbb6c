"""Where labels go on the overlay: near what they name, inside the film, clear of one another."""

from __future__ import annotations

Rectangle = tuple[float, float, float, float]
"""Canvas pixels: x0, y0, x1, y1."""


class LabelPlacer:
    """Places labels one after another inside a frame and remembers what is taken."""

    def __init__(self, frame: Rectangle) -> None:
        self._frame = frame
        self._taken: list[Rectangle] = []
        self._avoided: list[Rectangle] = []

    def reserve(self, area: Rectangle) -> None:
        """Keep labels off this area as far as possible."""
        self._taken.append(area)

    def avoid(self, area: Rectangle) -> None:
        """Prefer not to cover this area (a box, a measured line)."""
        self._avoided.append(area)

    def place(self, target: Rectangle, width: float, height: float) -> Rectangle:
        """The best area of that size for the label of `target`; it is then taken."""
        best = min(
            self._candidates(target, width, height),
            key=lambda candidate: self._cost(candidate, target),
        )
        self.reserve(best)
        return best

    def _candidates(self, target: Rectangle, width: float, height: float) -> list[Rectangle]:
        x0, y0, x1, y1 = target
        starts = [
            (x0, y0 - height - 3),
            (x0, y1 + 3),
            (x1 - width, y0 - height - 3),
            (x1 - width, y1 + 3),
            (x1 + 4, y0),
            (x0 - width - 4, y0),
            (x0 + 4, y0 + 4),
            (x0 + 4, y1 - height - 4),
        ]
        rows = int((self._frame[3] - self._frame[1]) // (height + 4))
        for row in range(1, rows):
            for x, y in starts[:6]:
                starts_y = (y - row * (height + 4), y + row * (height + 4))
                starts.extend((x, moved) for moved in starts_y)
            if row >= 8:
                break
        return [self._inside((x, y, x + width, y + height)) for x, y in starts]

    def _inside(self, area: Rectangle) -> Rectangle:
        fx0, fy0, fx1, fy1 = self._frame
        x0, y0, x1, y1 = area
        dx = min(0.0, fx1 - x1 - 2) or max(0.0, fx0 + 2 - x0)
        dy = min(0.0, fy1 - y1 - 2) or max(0.0, fy0 + 2 - y0)
        return (x0 + dx, y0 + dy, x1 + dx, y1 + dy)

    def _cost(self, area: Rectangle, target: Rectangle) -> float:
        size = (area[2] - area[0]) * (area[3] - area[1])
        covered = sum(overlap(area, other) for other in self._taken) / size
        hidden = sum(overlap(area, other) for other in self._avoided) / size
        return 1000.0 * covered + 6.0 * hidden + _gap(area, target) / 40.0


def overlap(one: Rectangle, other: Rectangle) -> float:
    """The area that two rectangles share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _gap(one: Rectangle, other: Rectangle) -> float:
    dx = max(0.0, one[0] - other[2], other[0] - one[2])
    dy = max(0.0, one[1] - other[3], other[1] - one[3])
    return float((dx * dx + dy * dy) ** 0.5)
