"""Lines, tubes and implants, in their usual courses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from findings.regions import Region
from findings.vocabulary import Finding, Side
from imaging.synthetic.chest import SIDES, Chest, carina_position
from imaging.synthetic.raster import Map, Mask, Points, fill, soften, tube
from imaging.synthetic.request import Device, DeviceKind

FINDING_OF: dict[DeviceKind, Finding] = {
    DeviceKind.CENTRAL_VENOUS_CATHETER: Finding.CENTRAL_VENOUS_CATHETER,
    DeviceKind.PICC: Finding.CENTRAL_VENOUS_CATHETER,
    DeviceKind.NASOGASTRIC_TUBE: Finding.NASOGASTRIC_TUBE,
    DeviceKind.ENDOTRACHEAL_TUBE: Finding.ENDOTRACHEAL_TUBE,
    DeviceKind.PACEMAKER: Finding.PACEMAKER,
}


@dataclass(frozen=True, eq=False)
class DrawnDevice:
    """A device: its metal or contrast filler along each ray (mm), where it is, where it ends."""

    finding: Finding
    side: Side
    region: Region
    metal: Map
    mask: Mask
    tip: tuple[float, float]


def draw_device(chest: Chest, wanted: Device, rng: np.random.Generator) -> DrawnDevice:
    """Place ``wanted`` in the chest."""
    match wanted.kind:
        case DeviceKind.CENTRAL_VENOUS_CATHETER:
            return _catheter(chest, wanted, _neck_course(chest, wanted.side.value, rng), 0.95)
        case DeviceKind.PICC:
            return _catheter(chest, wanted, _arm_course(chest, wanted.side.value, rng), 0.75)
        case DeviceKind.NASOGASTRIC_TUBE:
            return _gastric_tube(chest, wanted, rng)
        case DeviceKind.ENDOTRACHEAL_TUBE:
            return _tracheal_tube(chest, wanted, rng)
        case DeviceKind.PACEMAKER:
            return _pacemaker(chest, wanted, rng)


def cavoatrial_junction(chest: Chest) -> Points:
    """Where the superior vena cava meets the right atrium: right heart border, upper third."""
    heart = chest.outlines["heart"]
    row = float(heart[:, 1].min()) + 0.16 * float(np.ptp(heart[:, 1]))
    return np.array([chest.midline - 19.0 * chest.grid.unit, row])


def _vena_cava(chest: Chest, rng: np.random.Generator) -> list[Points]:
    """Waypoints down the superior vena cava to the tip, just above the right atrium."""
    unit = chest.grid.unit
    tip = cavoatrial_junction(chest) + np.array([0.0, float(rng.uniform(-10.0, 4.0)) * unit])
    high = np.array([chest.midline - 22.0 * unit, chest.shoulder + 38.0 * unit])
    return [high, high + 0.55 * (tip - high) + np.array([-2.0 * unit, 0.0]), tip]


def _neck_course(chest: Chest, side: str, rng: np.random.Generator) -> Points:
    """From the internal jugular vein, across the midline if from the left."""
    unit, sign = chest.grid.unit, SIDES[side]
    neck = chest.midline + sign * float(rng.uniform(28.0, 34.0)) * unit
    start = [np.array([neck + sign * 8 * unit, -12 * unit]), np.array([neck, 0.6 * chest.apex])]
    turn = np.array([chest.midline + sign * 27 * unit, chest.shoulder + 14 * unit])
    cross = [np.array([chest.midline - 4 * unit, chest.shoulder + 27 * unit])] if sign > 0 else []
    return _bend([*start, turn, *cross, *_vena_cava(chest, rng)])


def _arm_course(chest: Chest, side: str, rng: np.random.Generator) -> Points:
    """From the arm under the clavicle to the superior vena cava."""
    unit, sign = chest.grid.unit, SIDES[side]
    wall = abs(float(chest.wall(side, np.array([chest.shoulder + 60 * unit]))[0]) - chest.midline)
    arm = [
        np.array([chest.midline + sign * (wall + 78 * unit), chest.shoulder + 128 * unit]),
        np.array([chest.midline + sign * (wall + 48 * unit), chest.shoulder + 68 * unit]),
        np.array([chest.midline + sign * (wall + 8 * unit), chest.shoulder + 22 * unit]),
        np.array([chest.midline + sign * 62 * unit, chest.shoulder + 3 * unit]),
        np.array([chest.midline + sign * 33 * unit, chest.shoulder + 13 * unit]),
    ]
    cross = [np.array([chest.midline - 4 * unit, chest.shoulder + 27 * unit])] if sign > 0 else []
    return _bend([*arm, *cross, *_vena_cava(chest, rng)])


def _catheter(chest: Chest, wanted: Device, path: Points, radius: float) -> DrawnDevice:
    line = _wire(chest, path, radius)
    return DrawnDevice(
        finding=FINDING_OF[wanted.kind],
        side=wanted.side,
        region=Region.SUPERIOR_VENA_CAVA,
        metal=0.42 * line,
        mask=line > 0.3,
        tip=(float(path[-1, 0]), float(path[-1, 1])),
    )


def _gastric_tube(chest: Chest, wanted: Device, rng: np.random.Generator) -> DrawnDevice:
    unit = chest.grid.unit
    hiatus = chest.base - 8 * unit
    path = _bend(
        [
            np.array([chest.midline + 1 * unit, -12 * unit]),
            np.array([chest.midline - 1 * unit, chest.apex + 40 * unit]),
            np.array([chest.midline + 3 * unit, 0.5 * (chest.apex + chest.base)]),
            np.array([chest.midline + 10 * unit, hiatus - 20 * unit]),
            np.array([chest.midline + 32 * unit, hiatus + 14 * unit]),
            np.array([chest.midline + float(rng.uniform(52, 64)) * unit, hiatus + 30 * unit]),
        ]
    )
    stripe = 0.75 * _wire(chest, path, 0.55) + 0.16 * _wire(chest, path, 2.0)
    tip = (float(path[-1, 0]), float(path[-1, 1]))
    wide = _wire(chest, path, 2.0) > 0.3
    finding = FINDING_OF[wanted.kind]
    return DrawnDevice(finding, Side.MIDLINE, Region.STOMACH, stripe, wide, tip)


def _tracheal_tube(chest: Chest, wanted: Device, rng: np.random.Generator) -> DrawnDevice:
    unit = chest.grid.unit
    carina = carina_position(chest)
    tip = carina - np.array([-1.0, float(rng.uniform(32.0, 52.0))]) * unit
    path = _bend(
        [np.array([chest.midline, -12 * unit]), (tip + np.array([chest.midline, 0.0])) / 2, tip]
    )
    beside = path + np.array([3.6 * unit, 0.0])
    metal = 0.5 * _wire(chest, beside, 0.5) + 0.06 * _wire(chest, path, 4.6)
    wide = _wire(chest, path, 4.6) > 0.5
    finding = FINDING_OF[wanted.kind]
    end = (float(tip[0]), float(tip[1]))
    return DrawnDevice(finding, Side.MIDLINE, Region.TRACHEA, metal, wide, end)


def _pacemaker(chest: Chest, wanted: Device, rng: np.random.Generator) -> DrawnDevice:
    """A generator below the clavicle with leads to the right atrium and the right ventricle."""
    unit, sign = chest.grid.unit, SIDES[wanted.side.value]
    wall = abs(
        float(chest.wall(wanted.side.value, np.array([chest.shoulder + 30 * unit]))[0])
        - chest.midline
    )
    centre = np.array(
        [
            chest.midline + sign * (wall - 8 * unit),
            chest.shoulder + float(rng.uniform(46, 58)) * unit,
        ]
    )
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    blunt = np.column_stack([np.cos(angle), np.sin(angle)])
    blunt = np.sign(blunt) * np.abs(blunt) ** 0.75
    turn = sign * float(rng.uniform(0.1, 0.4))
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    case = fill(chest.grid.size, centre + (blunt * np.array([20.0, 23.0]) * unit) @ spin.T)
    cell = fill(chest.grid.size, centre + (blunt * np.array([14.0, 9.0]) + [0, 7]) * unit @ spin.T)
    head = fill(
        chest.grid.size, centre + (blunt * np.array([13.0, 4.0]) + [0, -17]) * unit @ spin.T
    )
    metal = 1.5 * case + 1.6 * cell - 0.9 * head
    junction = cavoatrial_junction(chest)
    heart = chest.outlines["heart"]
    low, left = float(heart[:, 1].max()), float(heart[:, 0].max())
    apex = np.array([left - 26 * unit, low - 26 * unit])
    entry = [
        centre + np.array([-sign * 6, -24]) * unit,
        np.array([chest.midline + sign * 66 * unit, chest.shoulder + 5 * unit]),
        np.array([chest.midline + sign * 34 * unit, chest.shoulder + 14 * unit]),
    ]
    if sign > 0:
        entry.append(np.array([chest.midline - 4 * unit, chest.shoulder + 28 * unit]))
    high = np.array([chest.midline - 21.0 * unit, chest.shoulder + 42.0 * unit])
    atrium = junction + np.array([-6.0, 34.0]) * unit
    to_atrium = _bend([*entry, high, junction, atrium, atrium + np.array([13.0, -11.0]) * unit])
    floor = np.array([chest.midline + 6 * unit, low - 20 * unit])
    to_ventricle = _bend(
        [*entry, high + 2 * unit, junction + np.array([4 * unit, 0.0]), floor, apex]
    )
    leads = np.maximum(_wire(chest, to_atrium, 0.8), _wire(chest, to_ventricle, 0.85))
    total = soften((metal + 0.75 * leads).astype(np.float32), 0.2 * unit)
    region = Region.CARDIAC_SILHOUETTE
    mask = (case > 0.5) | (leads > 0.3)
    tip = (float(apex[0]), float(apex[1]))
    return DrawnDevice(FINDING_OF[wanted.kind], wanted.side, region, total, mask, tip)


def _bend(waypoints: list[Points]) -> Points:
    """A smooth path through waypoints."""
    from scipy.interpolate import PchipInterpolator
    from scipy.ndimage import gaussian_filter1d

    points = np.asarray(waypoints, dtype=np.float64)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0.0, length[-1], 300)
    path = np.column_stack([PchipInterpolator(length, points[:, axis])(at) for axis in (0, 1)])
    rounded = gaussian_filter1d(path, 9, axis=0, mode="nearest")
    rounded[0], rounded[-1] = path[0], path[-1]
    return np.asarray(rounded)


def _wire(chest: Chest, path: Points, radius_mm: float) -> Map:
    """Chord in millimetres through a wire of the given radius, at least half a pixel thick."""
    unit = chest.grid.unit
    return tube(chest.grid, path, max(radius_mm * unit, 0.6)) / np.float32(unit)
