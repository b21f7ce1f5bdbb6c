"""The input gate's thresholds, set on films of patients who are kept aside from training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from imaging.gate_data import GatePicture
from imaging.gate_network import GateModel, GateReading, GateThresholds, PictureKind

_FALSE_ALARMS = {"mirrored": 0.002, "inverted": 0.001, "paediatric": 0.01, "cropped": 0.02}
"""Share of upright adult frontal films kept aside that each question may wrongly flag."""

NO_THRESHOLDS = GateThresholds(
    frontal=0.5,
    frontal_doubt=0.5,
    turned=0.5,
    mirrored=0.5,
    mirrored_doubt=0.5,
    inverted=0.5,
    paediatric=0.5,
    cropped=0.5,
    antero_posterior=(0.5, 0.5),
)
"""Stand-ins for a network whose thresholds are not set yet."""


@dataclass(frozen=True, eq=False)
class AsideFilms:
    """Adult frontal films of the patients kept aside, as the network sees them."""

    pictures: Sequence[GatePicture]
    prepared: torch.Tensor


def upright_adults(pictures: Sequence[GatePicture]) -> list[GatePicture]:
    """The upright frontal films of adults among the pictures."""
    return [
        picture
        for picture in pictures
        if picture.kind is PictureKind.FRONTAL
        and picture.source not in ("paediatric", "orientation")
        and (picture.age_years is None or picture.age_years >= 16)
    ]


def thresholds_for(model: GateModel, aside: AsideFilms) -> GateThresholds:
    """Thresholds that the adult frontal films kept aside pass, but for the allowed shares."""
    readings = model.read_batch(aside.prepared)

    def at_least(values: Sequence[float], share: float, floor: float) -> float:
        return round(max(floor, float(np.quantile(values, 1 - share))), 4)

    frontal = [reading.kind[PictureKind.FRONTAL] for reading in readings]
    mirrored = [reading.mirrored for reading in readings]
    return GateThresholds(
        frontal=round(min(0.5, float(np.quantile(frontal, 0.003))), 4),
        frontal_doubt=round(min(0.9, float(np.quantile(frontal, 0.02))), 4),
        turned=at_least([1 - reading.turns[0] for reading in readings], 0.001, 0.5),
        mirrored=at_least(mirrored, _FALSE_ALARMS["mirrored"], 0.8),
        mirrored_doubt=at_least(mirrored, 0.02, 0.5),
        inverted=at_least([r.inverted for r in readings], _FALSE_ALARMS["inverted"], 0.5),
        paediatric=at_least([r.paediatric for r in readings], _FALSE_ALARMS["paediatric"], 0.5),
        cropped=at_least([r.cropped for r in readings], _FALSE_ALARMS["cropped"], 0.5),
        antero_posterior=_projection_limits(aside.pictures, readings),
    )


def _projection_limits(
    pictures: Sequence[GatePicture], readings: Sequence[GateReading]
) -> tuple[float, float]:
    """The probabilities beyond which 97 % of what is called AP, or PA, is so."""
    labelled = [
        (reading.antero_posterior, picture.antero_posterior)
        for picture, reading in zip(pictures, readings, strict=True)
        if picture.antero_posterior is not None
    ]
    limits = np.linspace(0.5, 0.99, 50)

    def precise(called: list[bool]) -> bool:
        return bool(called) and float(np.mean(called)) >= 0.97

    high = next((t for t in limits if precise([bool(ap) for p, ap in labelled if p >= t])), 1.0)
    low = next((t for t in limits if precise([not ap for p, ap in labelled if p <= 1 - t])), 1.0)
    return round(1 - float(low), 4), round(float(high), 4)
