"""Pulmonary arteries and veins: branching trees that fill each lung.

A tree grows by division of what it must supply, in the manner of constrained constructive
optimisation (Schreiner & Buxbaum, IEEE TBME 1993): the terminals that a vessel serves are split
into two clouds, a branch is led a part of the way to each, and so on. Calibres follow Murray's
law (PNAS 1926), so vessels fade towards the chest wall of themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imaging.synthetic.chest import SIDES, Chest, carina_position
from imaging.synthetic.raster import Map, Points, soften, splat, tube

_MURRAY = 2.65
_TERMINALS = 900
_SECTORS = 7

Segments = list[tuple[Points, Points, float, float]]


def build_vessels(
    chest: Chest, lung: dict[str, Map], open_share: dict[str, Map], rng: np.random.Generator
) -> Map:
    """Millimetres of blood each ray crosses in the vessels of both lungs and hila.

    Trees grow in ``lung`` (mm, as without findings) and show where ``open_share`` (0 to 1) leaves
    air around them.
    """
    grid, unit = chest.grid, chest.grid.unit
    total = grid.empty()
    for side in SIDES:
        segments: Segments = []
        for kind in ("artery", "vein"):
            segments += _tree(chest, side, lung[side], kind, rng)
        own = _draw(chest, segments) + _hilum(chest, side, rng)
        # Outside the lung vessels are lost in the mediastinum.
        total += own * np.clip(lung[side] / 25.0, 0.0, 1.0) * open_share[side]
    return soften(total, 0.12 * unit)


def hilum_position(chest: Chest, side: str) -> Points:
    """Column and row of the hilum; the left one lies about 12 mm higher."""
    unit, sign = chest.grid.unit, SIDES[side]
    row = carina_position(chest)[1] + (20.0 if side == "left" else 32.0) * unit
    return np.array([chest.midline + sign * _inner_border(chest, side, row), row])


def _inner_border(chest: Chest, side: str, row: float) -> float:
    lung = chest.masks[f"{side}_lung"][int(np.clip(row, 0, chest.grid.size - 1))]
    columns = np.nonzero(lung)[0]
    if not len(columns):
        return 35.0 * chest.grid.unit
    edge = columns.min() if side == "left" else columns.max()
    return max(abs(float(edge) - chest.midline), 26.0 * chest.grid.unit)


def _tree(chest: Chest, side: str, lung: Map, kind: str, rng: np.random.Generator) -> Segments:
    """Segments (start, end, radius at start, radius at end) of one tree, pixels in x, y, z."""
    unit, sign = chest.grid.unit, SIDES[side]
    step = 4
    coarse = np.maximum(lung[::step, ::step], 0.0)
    rows = np.arange(coarse.shape[0])[:, None] * step
    # Upright, the lower zones carry more blood; the outermost centimetre shows no vessels.
    share = np.interp(rows, [chest.apex, chest.base], [0.55, 1.15])
    weight = (np.clip(coarse - 22.0, 0.0, None) * share).ravel()
    picks = rng.choice(weight.size, size=_TERMINALS, p=weight / weight.sum())
    y, x = np.divmod(picks, coarse.shape[1])
    deep = coarse.ravel()[picks] * unit
    ends = np.column_stack(
        [
            (x + rng.random(len(x))) * step,
            (y + rng.random(len(y))) * step,
            (rng.random(len(x)) - 0.5) * 0.3 * deep,
        ]
    )
    hilum = hilum_position(chest, side)
    lower = 0.0 if kind == "artery" else 20.0
    root = np.array([hilum[0] + sign * (4.0 - lower * 0.5) * unit, hilum[1] + lower * unit, 0.0])
    segments: Segments = []
    calibre = float(rng.uniform(0.36, 0.43)) * unit
    # Segmental branches leave the hilum as a fan; each serves a sector.
    offset = ends - root
    bearing = np.argsort(np.arctan2(offset[:, 1], sign * offset[:, 0]))
    cuts = np.sort(rng.choice(np.arange(1, 18), size=_SECTORS - 1, replace=False))
    for sector in np.split(bearing, cuts * len(ends) // 18):
        out = offset[sector].mean(axis=0)
        out /= np.linalg.norm(out)
        stem = root + out * float(rng.uniform(2.0, 9.0)) * unit + rng.normal(0, 3.0, 3) * unit
        _grow(stem, ends[sector], out, calibre, 0, segments, rng)
    return segments


def _grow(
    root: Points,
    ends: Points,
    heading: Points,
    calibre: float,
    order: int,
    into: Segments,
    rng: np.random.Generator,
) -> None:
    """Lead branches from ``root`` to every terminal in ``ends``."""
    count = len(ends)
    radius = calibre * min(count, 380) ** (1 / _MURRAY)
    if count == 1:
        into.append((root, root + 0.8 * (ends[0] - root), radius, 0.6 * radius))
        return
    centre = ends.mean(axis=0)
    spread = ends - centre
    axis = spread[int(np.argmax(np.einsum("ij,ij->i", spread, spread)))]
    along = spread @ axis
    cut = np.sort(along)[int(count * rng.uniform(0.34, 0.66))]
    near = along <= cut
    if near.all() or not near.any():
        near = np.arange(count) < count // 2
    reach = float(rng.uniform(0.22, 0.36)) if order < 2 else float(rng.uniform(0.3, 0.5))
    for part in (ends[near], ends[~near]):
        goal = part.mean(axis=0) - root
        distance = float(np.linalg.norm(goal))
        bend = goal / max(distance, 1e-6) + 0.55 * heading
        bend /= np.linalg.norm(bend)
        fork = root + bend * distance * reach + rng.normal(0, 0.025, 3) * distance
        thick = calibre * min(len(part), 380) ** (1 / _MURRAY)
        into.append((root, fork, min(radius, 1.25 * thick), thick))
        onward = (fork - root) / max(float(np.linalg.norm(fork - root)), 1e-6)
        _grow(fork, part, onward, calibre, order + 1, into, rng)


def _draw(chest: Chest, segments: Segments) -> Map:
    """Chord length (mm) of all segments: a straight round tube each, foreshortened as seen."""
    grid, unit = chest.grid, chest.grid.unit
    start = np.asarray([s[0] for s in segments])
    end = np.asarray([s[1] for s in segments])
    radius = np.asarray([(s[2], s[3]) for s in segments])
    total = grid.empty()
    widest = radius.max(axis=1)
    for low, high in ((0, 0.8), (0.8, 2.0), (2.0, 4.0), (4.0, 9.0), (9.0, 99.0)):
        chosen = (widest >= low) & (widest < high)
        if chosen.any():
            total += _draw_class(grid.size, start[chosen], end[chosen], radius[chosen], high, chest)
    return total / unit


def _draw_class(
    size: int, start: Points, end: Points, radius: NDArray[np.float64], widest: float, chest: Chest
) -> Map:
    step = 0.5
    seen = np.linalg.norm((end - start)[:, :2], axis=1)
    true = np.linalg.norm(end - start, axis=1)
    count = np.maximum((true / step).astype(int), 2)
    which = np.repeat(np.arange(len(start)), count)
    share = (np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[
        which
    ]
    centre = start[which, :2] + share[:, None] * (end - start)[which, :2]
    wide = radius[which, 0] + share * (radius[which, 1] - radius[which, 0])
    across = np.column_stack([-(end - start)[:, 1], (end - start)[:, 0]])
    across /= np.maximum(seen, 1e-6)[:, None]
    lanes = max(1, int(2 * min(widest, float(radius.max())) / step) | 1)
    position = (np.arange(lanes) + 0.5) / lanes * 2 - 1
    chord = 2 * np.sqrt(1 - position**2) if lanes > 1 else np.array([np.pi / 2])
    offset = wide[:, None] * position[None, :]
    x = centre[:, :1] + offset * across[which, :1]
    y = centre[:, 1:] + offset * across[which, 1:]
    mass = (wide[:, None] ** 2) * chord[None, :] * 2 / lanes * (true / count)[which, None]
    return splat(chest.grid, x, y, mass.ravel())


def _hilum(chest: Chest, side: str, rng: np.random.Generator) -> Map:
    """Main and interlobar artery and the upper and lower veins where they meet."""
    grid, unit, sign = chest.grid, chest.grid.unit, SIDES[side]
    hilum = hilum_position(chest, side)
    inner = np.array([chest.midline + sign * 12 * unit, hilum[1] + 2 * unit])
    size = float(rng.uniform(0.88, 1.1))

    def vessel(offsets: list[tuple[float, float]], radii: tuple[float, float]) -> Map:
        points = hilum + np.array(offsets) * np.array([1.45 * sign, 1.15]) * unit
        path = np.vstack([inner, points])
        t = np.linspace(0, len(path) - 1, 50)
        curve = np.column_stack([np.interp(t, np.arange(len(path)), path[:, k]) for k in (0, 1)])
        from scipy import ndimage

        curve = ndimage.gaussian_filter1d(curve, 5, axis=0, mode="nearest")
        return tube(grid, curve, np.linspace(*radii, 50) * size * unit) / unit

    if side == "right":
        total = vessel([(6, 2), (12, 18), (15, 44), (22, 66)], (8.5, 3.0))
        total += vessel([(6, -8), (14, -26), (22, -44)], (5.0, 1.8))
        total += vessel([(2, 26), (14, 34), (34, 46)], (4.5, 1.6))
        total += vessel([(10, -2), (20, -16), (32, -26)], (3.6, 1.4))
    else:
        total = vessel([(4, -6), (14, -4), (20, 14), (24, 42)], (9.0, 2.6))
        total += vessel([(8, -14), (18, -30), (26, -46)], (4.6, 1.6))
        total += vessel([(4, 26), (18, 40), (36, 56)], (4.2, 1.5))
        total += vessel([(16, -8), (30, -14), (42, -24)], (3.2, 1.2))
    return soften(total, 0.7 * unit)
