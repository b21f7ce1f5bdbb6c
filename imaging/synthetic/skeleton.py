"""Ribs, spine, clavicles, scapulae and humeral heads as maps of bone chord length.

Ribs and clavicles are shells in space: an elliptical cortex with sparse marrow swept along a
curve, its mass projected along the beam. What makes ribs look like ribs then follows by itself:
two bright cortical edges, and a dense turn where a rib runs towards the viewer at the chest wall.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imaging.synthetic.chest import SIDES, Chest
from imaging.synthetic.raster import (
    Grid,
    Map,
    Points,
    depth,
    fill,
    round_profile,
    soften,
    splat,
    tube,
    waves,
)

RIB_PAIRS = 11
_TURN = np.pi / 2


def build_skeleton(chest: Chest, rng: np.random.Generator) -> Map:
    """Millimetres of bone each ray crosses."""
    grid, unit = chest.grid, chest.grid.unit
    bone = rib_cage(chest, rng)
    bone += spine(chest, rng)
    for side in SIDES:
        bone += clavicle(chest, side, rng)
        bone += scapula(chest, side, rng)
        bone += humeral_head(chest, side, rng)
    # Marrow and cortex vary: a 6 % texture keeps bones from looking machined.
    grain = waves(rng, grid.size, 1.6, 9 * unit, 3.0)
    return np.maximum(bone * (1 + np.float32(0.06) * grain), 0.0)


def rib_cage(chest: Chest, rng: np.random.Generator) -> Map:
    """Eleven pairs of ribs, posterior parts, lateral turn and anterior parts."""
    grid, unit = chest.grid, chest.grid.unit
    first = chest.apex + float(rng.uniform(2.0, 9.0)) * unit
    last = chest.base - float(rng.uniform(2.0, 22.0)) * unit
    spread = np.linspace(0.0, 1.0, RIB_PAIRS - 1) ** 1.06
    bone = grid.empty()
    faint = ((0.0, 0.08, 0.2, 1.0), (0.2, 0.4, 0.7, 0.5))
    steep = float(rng.uniform(0.85, 1.2)) * (0.9 if chest.anteroposterior else 1.0)
    for side in SIDES:
        level = first + (last - first) * spread
        level = np.append(level, 2 * level[-1] - level[-2])
        level += rng.normal(0, 0.9, RIB_PAIRS) * unit
        for index in range(RIB_PAIRS):
            path, across = _rib_path(chest, side, index, float(level[index]), steep, rng)
            tall = (11.0, 13.5, 13.0, 12.5, 12.0, 12.0, 12.5, 12.5, 12.5, 12.0, 11.0)[index]
            bone += _shell(
                grid,
                path,
                across,
                tall * float(rng.uniform(0.92, 1.08)) * unit,
                rng,
                thin=((0.0, 0.45, 0.75, 1.0), (1.1, 1.1, 0.8, 0.6)) if index < 9 else faint,
            )
    return bone


def _rib_path(
    chest: Chest, side: str, index: int, level: float, steep: float, rng: np.random.Generator
) -> tuple[Points, Points]:
    """Centre line (n, 3) of one rib in pixels and the unit vector of its height at each point.

    ``t`` runs from 0 at the spine over pi/2 at the chest wall to the costal cartilage in front.
    """
    unit, sign = chest.grid.unit, SIDES[side]
    end = _TURN * float(np.interp(index, [0, 1, 3, 8, 10], [1.62, 1.62, 1.60, 1.46, 1.22]))
    t = np.linspace(0.0, end + float(rng.normal(0, 0.03)), 220)
    rise = float(np.interp(index, [0, 2, 10], [1.0, 4.0, 5.0]))
    fall = float(np.interp(index, [0, 1, 4, 7, 10], [15.0, 19.0, 34.0, 46.0, 52.0])) * steep
    front = float(np.interp(index, [0, 1, 4, 8, 10], [36.0, 40.0, 62.0, 74.0, 50.0])) * steep
    front *= float(rng.uniform(0.9, 1.1))
    behind = np.minimum(t, _TURN)
    ahead = np.maximum(t - _TURN, 0.0)
    drop = fall * (1 - np.cos(behind)) ** 1.15 - rise * np.sin(2 * behind).clip(0.0) ** 1.0
    drop = drop + front * np.sin(ahead) ** 0.85 + 1.6 * np.sin(2.6 * t + float(rng.uniform(0, 6)))
    y = level + drop * unit
    inner = sign * (chest.wall(side, y) - chest.midline) + 2.0 * unit
    reach = np.maximum(inner, 30 * unit)
    root = 15.0 * unit
    x = root + (reach - root) * np.sin(t) ** 0.92
    x = np.where(t > _TURN, reach * np.sin(t) ** 1.05, x)
    half_depth = float(np.interp(index, [0, 3, 8, 10], [22.0, 62.0, 88.0, 84.0])) * unit
    z = -half_depth * np.cos(t)
    path = np.column_stack([chest.midline + sign * x, y, z])
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1)[:, None]
    outward = np.column_stack([sign * np.sin(t), np.zeros_like(t), -np.cos(t)])
    across = np.cross(tangent, outward)
    across /= np.linalg.norm(across, axis=1)[:, None]
    return path, across


def _shell(
    grid: Grid,
    path: Points,
    across: Points,
    tall: NDArray[np.float64] | float,
    rng: np.random.Generator,
    *,
    thick: float = 6.5,
    cortex: float = 0.95,
    marrow: float = 0.3,
    taper: float = 0.12,
    thin: tuple[tuple[float, ...], tuple[float, ...]] = ((0.0,), (1.0,)),
) -> Map:
    """Projected bone (mm) of an elliptical tube with cortex along a curve in space."""
    unit = grid.unit
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    count = int(length[-1] / 0.6)
    at = (np.arange(count) + rng.random(count)) * length[-1] / count
    centre = np.column_stack([np.interp(at, length, path[:, k]) for k in range(3)])
    up = np.column_stack([np.interp(at, length, across[:, k]) for k in range(3)])
    tangent = np.gradient(centre, axis=0)
    normal = np.cross(tangent, up)
    normal /= np.maximum(np.linalg.norm(normal, axis=1), 1e-9)[:, None]
    half = np.interp(at, length, np.broadcast_to(np.asarray(tall, dtype=float), len(path))) / 2
    share = at / length[-1]
    fade = np.clip((1 - share) / taper, 0.0, 1.0) * np.interp(share, thin[0], thin[1])
    fade *= np.clip(share / 0.02, 0.0, 1.0)
    around = max(56, int(np.pi * float(half.max()) / 0.8))
    angle = (np.arange(around) + 0.5) * 2 * np.pi / around
    shell = np.ones((1, around))
    rim = np.hypot(np.sin(angle) * half[:, None], np.cos(angle) * (thick / 2) * unit)
    crust = rim * (2 * np.pi / around) * cortex
    # Marrow: points spread at random over the cross-section, whose grain is that of spongy bone.
    depth_share = np.sqrt(rng.random((count, around)))
    pith = np.pi * half[:, None] * (thick / 2) * marrow / around
    total = grid.empty()
    for radius, mass in ((shell, crust), (depth_share, pith)):
        lift = radius * half[:, None] * np.cos(angle)
        side = radius * (thick / 2) * unit * np.sin(angle)
        x = centre[:, :1] + lift * up[:, :1] + side * normal[:, :1]
        y = centre[:, 1:2] + lift * up[:, 1:2] + side * normal[:, 1:2]
        weight = np.broadcast_to(mass * (length[-1] / count) * fade[:, None], x.shape)
        total += splat(grid, x, y, weight.ravel())
    return soften(total, 0.25 * unit)


def spine(chest: Chest, rng: np.random.Generator) -> Map:
    """Vertebral bodies with end plates, pedicles, spinous and transverse processes."""
    grid, unit = chest.grid, chest.grid.unit
    bone = grid.empty()
    row = -10.0 * unit
    sway = float(rng.normal(0, 2.0))
    phase = float(rng.uniform(0, np.pi))
    level = 0
    while row < grid.size + 20 * unit:
        progress = np.clip(row / grid.size, 0, 1)
        tall = float(np.interp(progress, [0, 0.3, 1.0], [15.0, 19.0, 27.0])) * unit
        wide = float(np.interp(progress, [0, 0.15, 0.4, 1.0], [25.0, 29.0, 30.0, 41.0])) * unit
        gap = 0.15 * tall
        column = chest.midline + sway * unit * np.sin(np.pi * progress + phase)
        bone += _vertebra(grid, column, row + tall / 2, wide, tall - gap, level, rng)
        row += tall
        level += 1
    return bone


def _vertebra(
    grid: Grid,
    column: float,
    row: float,
    wide: float,
    tall: float,
    level: int,
    rng: np.random.Generator,
) -> Map:
    unit = grid.unit
    reach = int(1.6 * wide) + 4
    left, top = int(column) - reach, int(row - 1.6 * tall)
    x = np.arange(left, left + 2 * reach) + 0.5 - column
    y = np.arange(top, top + int(3.4 * tall)) + 0.5 - row
    x, y = x[None, :], y[:, None]
    waist = 1 - 0.09 * np.cos(np.clip(y / tall, -0.5, 0.5) * np.pi)
    edge = 1 / (1 + np.exp(np.clip((np.abs(x) - wide / 2 * waist) / (2.2 * unit), -40, 40)))
    ends = 1 / (1 + np.exp(np.clip((np.abs(y) - tall / 2) / (1.3 * unit), -40, 40)))
    body = float(rng.uniform(1.0, 1.8)) * edge * (0.35 + 0.65 * ends)
    rim = 0.8 * np.exp(-(((np.abs(x) - wide / 2 * waist) / (0.75 * unit)) ** 2)) * ends
    plates = 1.3 * edge * np.exp(-(((np.abs(y) - tall / 2) / (0.9 * unit)) ** 2))
    part = body + rim + plates
    turned = float(rng.normal(0, 0.8)) * unit
    for sign in (-1, 1):
        px = (x - sign * 0.32 * wide - turned) / (3.0 * unit)
        py = (y + 0.18 * tall) / (4.4 * unit)
        ring = np.hypot(px, py)
        part = part + float(rng.uniform(0.8, 2.2)) * np.exp(-(((ring - 0.9) / 0.4) ** 2))
        tx = np.clip((sign * x - 0.42 * wide) / (0.5 * wide), 0, None)
        bar = np.exp(-(((y + 0.2 * tall + 0.18 * tall * tx) / (3.4 * unit)) ** 4))
        part = part + 1.5 * bar * (sign * x > 0.42 * wide) * np.clip(1.5 - 1.3 * tx, 0, 1)
    drop = 0.5 * tall
    sx, sy = (x - 1.4 * turned) / (2.2 * unit), (y - drop) / (5.5 * unit)
    part = part + float(rng.uniform(1.5, 3.5)) * np.exp(-((sx**2 + sy**2) ** 2))
    whole = np.zeros((grid.size, grid.size), dtype=np.float32)
    rows = slice(max(top, 0), min(top + part.shape[0], grid.size))
    columns = slice(max(left, 0), min(left + part.shape[1], grid.size))
    if rows.start < rows.stop:
        whole[rows, columns] = part[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
    return whole


def clavicle(chest: Chest, side: str, rng: np.random.Generator) -> Map:
    """The clavicle along its learnt outline, continued outward to the shoulder."""
    grid, unit, sign = chest.grid, chest.grid.unit, SIDES[side]
    outline = chest.outlines[f"{side}_clavicle"]
    half = len(outline) // 2
    # The learnt outline ends where the bone leaves the ribs: its tip is not the bone's.
    share = np.linspace(0.02, 0.86, 40)
    upper = _along(outline[:half], share)
    lower = _along(outline[half:][::-1], share)
    centre = (upper + lower) / 2
    width = np.linalg.norm(upper - lower, axis=1)
    width = np.clip(width, 9.0 * unit, 16.0 * unit)
    heading = centre[-1] - centre[-12]
    heading *= 60 * unit / np.linalg.norm(heading)
    # On to the acromion, below the skin of the shoulder: a cubic Hermite arc.
    goal = np.array(
        [
            chest.midline + sign * float(rng.uniform(166.0, 176.0)) * unit,
            chest.shoulder + float(rng.uniform(-1.0, 7.0)) * unit,
        ]
    )
    t = np.linspace(0, 1, 40)[1:, None]
    arrive = np.array([sign * 55.0, 14.0]) * unit
    beyond = (
        (2 * t**3 - 3 * t**2 + 1) * centre[-1]
        + (t**3 - 2 * t**2 + t) * heading
        + (3 * t**2 - 2 * t**3) * goal
        + (t**3 - t**2) * arrive
    )
    line = np.vstack([centre, beyond])
    thick = np.concatenate([width, np.linspace(width[-1], 11.5 * unit, len(beyond))])
    smooth_line = np.column_stack([_smoothed(line[:, 0], 4), _smoothed(line[:, 1], 4)])
    path = np.column_stack([smooth_line, np.zeros(len(line))])
    tangent = np.gradient(path, axis=0)
    across = np.column_stack([-tangent[:, 1], tangent[:, 0], np.zeros(len(line))])
    across /= np.linalg.norm(across, axis=1)[:, None]
    return _shell(
        grid,
        path,
        across,
        _smoothed(thick, 3),
        rng,
        thick=10.0,
        cortex=1.5,
        marrow=0.28,
        taper=0.04,
    )


def scapula(chest: Chest, side: str, rng: np.random.Generator) -> Map:
    """Blade, lateral border, spine and coracoid; further over the lung on a bedside film."""
    grid, unit, sign = chest.grid, chest.grid.unit, SIDES[side]
    top = chest.shoulder + float(rng.uniform(4.0, 14.0)) * unit
    wall = float(chest.wall(side, np.array([top + 70 * unit]))[0])
    inward = float(rng.uniform(10.0, 24.0) if chest.anteroposterior else rng.uniform(-14.0, 6.0))
    spread = 1.0 if chest.anteroposterior else float(rng.uniform(0.72, 0.95))
    edge = sign * (wall - chest.midline) - inward * unit
    tall = float(rng.uniform(128.0, 148.0)) * unit
    shape = np.array(
        [[2, 0], [-3, 0.28], [-1, 0.55], [6, 0.84], [14, 1.0], [22, 0.97], [34, 0.72],
         [48, 0.42], [60, 0.24], [66, 0.10], [58, 0.02], [36, -0.05], [16, -0.06]]
    )  # fmt: skip
    x = chest.midline + sign * (edge + shape[:, 0] * spread * unit)
    blade = np.column_stack([x, top + shape[:, 1] * tall])
    closed = np.vstack([blade, blade[:1]])
    dense = np.column_stack([_periodic(closed[:, 0], 220), _periodic(closed[:, 1], 220)])
    inside = fill(grid.size, dense)
    inward_px = depth(inside >= 0.5)
    plate = np.float32(2.2) * inside + np.float32(4.6) * (
        np.exp(-((inward_px / (1.6 * unit)) ** 2)) * (inside > 0.5)
    )
    lateral = np.column_stack([x[5:10], blade[5:10, 1]])
    bar = tube(grid, _curve(lateral), 4.0 * unit) / unit * 0.6
    ridge = np.column_stack(
        [
            chest.midline + sign * (edge + np.array([0, 24, 48, 74, 92]) * spread * unit),
            top + np.array([30, 20, 8, -6, -8]) * unit,
        ]
    )
    ridge_map = tube(grid, _curve(ridge), np.linspace(2.2, 5.0, 60) * unit) / unit * 0.55
    coracoid = np.column_stack(
        [
            chest.midline + sign * (edge + np.array([56, 46, 40]) * spread * unit),
            top + np.array([12, 2, 12]) * unit,
        ]
    )
    hook = tube(grid, _curve(coracoid), 5.0 * unit) / unit * 0.4
    return soften(plate + bar + ridge_map + hook, 0.45 * unit)


def humeral_head(chest: Chest, side: str, rng: np.random.Generator) -> Map:
    """Head and shaft of the humerus at the frame's edge."""
    grid, unit, sign = chest.grid, chest.grid.unit, SIDES[side]
    column = chest.midline + sign * float(rng.uniform(164.0, 171.0)) * unit
    row = chest.shoulder + float(rng.uniform(26.0, 34.0)) * unit
    radius = float(rng.uniform(22.0, 25.0)) * unit
    distance = radius - np.hypot(grid.columns() - column, grid.rows() - row)
    ball = round_profile(np.maximum(distance, 0).astype(np.float32), radius)
    shell = np.exp(-((distance / (1.2 * unit)) ** 2)) * 3.5
    lean = float(rng.uniform(38.0, 58.0))
    path = np.array(
        [[column + sign * 8 * unit, row], [column + sign * lean * unit, row + 240 * unit]]
    )
    shaft = tube(grid, path, np.array([15.0, 11.0]) * unit) / unit
    hollow = tube(grid, path, np.array([13.0, 7.0]) * unit) / unit
    return soften((9 * ball + shell + 0.65 * (shaft - 0.8 * hollow)).astype(np.float32), 0.5 * unit)


def _along(points: Points, share: Points) -> Points:
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = share * length[-1]
    return np.column_stack([np.interp(at, length, points[:, axis]) for axis in (0, 1)])


def _smoothed(values: Points, reach: float) -> Points:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter1d(values, reach, mode="nearest"))


def _periodic(values: Points, count: int) -> Points:
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(np.arange(len(values)), values, bc_type="periodic")
    return np.asarray(spline(np.linspace(0, len(values) - 1, count)))


def _curve(points: Points, count: int = 60) -> Points:
    from scipy.interpolate import PchipInterpolator

    at = np.arange(len(points))
    fine = np.linspace(0, len(points) - 1, count)
    return np.column_stack([PchipInterpolator(at, points[:, axis])(fine) for axis in (0, 1)])
