"""Findings of lung and pleura, drawn into the phantom's tissue before exposure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findings.errors import UserInputError
from findings.regions import Region
from findings.vocabulary import Finding, Side
from imaging.synthetic.chest import SIDES, Chest, Tissue
from imaging.synthetic.raster import Map, Mask, depth, round_profile, soften, waves
from imaging.synthetic.request import (
    Extent,
    Nodule,
    Opacity,
    PleuralEffusion,
    Pneumothorax,
    Zone,
)

LungFinding = PleuralEffusion | Nodule | Opacity | Pneumothorax

_FLUID_MM = {
    Extent.SMALL: (34.0, -6.0),
    Extent.MODERATE: (92.0, 60.0),
    Extent.LARGE: (155.0, 118.0),
}
"""Height of the fluid above the costophrenic angle at the chest wall and at the mediastinum."""
_OPACITY_MM = {Extent.SMALL: 34.0, Extent.MODERATE: 56.0, Extent.LARGE: 84.0}
_GAP_MM = {Extent.SMALL: 12.0, Extent.MODERATE: 26.0, Extent.LARGE: 48.0}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A finding after drawing: where it is, and what the truth says of it."""

    finding: Finding
    side: Side
    region: Region
    mask: Mask
    hides_lung: bool = False
    empties_lung: Map | None = None
    """Where no vessels can be: 1 where lung is gone."""


def draw_finding(
    chest: Chest,
    tissue: Tissue,
    wanted: LungFinding,
    mm_per_pixel: float,
    rng: np.random.Generator,
) -> Drawn:
    """Change ``tissue`` so that it shows ``wanted``. Raises UserInputError where it cannot be."""
    match wanted:
        case PleuralEffusion():
            return _effusion(chest, tissue, wanted, rng)
        case Nodule():
            return _nodule(chest, tissue, wanted, mm_per_pixel, rng)
        case Opacity():
            return _opacity(chest, tissue, wanted, rng)
        case Pneumothorax():
            return _pneumothorax(chest, tissue, wanted)


def zone_rows(chest: Chest, side: str, zone: Zone) -> tuple[float, float]:
    """First and last row of a third of a lung's height."""
    rows = np.nonzero(chest.masks[f"{side}_lung"].any(axis=1))[0]
    third = (rows[-1] + 1 - rows[0]) / 3
    start = rows[0] + third * list(Zone).index(zone)
    return float(start), float(start + third)


def _effusion(
    chest: Chest, tissue: Tissue, wanted: PleuralEffusion, rng: np.random.Generator
) -> Drawn:
    """Fluid up to a meniscus: highest at the chest wall, thinning out upwards."""
    grid, unit, side = chest.grid, chest.grid.unit, wanted.side.value
    lung = chest.masks[f"{side}_lung"]
    floor = float(np.nonzero(lung.any(axis=1))[0][-1])
    lateral, medial = _FLUID_MM[wanted.extent]
    grow = float(rng.uniform(0.9, 1.1))
    across = (SIDES[side] * (grid.columns() - chest.midline)) / abs(
        float(chest.wall(side, np.array([floor - 20 * unit]))[0]) - chest.midline
    )
    rise = np.clip(across, 0.0, 1.06) ** 3.2
    level = floor - grow * unit * (medial + (lateral - medial) * rise)
    below = grid.rows() - level
    # Fluid wraps the lung: it thins upwards, so its upper edge is a haze, not a line.
    fluid = round_profile(
        np.maximum(below, 0.0).astype(np.float32), min(26.0, 0.4 * lateral) * unit
    )
    haze = 0.16 * np.exp(-np.clip(-below, 0.0, None) / (13 * unit))
    share = np.clip(np.maximum(fluid, haze), 0.0, 1.0).astype(np.float32)
    share = soften(share, 0.9 * unit)
    tissue.lung[side] = tissue.lung[side] * (1 - share)
    mask = lung & (below >= 0)
    region = Region.LEFT_PLEURA if wanted.side is Side.LEFT else Region.RIGHT_PLEURA
    return Drawn(Finding.PLEURAL_EFFUSION, wanted.side, region, mask, True, share)


def _nodule(
    chest: Chest, tissue: Tissue, wanted: Nodule, mm_per_pixel: float, rng: np.random.Generator
) -> Drawn:
    """A sphere of soft tissue with a slightly uneven outline."""
    grid, side = chest.grid, wanted.side.value
    radius = wanted.diameter_mm / mm_per_pixel / 2
    lung = chest.masks[f"{side}_lung"]
    room = depth(lung)
    if wanted.centre is not None:
        column, row = (grid.size * value for value in wanted.centre)
        inside = 0 <= int(row) < grid.size and 0 <= int(column) < grid.size
        if not inside or room[int(row), int(column)] < radius + 1:
            raise UserInputError(
                f"The nodule's centre leaves no room for {wanted.diameter_mm:g} mm in the "
                f"{side} lung of this sample; choose another centre or give a zone instead."
            )
    else:
        first, last = zone_rows(chest, side, wanted.zone)
        rows = grid.rows()
        free = (room > radius + 4 * grid.unit) & (rows > first + radius) & (rows < last - radius)
        if not free.any():
            free = (room > radius + 1) & (rows > first) & (rows < last)
        if not free.any():
            raise UserInputError(
                f"The {wanted.zone} zone of the {side} lung has no room for a nodule of "
                f"{wanted.diameter_mm:g} mm in this sample; choose another zone, seed or diameter."
            )
        pick = int(rng.integers(int(free.sum())))
        row, column = (float(values[pick]) + 0.5 for values in np.nonzero(free))
    x, y = grid.columns() - column, grid.rows() - row
    angle = np.arctan2(y, x)
    edge = np.ones_like(angle)
    for wave in (2, 3, 5):
        edge += float(rng.uniform(0.0, 0.05)) * np.cos(wave * angle + float(rng.uniform(0, 6)))
    edge = radius * np.minimum(edge, 1.0 + 1.0 / radius)
    inward = np.maximum(1 - np.hypot(x, y) / edge, 0.0).astype(np.float32)
    chord = np.float32(1.25 * 2 * radius / grid.unit) * round_profile(inward, 1.0)
    tissue.lung[side] = tissue.lung[side] - soften(chord, 0.45 * grid.unit)
    zone = _zone_of_row(chest, side, row)
    region = Region(f"{side}_{zone}_zone")
    return Drawn(Finding.NODULE, wanted.side, region, np.hypot(x, y) <= radius)


