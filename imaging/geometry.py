"""Plane geometry of images: affine maps between pixel frames, boxes, polygons, and their inverses.

Coordinates are continuous: x to the right, y down, and the pixel in column i, row j covers
[i, i+1) × [j, j+1). A flip of an image of width w is therefore x → w − x, and a box of whole
pixels stays a box of whole pixels under flips, crops, pads and quarter turns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from findings.evidence import Box

Point = tuple[float, float]
Polygon = tuple[Point, ...]
Size = tuple[int, int]
"""Width, height in pixels."""


@dataclass(frozen=True)
class Affine:
    """The map (x, y) → (a·x + b·y + c, d·x + e·y + f) between the pixels of two images."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 1.0
    f: float = 0.0

    def then(self, following: Affine) -> Affine:
        """The map that applies this one first and `following` on its result."""
        s, o = self, following
        return Affine(
            o.a * s.a + o.b * s.d,
            o.a * s.b + o.b * s.e,
            o.a * s.c + o.b * s.f + o.c,
            o.d * s.a + o.e * s.d,
            o.d * s.b + o.e * s.e,
            o.d * s.c + o.e * s.f + o.f,
        )

    @property
    def determinant(self) -> float:
        """Signed factor by which the map changes areas; negative where it mirrors."""
        return self.a * self.e - self.b * self.d

    def inverse(self) -> Affine:
        """The map back.

        Raises:
            ValueError: the map folds the plane onto a line or a point.
        """
        det = self.determinant
        if det == 0 or not math.isfinite(det):
            raise ValueError("this map cannot be undone: its determinant is zero or not finite")
        a, b, d, e = self.e / det, -self.b / det, -self.d / det, self.a / det
        return Affine(a, b, -(a * self.c + b * self.f), d, e, -(d * self.c + e * self.f))

    def point(self, point: Point) -> Point:
        """Where one point goes."""
        x, y = point
        return self.a * x + self.b * y + self.c, self.d * x + self.e * y + self.f

    def polygon(self, points: Iterable[Point]) -> Polygon:
        """Where the corners of a polygon (or any points) go, in order."""
        return tuple(self.point(point) for point in points)

    def box(self, box: Box) -> Box:
        """The smallest upright box around the mapped box.

        Exact for flips, scalings, shifts and quarter turns; larger than the mapped area under any
        other rotation.
        """
        return bounding_box(self.polygon(corners(box)))


IDENTITY = Affine()


def resize(size: Size, new_size: Size) -> Affine:
    """From an image of `size` to its copy scaled to `new_size`."""
    return Affine(a=new_size[0] / size[0], e=new_size[1] / size[1])


def crop(box: Box) -> Affine:
    """From an image to the part of it inside `box`."""
    return Affine(c=-box[0], f=-box[1])


def pad(left: float, top: float) -> Affine:
    """From an image to its copy with `left` columns and `top` rows added before it."""
    return Affine(c=left, f=top)


def flip_horizontal(size: Size) -> Affine:
    """From an image to its left-right mirror image (`numpy.fliplr`)."""
    return Affine(a=-1.0, c=float(size[0]))


def flip_vertical(size: Size) -> Affine:
    """From an image to its upside-down mirror image (`numpy.flipud`)."""
    return Affine(e=-1.0, f=float(size[1]))


def transpose() -> Affine:
    """From an image to its transpose: rows become columns."""
    return Affine(a=0.0, b=1.0, d=1.0, e=0.0)


def quarter_turns(turns: int, size: Size) -> Affine:
    """From an image to its copy turned `turns` × 90° counter-clockwise (as `numpy.rot90`)."""
    width, height = float(size[0]), float(size[1])
    match turns % 4:
        case 1:
            return Affine(a=0.0, b=1.0, d=-1.0, e=0.0, f=width)
        case 2:
            return Affine(a=-1.0, c=width, e=-1.0, f=height)
        case 3:
            return Affine(a=0.0, b=-1.0, c=height, d=1.0, e=0.0)
        case _:
            return IDENTITY


def turned_size(turns: int, size: Size) -> Size:
    """Size of an image of `size` after `turns` quarter turns."""
    return size if turns % 2 == 0 else (size[1], size[0])


def rotation(degrees: float, size: Size) -> Affine:
    """From an image to its copy rotated counter-clockwise about its centre, size unchanged."""
    radians = math.radians(degrees)
    cosine, sine = math.cos(radians), math.sin(radians)
    centre_x, centre_y = size[0] / 2, size[1] / 2
    return Affine(
        cosine,
        sine,
        centre_x - cosine * centre_x - sine * centre_y,
        -sine,
        cosine,
        centre_y + sine * centre_x - cosine * centre_y,
    )


@dataclass(frozen=True)
class Letterbox:
    """How an image was scaled, aspect kept, and padded evenly into a frame of another size."""

    source: Size
    frame: Size
    content: Size
    """Size of the scaled image inside the frame."""
    left: int
    top: int

    @classmethod
    def fit(cls, source: Size, frame: Size) -> Letterbox:
        """The largest whole-pixel placement of `source` in `frame`, centred."""
        scale = min(frame[0] / source[0], frame[1] / source[1])
        content = (
            min(frame[0], max(1, round(source[0] * scale))),
            min(frame[1], max(1, round(source[1] * scale))),
        )
        left, top = (frame[0] - content[0]) // 2, (frame[1] - content[1]) // 2
        return cls(source, frame, content, left, top)

    @property
    def to_frame(self) -> Affine:
        """From source pixels to frame pixels."""
        return resize(self.source, self.content).then(pad(self.left, self.top))

    @property
    def to_source(self) -> Affine:
        """From frame pixels back to source pixels."""
        return self.to_frame.inverse()


def corners(box: Box) -> Polygon:
    """The four corners, clockwise as displayed, from the top left."""
    x0, y0, x1, y1 = box
    return (x0, y0), (x1, y0), (x1, y1), (x0, y1)


def bounding_box(points: Sequence[Point]) -> Box:
    """The smallest upright box around the points.

    Raises:
        ValueError: there are no points.
    """
    if not points:
        raise ValueError("no points, so no box around them")
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return min(xs), min(ys), max(xs), max(ys)


def clip_box(box: Box, size: Size) -> Box | None:
    """The part of a box inside an image of `size`, or `None` where they do not meet."""
    clipped = (
        max(0.0, box[0]),
        max(0.0, box[1]),
        min(float(size[0]), box[2]),
        min(float(size[1]), box[3]),
    )
    return clipped if clipped[0] < clipped[2] and clipped[1] < clipped[3] else None


def box_area(box: Box) -> float:
    """Area in square pixels; zero for an empty box."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def box_intersection(first: Box, second: Box) -> float:
    """Area in square pixels that two boxes share."""
    return box_area(
        (
            max(first[0], second[0]),
            max(first[1], second[1]),
            min(first[2], second[2]),
            min(first[3], second[3]),
        )
    )


def box_iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]; 0 where both are empty."""
    shared = box_intersection(first, second)
    union = box_area(first) + box_area(second) - shared
    return shared / union if union > 0 else 0.0


def polygon_area(points: Sequence[Point]) -> float:
    """Signed area (shoelace formula), positive where the corners run clockwise as displayed."""
    following = [*points[1:], *points[:1]]
    return 0.5 * sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(points, following, strict=True))
