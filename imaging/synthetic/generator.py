"""Draw a synthetic chest radiograph with known truth: from request to pixels and masks.

The order is that of nature: anatomy by seed, findings in the tissue, exposure, development. Each
part draws from a random stream of its own, so asking for a finding changes nothing but that
finding, and a prior film shows the same patient.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from findings.vocabulary import Finding
from imaging.study import View
from imaging.synthetic import detector, marks
from imaging.synthetic.chest import Chest, Tissue, build_chest, build_tissue
from imaging.synthetic.devices import DrawnDevice, draw_device
from imaging.synthetic.pathology import Drawn, draw_finding
from imaging.synthetic.raster import Map
from imaging.synthetic.request import (
    Device,
    FindingTruth,
    SampleRequest,
    SampleTruth,
    SyntheticRadiograph,
)
from imaging.synthetic.shapes import draw_outlines
from imaging.synthetic.skeleton import build_skeleton
from imaging.synthetic.vessels import build_vessels

_LEAD_MM = 5.0


def generate(request: SampleRequest) -> SyntheticRadiograph:
    """The radiograph that ``request`` describes; the same request gives the same bytes.

    Raises UserInputError where a finding does not fit this patient (a nodule too large for its
    zone, a centre outside its lung).
    """
    patient = _Streams(request.seed)
    occasion = _Streams(request.seed, request.acquisition)
    bedside = request.view is View.AP
    traits = patient("traits")
    sex = request.sex or ("F" if traits.random() < 0.5 else "M")
    usual = traits.normal(0.50 if bedside else 0.455, 0.025)
    ratio = request.cardiothoracic_ratio or float(np.clip(usual, 0.39, 0.60))
    outlines = draw_outlines(patient("outlines"), ratio, anteroposterior=bedside)
    chest = build_chest(outlines, request.size, anteroposterior=bedside, female=sex == "F")
    tissue = build_tissue(chest, patient("tissue"))
    bone = build_skeleton(chest, patient("skeleton"))

    healthy = dict(tissue.lung)
    drawn: list[Drawn | DrawnDevice] = []
    for number, wanted in enumerate(request.findings):
        stream = patient(f"finding {number} {wanted.finding}")
        if isinstance(wanted, Device):
            drawn.append(draw_device(chest, wanted, stream))
        else:
            drawn.append(draw_finding(chest, tissue, wanted, request.pixel_spacing_mm, stream))
    bed = _vessel_bed(healthy, tissue.lung, drawn)
    blood = build_vessels(chest, healthy, bed, patient("vessels"))

    exposure = detector.draw_exposure(occasion("exposure"), anteroposterior=bedside)
    attenuation = _attenuation(tissue, bone, blood, drawn)
    if request.laterality_marker:
        lead = _LEAD_MM * marks.side_marker(request.size, request.laterality_marker)
        attenuation += detector.METAL_PER_MM * lead
    signal = detector.expose(attenuation, chest.grid.unit, exposure, occasion("noise"))
    field = marks.collimation(request.size, occasion("collimator"))
    pixels = detector.develop(signal, chest.grid.unit, exposure, field)
    marks.stamp_synthetic(pixels, detector.WHITE)
    pixels.setflags(write=False)

    masks = _masks(chest, drawn)
    return SyntheticRadiograph(request, pixels, _truth(request, sex, masks, drawn), masks)


class _Streams:
    """Independent random streams by name."""

    def __init__(self, *key: int) -> None:
        self._key = key

    def __call__(self, name: str) -> np.random.Generator:
        return np.random.default_rng([zlib.crc32(name.encode()), len(self._key), *self._key])


def _vessel_bed(
    healthy: dict[str, Map], lung: dict[str, Map], drawn: list[Drawn | DrawnDevice]
) -> dict[str, Map]:
    """Share of air left around vessels: none in fluid, in filled airspaces or in free air."""
    bed: dict[str, Map] = {}
    for side, whole in healthy.items():
        left = np.clip(lung[side] / np.maximum(whole, 1.0), 0.0, 1.0)
        bed[side] = np.asarray(left, dtype=np.float32)
    for item in drawn:
        if isinstance(item, Drawn) and item.empties_lung is not None:
            side = item.side.value
            bed[side] = bed[side] * (1 - item.empties_lung)
    return bed


def _attenuation(tissue: Tissue, bone: Map, blood: Map, drawn: list[Drawn | DrawnDevice]) -> Map:
    """Log attenuation of every ray: coefficients times millimetres, summed."""
    air = (1 - detector.LUNG_DENSITY) * (tissue.lung["left"] + tissue.lung["right"] - blood)
    soft = np.maximum(tissue.soft - air - tissue.gas, 0.0)
    total = detector.SOFT_PER_MM * soft + detector.BONE_PER_MM * bone
    for item in drawn:
        if isinstance(item, DrawnDevice):
            total = total + detector.METAL_PER_MM * item.metal
    return np.asarray(total, dtype=np.float32)


def _masks(chest: Chest, drawn: list[Drawn | DrawnDevice]) -> dict[str, NDArray[np.bool_]]:
    masks = dict(chest.masks)
    masks["thorax"] = masks["left_lung"] | masks["right_lung"]
    for number, item in enumerate(drawn):
        if isinstance(item, Drawn) and item.hides_lung:
            lung = f"{item.side.value}_lung"
            masks[lung] = masks[lung] & ~item.mask
        masks[_mask_name(number, item.finding)] = item.mask
    for mask in masks.values():
        mask.setflags(write=False)
    return masks


def _mask_name(number: int, finding: Finding) -> str:
    return f"{number + 1}_{finding.value}"


def _truth(
    request: SampleRequest,
    sex: str,
    masks: dict[str, NDArray[np.bool_]],
    drawn: list[Drawn | DrawnDevice],
) -> SampleTruth:
    heart, thorax = _width(masks["heart"]), _width(masks["thorax"])
    told = []
    for number, (wanted, item) in enumerate(zip(request.findings, drawn, strict=True)):
        told.append(
            FindingTruth(
                finding=item.finding,
                side=item.side,
                region=item.region,
                box=_box(item.mask),
                mask=_mask_name(number, item.finding),
                extent=getattr(wanted, "extent", None),
                diameter_mm=getattr(wanted, "diameter_mm", None),
                device=getattr(wanted, "kind", None),
                tip=item.tip if isinstance(item, DrawnDevice) else None,
            )
        )
    return SampleTruth(
        seed=request.seed,
        acquisition=request.acquisition,
        size=request.size,
        view=request.view,
        sex="F" if sex == "F" else "M",
        spacing_mm=request.pixel_spacing_mm,
        cardiothoracic_ratio=round(heart / thorax, 4),
        heart_width_px=heart,
        thorax_width_px=thorax,
        laterality_marker=request.laterality_marker,
        findings=tuple(told),
    )


def _width(mask: NDArray[np.bool_]) -> int:
    """Columns from the first to the last that the mask touches."""
    columns = np.nonzero(mask.any(axis=0))[0]
    return int(columns[-1] - columns[0] + 1)


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return int(columns[0]), int(rows[0]), int(columns[-1] + 1), int(rows[-1] + 1)
