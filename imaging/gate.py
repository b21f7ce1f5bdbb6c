"""The input gate: is this a frontal chest radiograph that the experts may read?

Tags and simple rules judge first, the gate's network then judges the picture. Each thing seen is
one reason with a stable code; the gravest one decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from findings.errors import StudyError
from imaging.burned_in import detect_text_boxes
from imaging.limits import LoadLimits
from imaging.loading import load_study
from imaging.picture_rules import has_few_levels, is_blank, is_elongated
from imaging.study import (
    GateDecision,
    GateReason,
    GateResult,
    Source,
    Study,
    StudyImage,
    View,
)

if TYPE_CHECKING:
    from imaging.gate_network import GateReading, GateThresholds, PictureKind

SMALLEST_SIDE = 128
"""Pictures with a shorter side show too little of a chest."""
SMALL_SIDE = 320
"""Pictures with a shorter side are read with a warning."""
ADULT_YEARS = 18
"""The experts learnt from adults."""
RADIOGRAPH_MODALITIES = frozenset({"CR", "DX", "RG", "RF", "SC", "OT"})
"""Modalities a chest radiograph may come under (DICOM PS3.3 C.7.3.1.1.1); others are refused."""

_CHEST_WORDS = ("CHEST", "THORAX", "TORAX", "LUNG", "RIB", "HEART", "TRUNK", "BODY")
_REFUSE, _WARN, _ACCEPT = GateDecision.REFUSE, GateDecision.WARN, GateDecision.ACCEPT
_GRAVITY = {_ACCEPT: 0, _WARN: 1, _REFUSE: 2}


class InputGate:
    """Examines studies; the network is loaded once, when first needed, and may be shared."""

    def __init__(self, weights: Path | None = None) -> None:
        """Args: weights: folder of another `gate.safetensors` and `gate.json`."""
        self._weights = weights

    def examine(self, study: Study) -> GateResult:
        """Judge the image that would be read, `study.frontal`.

        Raises:
            WeightsError: the network's weights are absent or damaged.
        """
        image = study.frontal
        reasons = [*_by_tags(study, image), *_by_rules(image)]
        if not any(reason.severity is _REFUSE for reason in reasons):
            from imaging.gate_network import shared_model

            model = shared_model(self._weights)
            reading = model.read(image.display)
            reasons += _by_picture(study, image, reading, model.card.thresholds)
        if not any(reason.severity is _REFUSE for reason in reasons):
            reasons += _burned_in(image)
        decision = max((r.severity for r in reasons), key=_GRAVITY.__getitem__, default=_ACCEPT)
        return GateResult(decision=decision, reasons=tuple(reasons))


def examine_path(path: Path, *, limits: LoadLimits | None = None) -> GateResult:
    """Load and examine a study; one that cannot be read is refused with the reason, not raised."""
    try:
        study = load_study(path, limits=limits)
    except StudyError as error:
        return GateResult(decision=_REFUSE, reasons=(_reason("unreadable", str(error), _REFUSE),))
    return InputGate().examine(study)


def _reason(code: str, text: str, severity: GateDecision, score: float | None = None) -> GateReason:
    return GateReason(
        code=code, text=text, severity=severity, score=None if score is None else round(score, 4)
    )


def _by_tags(study: Study, image: StudyImage) -> list[GateReason]:
    reasons = []
    if image.modality is not None and image.modality not in RADIOGRAPH_MODALITIES:
        code = "ct_or_mr" if image.modality in ("CT", "MR", "PT") else "modality"
        text = "The tag Modality says that this is no radiograph; give a chest radiograph."
        reasons.append(_reason(code, text, _REFUSE))
    if image.body_part is not None and not any(word in image.body_part for word in _CHEST_WORDS):
        text = "The tag BodyPartExamined names another part than the chest."
        reasons.append(_reason("body_part", text, _REFUSE))
    if image.view is View.LATERAL and image.view_source is Source.TAG:
        reasons.append(_lateral(None))
    if study.patient_age_years is not None and study.patient_age_years < ADULT_YEARS:
        text = "The patient is a child; the experts learnt from adults and may be wrong."
        reasons.append(_reason("paediatric", text, _WARN))
    return reasons


def _lateral(score: float | None) -> GateReason:
    text = "This is a lateral radiograph; add or give the frontal one."
    return _reason("lateral", text, _REFUSE, score)


def _by_rules(image: StudyImage) -> list[GateReason]:
    side = min(image.height, image.width)
    if side < SMALLEST_SIDE:
        text = f"The picture is smaller than {SMALLEST_SIDE} pixels; give the original."
        return [_reason("tiny", text, _REFUSE, float(side))]
    if is_blank(image.display):
        return [_reason("blank", "The picture is blank or nearly so.", _REFUSE)]
    reasons = []
    if is_elongated(image.display):
        text = "The picture is far longer than wide, or the reverse, as no chest radiograph is."
        reasons.append(_reason("shape", text, _REFUSE))
    if image.colour_source:
        text = "The picture is in colour: a photograph of a film, or no film. Give the original."
        reasons.append(_reason("colour", text, _REFUSE))
    if has_few_levels(image.display):
        text = "The picture is made of a few even areas: a drawing or a test pattern."
        reasons.append(_reason("test_pattern", text, _REFUSE))
    if side < SMALL_SIDE:
        text = f"The picture is smaller than {SMALL_SIDE} pixels; fine findings may be lost."
        reasons.append(_reason("small", text, _WARN, float(side)))
    return reasons


def _not_frontal(reading: GateReading) -> GateReason:
    from imaging.gate_network import PictureKind

    others: list[PictureKind] = [k for k in PictureKind if k is not PictureKind.FRONTAL]
    likeliest = max(others, key=lambda kind: reading.kind[kind])
    score = reading.kind[likeliest]
    match likeliest:
        case PictureKind.LATERAL:
            return _lateral(score)
        case PictureKind.SLICE:
            text = "The picture looks like a CT or MR slice; give a chest radiograph."
            return _reason("ct_or_mr", text, _REFUSE, score)
        case PictureKind.OTHER_BODY:
            text = "The picture looks like another part of the body; give a chest radiograph."
            return _reason("not_chest", text, _REFUSE, score)
        case _:
            text = "The picture does not look like a radiograph; give a chest radiograph."
            return _reason("not_a_radiograph", text, _REFUSE, score)


def _by_picture(
    study: Study, image: StudyImage, reading: GateReading, limits: GateThresholds
) -> list[GateReason]:
    from imaging.gate_network import PictureKind

    frontal = reading.kind[PictureKind.FRONTAL]
    if frontal < limits.frontal:
        return [_not_frontal(reading)]
    reasons = []
    if frontal < limits.frontal_doubt:
        text = "The picture is unusual for a frontal chest radiograph; check that it is one."
        reasons.append(_reason("unusual", text, _WARN, frontal))
    turned = 1 - reading.turns[0]
    if turned >= limits.turned:
        reasons.append(_turned(reading, turned))
    if reading.inverted >= limits.inverted:
        text = "Black and white look exchanged; invert the picture."
        reasons.append(_reason("inverted", text, _REFUSE, reading.inverted))
    if not reasons or frontal < limits.frontal_doubt:
        reasons += _side_and_field(study, image, reading, limits)
    return reasons


def _turned(reading: GateReading, score: float) -> GateReason:
    code, done = {
        1: ("turned_left", "turned to the left"),
        2: ("upside_down", "upside down"),
        3: ("turned_right", "turned to the right"),
    }[1 + int(np.argmax(reading.turns[1:]))]
    return _reason(code, f"The picture looks {done}; turn it upright.", _REFUSE, score)


def _side_and_field(
    study: Study, image: StudyImage, reading: GateReading, limits: GateThresholds
) -> list[GateReason]:
    reasons = []
    if reading.mirrored >= limits.mirrored_doubt:
        # Tags that state the side outweigh the picture: some hearts do lie on the right.
        certain = reading.mirrored >= limits.mirrored and image.laterality_source is not Source.TAG
        text = "The heart seems to lie on the right: the picture is mirrored, or the situs is."
        severity = _REFUSE if certain else _WARN
        reasons.append(_reason("mirrored", text, severity, reading.mirrored))
    if reading.cropped >= limits.cropped:
        text = "Part of the lungs seems to lie outside the picture."
        reasons.append(_reason("cropped", text, _WARN, reading.cropped))
    if study.patient_age_years is None and reading.paediatric >= limits.paediatric:
        text = "The patient looks like a child; the experts learnt from adults and may be wrong."
        reasons.append(_reason("paediatric", text, _WARN, reading.paediatric))
    return reasons


def _burned_in(image: StudyImage) -> list[GateReason]:
    boxes = detect_text_boxes(image.display)
    if not boxes and image.burned_in_annotation is not True:
        return []
    if boxes:
        text = "The picture holds burned-in text; it is covered in pictures that are passed on."
    else:
        text = "The file says that its picture holds burned-in text, but none was found to cover."
    return [_reason("burned_in_text", text, _WARN, float(len(boxes)))]
