"""Outlines of lungs, heart and clavicles, drawn by seed from learnt shape statistics.

A point distribution model (Cootes et al., "Active Shape Models", CVIU 1995): an outline set is
the mean plus a weighted sum of principal modes, weights drawn from the normal distribution of
the films it was learnt from (``learn_anatomy``). The wanted cardiothoracic ratio is met twice:
first by the most likely change of the weights, then exactly by a horizontal stretch of the heart
that drags the inner lung borders along and leaves the chest wall where it is.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

STRUCTURES = ("left_lung", "right_lung", "heart", "left_clavicle", "right_clavicle")
LUNG_ARCS = (26, 20, 28)
"""Landmarks on the outer wall, the diaphragm and the inner border."""
HEART_POINTS = 48
CLAVICLE_POINTS = 28

_LUNG_POINTS = sum(LUNG_ARCS)
_SPLITS = np.cumsum([_LUNG_POINTS, _LUNG_POINTS, HEART_POINTS, CLAVICLE_POINTS])
_WEIGHT_LIMIT = 1.8
_CONDITIONING_LIMIT = 2.2


@dataclass(frozen=True)
class ShapeModel:
    """Mean (2K), unit modes (M, 2K) and standard deviation along each mode."""

    mean: NDArray[np.float64]
    modes: NDArray[np.float64]
    deviations: NDArray[np.float64]


@dataclass(frozen=True)
class Outlines:
    """Closed outlines as (n, 2) arrays of x, y in fractions of the square frame.

    Lung points run from the apex down the outer wall, along the diaphragm, and up the inner
    border; clavicle points along the upper edge outward and back along the lower edge.
    """

    left_lung: Points
    right_lung: Points
    heart: Points
    left_clavicle: Points
    right_clavicle: Points

    @property
    def thorax(self) -> tuple[float, float]:
        """Screen x of the right and the left inner chest wall at their widest."""
        return float(self.right_lung[:, 0].min()), float(self.left_lung[:, 0].max())

    @property
    def midline(self) -> float:
        """Screen x of the patient's midline."""
        return float(np.mean(self.thorax))

    @property
    def cardiothoracic_ratio(self) -> float:
        """Widest heart over widest inner thorax."""
        right, left = self.thorax
        return float(np.ptp(self.heart[:, 0]) / (left - right))


@cache
def shape_model() -> ShapeModel:
    """The model that ships with the package."""
    source = resources.files("imaging.synthetic").joinpath("data/anatomy.npz")
    with source.open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
        return ShapeModel(
            mean=stored["mean"].astype(np.float64),
            modes=stored["modes"].astype(np.float64),
            deviations=stored["deviations"].astype(np.float64),
        )


def draw_outlines(
    rng: np.random.Generator, cardiothoracic_ratio: float, *, anteroposterior: bool
) -> Outlines:
    """Outlines of a plausible patient with the given cardiothoracic ratio."""
    model = shape_model()
    weights = np.clip(rng.normal(size=len(model.deviations)), -_WEIGHT_LIMIT, _WEIGHT_LIMIT)
    weights *= 0.85
    slope = _ratio_slope()
    shift = (cardiothoracic_ratio - _assemble(model, weights).cardiothoracic_ratio) * slope
    shift /= slope @ slope
    length = float(np.linalg.norm(shift))
    weights += shift * min(1.0, _CONDITIONING_LIMIT / max(length, 1e-9))
    outlines = _into_frame(_assemble(model, weights), rng)
    if anteroposterior:
        outlines = _raise_clavicles(outlines, float(rng.uniform(0.012, 0.03)))
    return stretch_heart(outlines, cardiothoracic_ratio)