def _opacity(chest: Chest, tissue: Tissue, wanted: Opacity, rng: np.random.Generator) -> Drawn:
    """Airspaces filled in clouds that fade outwards, with the fissure as a border on the right."""
    grid, unit, side = chest.grid, chest.grid.unit, wanted.side.value
    first, last = zone_rows(chest, side, wanted.zone)
    lung = chest.masks[f"{side}_lung"]
    rows = grid.rows()
    field = lung & (rows >= first) & (rows < last)
    centre_row = float(np.median(np.nonzero(field)[0]))
    columns = np.nonzero(field[int(centre_row)])[0]
    place = float(rng.uniform(0.42, 0.62))
    centre = float(columns[0] + place * (columns[-1] - columns[0]))
    spread = _OPACITY_MM[wanted.extent] * unit / 2
    squeeze = max(spread / (0.62 * (last - first)), 1.0)
    distance = np.hypot((grid.columns() - centre) / spread, (rows - centre_row) / spread * squeeze)
    cloud = waves(rng, grid.size, 3.4, 60 * unit, 5.0 * unit)
    filling = 1 / (1 + np.exp(np.clip((distance - 0.97 + 0.15 * cloud) / 0.2, -40, 40)))
    if wanted.zone is Zone.UPPER and wanted.side is Side.RIGHT:
        fissure = last + (grid.columns() - chest.midline + 40 * unit) * 0.05
        filling = filling / (1 + np.exp(np.clip((rows - fissure) / (1.8 * unit), -40, 40)))
    fine = waves(rng, grid.size, 2.6, 24 * unit, 2.0 * unit)
    share = np.clip(0.56 * filling * (1 + 0.07 * fine), 0.0, 0.85).astype(np.float32)
    tissue.lung[side] = tissue.lung[side] * (1 - share)
    mask = (filling > 0.5) & lung
    region = Region(f"{side}_{wanted.zone.value}_zone")
    return Drawn(Finding.CONSOLIDATION, wanted.side, region, mask)


def _pneumothorax(chest: Chest, tissue: Tissue, wanted: Pneumothorax) -> Drawn:
    """Lung drawn away from the apex and the outer wall; air without vessels beyond its edge."""
    grid, unit, side = chest.grid, chest.grid.unit, wanted.side.value
    lung = chest.masks[f"{side}_lung"]
    found = np.nonzero(lung.any(axis=1))[0]
    top, bottom = float(found[0]), float(found[-1])
    gap = _GAP_MM[wanted.extent] * unit
    height = np.clip((grid.rows() - top) / (bottom - top), 0.0, 1.0)
    reach = SIDES[side] * (chest.wall(side, grid.rows()[:, 0])[:, None] - grid.columns())
    sideways = reach - gap * (0.25 + 0.75 * (1 - height) ** 0.8)
    down = grid.rows() - top - 1.25 * gap
    # The collapsed apex is round: the two borders meet in an arc of this radius.
    bend = 34 * unit
    corner = np.hypot(np.minimum(sideways - bend, 0.0), np.minimum(down - bend, 0.0))
    inside = np.minimum(np.minimum(sideways, down), bend - corner).astype(np.float32)
    lost = 1 / (1 + np.exp(np.clip(inside / (0.35 * unit), -40, 40)))
    lost = np.asarray(lost, dtype=np.float32)
    # Air for lung: a thicker column of nothing; the collapsed rest is a little denser.
    whole = tissue.lung[side]
    line = np.exp(-((inside / (0.5 * unit)) ** 2)) * (whole > 4)
    tissue.lung[side] = whole * (1 + 0.36 * lost) * (1 - 0.05 * (1 - lost)) - 4.5 * line
    mask = lung & (inside < 0)
    region = Region.LEFT_PLEURA if wanted.side is Side.LEFT else Region.RIGHT_PLEURA
    return Drawn(Finding.PNEUMOTHORAX, wanted.side, region, mask, False, lost)


def _zone_of_row(chest: Chest, side: str, row: float) -> Zone:
    for zone in Zone:
        first, last = zone_rows(chest, side, zone)
        if first <= row < last:
            return zone
    return Zone.LOWER
