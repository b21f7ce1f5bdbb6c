"""Soft parts of the phantom: how many millimetres of tissue and of air each ray crosses.

A ray's log attenuation is the sum of attenuation coefficient times path length over what it
crosses (Beer-Lambert), so the phantom needs no voxels: each organ is a map of chord lengths in
nominal millimetres, and maps add. Lungs are the body's hollow; heart, mediastinum and diaphragm
displace lung in front of or behind what stays, so vessels show through them as on films.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imaging.synthetic.raster import (
    Grid,
    Map,
    Mask,
    Points,
    depth,
    enlarge,
    fill,
    round_profile,
    soften,
    tube,
    waves,
)
from imaging.synthetic.shapes import LUNG_ARCS, STRUCTURES, Outlines, dense

NOMINAL_THORAX_MM = 270.0
SIDES = {"left": 1, "right": -1}
"""Screen direction of each of the patient's sides: the patient's left is drawn on the right."""

_LUNG_DEPTH = 178.0
_HEART_DEPTH = 112.0
_SULCUS_DEPTH = 48.0


@dataclass(frozen=True)
class Chest:
    """Geometry shared by every part of the phantom, in pixels."""

    grid: Grid
    outlines: dict[str, Points]
    masks: dict[str, Mask]
    anteroposterior: bool
    female: bool

    @property
    def midline(self) -> float:
        """Column of the midline."""
        right, left = self.outlines["right_lung"], self.outlines["left_lung"]
        return float(right[:, 0].min() + left[:, 0].max()) / 2

    @property
    def apex(self) -> float:
        """Row of the higher lung apex."""
        return float(min(self.outlines[f"{side}_lung"][:, 1].min() for side in SIDES))

    @property
    def base(self) -> float:
        """Row of the lower costophrenic angle."""
        return float(max(self.outlines[f"{side}_lung"][:, 1].max() for side in SIDES))

    @property
    def shoulder(self) -> float:
        """Row of the outer clavicle ends."""
        ends = [self.outlines[f"{side}_clavicle"] for side in SIDES]
        return float(np.mean([end[np.argmax(np.abs(end[:, 0] - self.midline)), 1] for end in ends]))

    def wall(self, side: str, rows: Points | Map) -> Points:
        """Column of the inner chest wall at each row, continued above and below the lung."""
        lung = self.outlines[f"{side}_lung"]
        sign = SIDES[side]
        reach: list[tuple[float, float]] = []
        furthest = -np.inf
        outer = lung[: int(np.argmax(lung[:, 1] + 0.45 * sign * lung[:, 0])) + 1]
        for x, y in outer:
            furthest = max(furthest, sign * x)
            reach.append(
                (y, furthest if y > self.apex + 0.5 * (self.base - self.apex) else sign * x)
            )
        level, column = np.asarray(sorted(reach)).T
        return np.asarray(sign * np.interp(np.asarray(rows), level, column), dtype=np.float64)


@dataclass
class Tissue:
    """Chord lengths along each ray, nominal millimetres; findings and devices add to them."""

    soft: Map
    lung: dict[str, Map]
    gas: Map


def build_chest(outlines: Outlines, size: int, *, anteroposterior: bool, female: bool) -> Chest:
    """Place outlines on a grid of ``size`` pixels."""
    arcs = {"left_lung": LUNG_ARCS, "right_lung": LUNG_ARCS}
    placed: dict[str, Points] = {}
    for name in STRUCTURES:
        points = getattr(outlines, name)
        halves = (len(points) // 2, len(points) - len(points) // 2)
        placed[name] = size * dense(
            points, arcs.get(name, (len(points),) if name == "heart" else halves)
        )
    masks = {name: fill(size, outline) >= 0.5 for name, outline in placed.items()}
    for side in SIDES:
        masks[f"{side}_lung"] &= ~masks["heart"]
    right, left = outlines.thorax
    grid = Grid(size, size * (left - right) / NOMINAL_THORAX_MM)
    return Chest(grid, placed, masks, anteroposterior, female)


def build_tissue(chest: Chest, rng: np.random.Generator) -> Tissue:
    """Body, lungs with the organs that displace them, airways, breasts and stomach."""
    soft = body_thickness(chest, rng)
    airway = airway_thickness(chest, rng)
    gas = stomach_gas(chest, rng)
    lungs = {side: lung_thickness(chest, side, rng) for side in SIDES}
    if chest.female:
        soft = soft + breast_thickness(chest, rng)
    return Tissue(soft=soft, lung=lungs, gas=airway + gas)


def body_thickness(chest: Chest, rng: np.random.Generator) -> Map:
    """Front-to-back thickness of neck, shoulders, arms and trunk, as if the lungs were solid."""
    grid, unit = chest.grid, chest.grid.unit
    coarse = 2
    size = grid.size // coarse
    wall = float(rng.uniform(15.0, 27.0)) * unit
    neck = float(rng.uniform(50.0, 60.0)) * unit
    droop = float(rng.uniform(-4.0, 10.0)) * unit
    outline: list[Points] = []
    for side, sign in SIDES.items():
        bottom = grid.size + 60.0 * unit
        axilla = chest.shoulder + float(rng.uniform(112.0, 135.0)) * unit
        shoulder = chest.shoulder - 4 * unit + droop
        rows = np.linspace(axilla + 35 * unit, bottom, 14)
        flank = sign * (chest.wall(side, rows) - chest.midline) + wall
        flank = np.maximum.accumulate(flank)
        arm = neck + float(rng.uniform(205.0, 265.0)) * unit
        top = [
            (neck, -60.0 * unit),
            (neck * 1.02, shoulder - 50 * unit),
            (neck * 1.25, shoulder - 34 * unit),
            (neck + 52 * unit, shoulder - 21 * unit),
            (neck + 92 * unit, shoulder - 10 * unit),
            (neck + 122 * unit, shoulder + 10 * unit),
            (neck + 142 * unit, shoulder + 48 * unit),
            (neck + 158 * unit, shoulder + 130 * unit),
            (arm, bottom),
            (arm - 78 * unit, bottom),
            (float(flank[0]) + 18 * unit, axilla + 14 * unit),
            (float(flank[0]) + 10 * unit, axilla - 1 * unit),
            (float(flank[0]) + 3 * unit, axilla + 14 * unit),
        ]
        half = np.vstack([np.asarray(top), np.column_stack([flank, rows])])
        half[:, 0] = chest.midline + sign * half[:, 0]
        outline.append(half if sign > 0 else half[::-1])
    trunk = fill(size, np.vstack(outline) / coarse) >= 0.5
    # Beyond the frame the body goes on: padding keeps the frame's edge from acting as skin.
    pad = size // 4
    padded = np.pad(trunk, pad, mode="edge")
    inward = depth(padded)[pad:-pad, pad:-pad] * coarse
    level = grid.rows()[::coarse]
    extent = np.array([chest.apex, chest.apex + 60 * unit, 0.6 * chest.base, chest.base])
    girth = float(rng.uniform(0.94, 1.08))
    deep = girth * np.interp(level, extent, [160.0, 190.0, 210.0, 240.0]).astype(np.float32)
    thickness = soften(deep * round_profile(inward, 50 * unit), 2.0 * unit / coarse)
    # Vertebrae and the muscles beside them swell the middle.
    middle = (grid.columns()[:, ::coarse] - chest.midline) / (24 * unit)
    thickness = thickness + 16.0 * np.exp(-(middle**2)) * (thickness > 40)
    mottle = waves(rng, size, 3.2, size / 3, 4.0)
    return enlarge(thickness * (1 + 0.012 * mottle), grid.size).clip(0.0)


def lung_thickness(chest: Chest, side: str, rng: np.random.Generator) -> Map:
    """Lung crossed by each ray, behind heart and diaphragm too; 0 outside."""
    grid, unit = chest.grid, chest.grid.unit
    visible = chest.masks[f"{side}_lung"]
    hull = visible | _hidden_lung(chest, side)
    inward = depth(hull)
    rows = grid.rows()
    apical = np.interp(rows, [chest.apex, chest.apex + 85 * unit], [0.48, 1.0])
    thickness = _LUNG_DEPTH * apical.astype(np.float32) * round_profile(inward, 62 * unit)

    outside = depth(~visible)
    heart = chest.outlines["heart"]
    top, low = float(heart[:, 1].min()), float(heart[:, 1].max())
    diaphragm = _diaphragm_rows(chest, side)
    below = np.clip((rows - diaphragm) / (14 * unit), 0.0, 1.0)
    beside = np.clip((rows - top + 10 * unit) / (0.25 * (low - top)), 0.0, 1.0)
    middle = _LUNG_DEPTH + (_HEART_DEPTH - _LUNG_DEPTH) * beside
    most = middle + (_LUNG_DEPTH - _SULCUS_DEPTH - middle) * below
    radius = (30.0 + 16.0 * beside) * unit
    displaced = (most * round_profile(outside / radius.astype(np.float32), 1.0)).astype(np.float32)
    thickness = np.maximum(thickness - displaced, 0.0)
    if side == "left":
        thickness = np.maximum(thickness - _descending_aorta(chest, rng), 0.0)
    # The lung's air is not even: 4 % slow variation, more at the back and base than on top.
    uneven = enlarge(waves(rng, grid.size // 8, 3.0, grid.size / 20, 4.0), grid.size)
    gravity = np.interp(rows, [chest.apex, chest.base], [1.04, 0.96]).astype(np.float32)
    reticulum = waves(rng, grid.size, 2.4, 12 * unit, 0.8 * unit)
    airy = 1 + 0.02 * uneven + 0.012 * reticulum
    return np.asarray(thickness * gravity * airy, dtype=np.float32)


def _hidden_lung(chest: Chest, side: str) -> Mask:
    """Where lung lies behind heart, mediastinum and diaphragm."""
    unit, sign = chest.grid.unit, SIDES[side]
    outline = chest.outlines[f"{side}_lung"]
    angle = int(np.argmax(outline[:, 1] + 0.45 * sign * outline[:, 0]))
    corner = outline[angle]
    inner = chest.midline + sign * 20 * unit
    floor = corner[1] + 16 * unit
    posterior = np.array(
        [
            [inner, chest.apex + 30 * unit],
            [inner, floor - 4 * unit],
            [chest.midline + sign * 60 * unit, floor + 6 * unit],
            [(corner[0] + chest.midline) / 2 + sign * 24 * unit, floor + 4 * unit],
            [corner[0] - sign * 1.0 * unit, corner[1]],
            [corner[0] - sign * 8 * unit, corner[1] - 60 * unit],
            [chest.midline + sign * 55 * unit, chest.apex + 45 * unit],
        ]
    )
    return fill(chest.grid.size, posterior) >= 0.5


def _diaphragm_rows(chest: Chest, side: str) -> Map:
    """Row of the diaphragm (or heart floor) at each column, shape (1, size)."""
    outline = chest.outlines[f"{side}_lung"]
    sign = SIDES[side]
    start = int(np.argmax(outline[:, 1] + 0.45 * sign * outline[:, 0]))
    dome = outline[start : start + 6 * LUNG_ARCS[1]]
    order = np.argsort(dome[:, 0])
    at = np.interp(chest.grid.columns(), dome[order, 0], dome[order, 1])
    return np.asarray(at, dtype=np.float32)


def _descending_aorta(chest: Chest, rng: np.random.Generator) -> Map:
    """The descending aorta left of the spine, whose edge shows through the heart."""
    unit = chest.grid.unit
    knob = chest.apex + 68 * unit
    lean = float(rng.uniform(14.0, 20.0))
    rows = np.linspace(knob, chest.base + 40 * unit, 40)
    bow = lean + 4 * np.sin(np.linspace(0, np.pi, 40)) - np.linspace(0, 9, 40)
    path = np.column_stack([chest.midline + bow * unit, rows])
    return tube(chest.grid, path, float(rng.uniform(11.5, 14.0)) * unit, step=1.0) / unit


def airway_thickness(chest: Chest, rng: np.random.Generator) -> Map:
    """Air in trachea and main bronchi."""
    grid, unit = chest.grid, chest.grid.unit
    carina = carina_position(chest)
    bend = float(rng.uniform(-1.0, 2.5)) * unit
    rows = np.linspace(-20 * unit, carina[1], 30)
    share = (rows - rows[0]) / (rows[-1] - rows[0])
    trachea = np.column_stack(
        [
            chest.midline + (carina[0] - chest.midline) * share**3 - bend * np.sin(np.pi * share),
            rows,
        ]
    )
    narrow = 8.2 + 0.25 * np.sin(np.arange(30) * 2.2)
    air = tube(grid, trachea, narrow * unit, step=0.7)
    for sign, steep, long, wide in ((-1, 1.15, 34.0, 6.3), (1, 0.62, 48.0, 5.5)):
        reach = np.linspace(0.0, long, 16)
        fall = reach * steep - 0.004 * reach**2
        path = carina + np.column_stack([sign * reach, fall - 1.0]) * unit
        air = np.maximum(air, tube(grid, path, np.linspace(wide, wide * 0.7, 16) * unit, step=0.7))
    return soften(air / unit, 0.5 * unit) * 0.9


def carina_position(chest: Chest) -> Points:
    """Column and row where the trachea divides."""
    unit = chest.grid.unit
    heart_top = float(chest.outlines["heart"][:, 1].min())
    row = chest.apex + 0.72 * (heart_top - chest.apex)
    return np.array([chest.midline - 2.5 * unit, row])


def breast_thickness(chest: Chest, rng: np.random.Generator) -> Map:
    """Breasts: crisp lower fold, fading upwards."""
    grid, unit = chest.grid, chest.grid.unit
    total = grid.empty()
    large = float(rng.uniform(44.0, 60.0))
    row = chest.base - float(rng.uniform(52.0, 78.0)) * unit
    for side, sign in SIDES.items():
        wall = float(chest.wall(side, np.array([row]))[0])
        centre = chest.midline + 0.68 * (wall - chest.midline) + float(rng.normal(0, 2)) * unit
        across = (grid.columns() - centre) / (large * 1.06 * unit)
        along = (grid.rows() - row - float(rng.normal(0, 3)) * unit) / (large * unit)
        along = np.where(along < 0, along * 0.62, along)
        radius = np.sqrt(across**2 + along**2)
        thickness = np.float32(0.45 * large) * round_profile(1 - radius.clip(0, 1), 0.9)
        fade = np.clip(1 + 1.02 * along, 0.0, 1.0) ** 1.8
        outer = np.clip(1 - 0.35 * sign * across, 0.4, 1.0)
        total += (thickness * fade * outer).astype(np.float32)
    return soften(total, 0.5 * unit)


def stomach_gas(chest: Chest, rng: np.random.Generator) -> Map:
    """Gas in the stomach's fundus under the left diaphragm, flat below when upright."""
    grid, unit = chest.grid, chest.grid.unit
    gas = grid.empty()
    if rng.random() < 0.85:
        column = chest.midline + float(rng.uniform(48.0, 72.0)) * unit
        width = float(rng.uniform(16.0, 32.0)) * unit
        height = float(rng.uniform(9.0, 24.0)) * unit
        dome = float(np.interp(column, grid.columns()[0], _diaphragm_rows(chest, "left")[0]))
        row = dome + height + float(rng.uniform(5.0, 9.0)) * unit
        tilt = float(rng.normal(0, 0.12))
        x = (grid.columns() - column) / width
        y = (grid.rows() - row - tilt * (grid.columns() - column)) / height
        ball = round_profile(1 - np.sqrt(x**2 + y**2).clip(0, 1), 1.0)
        level = float(rng.uniform(0.0, 0.7))
        above = 1 / (1 + np.exp(np.clip((y - level) * height / (0.9 * unit), -40, 40)))
        gas += (min(1.6 * height / unit, 34.0) * ball * above).astype(np.float32)
    for _ in range(int(rng.integers(0, 5))):
        column = chest.midline + float(rng.uniform(30, 105)) * unit
        row = chest.base + float(rng.uniform(18, 70)) * unit
        wide, high = rng.uniform(6, 16, size=2) * unit
        x, y = (grid.columns() - column) / wide, (grid.rows() - row) / high
        ball = round_profile(1 - np.sqrt(x**2 + y**2).clip(0, 1), 1.0)
        gas += np.float32(rng.uniform(7, 18)) * ball
    return soften(gas, 0.9 * unit)