def stretch_heart(outlines: Outlines, cardiothoracic_ratio: float) -> Outlines:
    """Scale the heart's width about its own middle to meet the ratio; inner lung borders follow.

    A lung point moves as far as the heart border of its level does at the border, and less and
    less towards the chest wall, which stays. Where a gap is left beside the lower heart, the lung
    closes it: what borders the lung there on a film is the heart.
    """
    heart = outlines.heart
    factor = cardiothoracic_ratio / outlines.cardiothoracic_ratio
    # A growing heart grows mostly to the left: the fixed point lies right of its middle.
    pivot = float(np.quantile(heart[:, 0], 0.5)) - 0.12 * float(np.ptp(heart[:, 0]))
    stretched = np.column_stack([pivot + factor * (heart[:, 0] - pivot), heart[:, 1]])

    def follow(lung: Points, side: int) -> Points:
        level = np.clip(lung[:, 1], heart[:, 1].min(), heart[:, 1].max())
        edge = _border(heart, level, side)
        wall = float(np.max(side * lung[:, 0])) * side
        share = np.clip((wall - lung[:, 0]) / np.where(edge == wall, 1.0, wall - edge), 0.0, 1.0)
        above = np.clip((heart[:, 1].min() - lung[:, 1]) / 0.08, 0.0, 1.0)
        drag = (factor - 1.0) * (edge - pivot) * share**1.5 * (1.0 - above)
        x = lung[:, 0] + drag
        inner = np.arange(len(lung)) >= LUNG_ARCS[0] + LUNG_ARCS[1]
        tall = float(np.ptp(heart[:, 1]))
        beside = np.clip((lung[:, 1] - heart[:, 1].min() - 0.15 * tall) / (0.25 * tall), 0.0, 1.0)
        gap = np.maximum(side * (x - _border(stretched, level, side)), 0.0)
        return np.column_stack([x - side * gap * beside * inner, lung[:, 1]])

    return replace(
        outlines,
        heart=stretched,
        left_lung=follow(outlines.left_lung, 1),
        right_lung=follow(outlines.right_lung, -1),
    )


def dense(points: Points, arcs: tuple[int, ...], factor: int = 6) -> Points:
    """A finer closed outline: a cubic spline along each arc, corners between arcs kept."""
    from scipy.interpolate import CubicSpline

    starts = np.concatenate([[0], np.cumsum(arcs)])
    closed = np.vstack([points, points[:1]])
    pieces = []
    for begin, end in itertools.pairwise(starts):
        arc = closed[begin : end + 1]
        kind = "periodic" if len(arcs) == 1 else "not-a-knot"
        spline = CubicSpline(np.arange(len(arc)), arc, bc_type=kind)
        pieces.append(spline(np.linspace(0, len(arc) - 1, factor * (len(arc) - 1) + 1))[:-1])
    return np.vstack(pieces)


def _assemble(model: ShapeModel, weights: NDArray[np.float64]) -> Outlines:
    flat = model.mean + (weights * model.deviations) @ model.modes
    return Outlines(*np.split(flat.reshape(-1, 2), _SPLITS))


@cache
def _ratio_slope() -> NDArray[np.float64]:
    """Change of the cardiothoracic ratio per standard deviation along each mode, at the mean."""
    model = shape_model()
    steps = np.eye(len(model.deviations))
    rise = [_assemble(model, step).cardiothoracic_ratio for step in steps]
    fall = [_assemble(model, -step).cardiothoracic_ratio for step in steps]
    return np.asarray((np.asarray(rise) - np.asarray(fall)) / 2, dtype=np.float64)


def _border(heart: Points, level: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Screen x of the heart's left (side 1) or right (-1) border at each level."""
    middle = float(heart[:, 0].mean())
    half = heart[side * (heart[:, 0] - middle) >= 0]
    order = np.argsort(half[:, 1])
    return np.asarray(np.interp(level, half[order, 1], half[order, 0]), dtype=np.float64)


def _raise_clavicles(outlines: Outlines, by: float) -> Outlines:
    """Clavicles as an anteroposterior film projects them: higher over the apices."""
    up = np.array([0.0, -by])
    return replace(
        outlines,
        left_clavicle=outlines.left_clavicle + up,
        right_clavicle=outlines.right_clavicle + up,
    )


def _into_frame(outlines: Outlines, rng: np.random.Generator) -> Outlines:
    """Scale and move the whole set so that the lungs fill the frame but for a margin."""
    lungs = np.vstack([outlines.left_lung, outlines.right_lung])
    low, high = lungs.min(axis=0), lungs.max(axis=0)
    room = np.array([float(rng.uniform(0.74, 0.86)), float(rng.uniform(0.76, 0.85))])
    scale = float(min(1.15, np.min(room / (high - low))))
    middle = (low + high) / 2
    target = np.array([0.5 + float(rng.normal(0, 0.008)), float(rng.uniform(0.455, 0.485))])
    target[1] = max(target[1], 0.035 + scale * (high[1] - low[1]) / 2)

    def move(points: Points) -> Points:
        return np.asarray((points - middle) * scale + target, dtype=np.float64)

    return Outlines(*(move(getattr(outlines, name)) for name in STRUCTURES))
