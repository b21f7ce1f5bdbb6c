"""What the page's viewer is given: the film as a picture, outlines, boxes, sentences, evidence.

Everything is plain JSON; the page puts texts in as text, never as markup.
"""

from __future__ import annotations

import base64
import io
from typing import Any

from agents.conversation.phrases import phrases
from findings.catalogue import describe, region_name
from findings.evidence import (
    Classification,
    Detection,
    Evidence,
    MeasurementEvidence,
    RegionMask,
)
from findings.vocabulary import Language
from imaging.study import StudyImage
from reporting.draft import Draft

_LARGEST_SIDE = 1400
_MOST_OUTLINE_POINTS = 400


def film_view(draft: Draft, image: StudyImage) -> dict[str, Any]:
    """The viewer's value: see `assets/viewer.js`, which reads it."""
    picture, scale = _picture(image)
    return {
        "film": picture,
        "scale": scale,
        "width": image.width,
        "height": image.height,
        "language": draft.language.value,
        "status": draft.status.value,
        "writer": draft.writer.value,
        "sections": [
            {
                "name": section.name.value,
                "sentences": [
                    {
                        "id": sentence.id,
                        "text": sentence.text,
                        "evidence": list(sentence.evidence),
                        "entries": list(sentence.entries),
                        "certainty": next((c.certainty.value for c in sentence.claims), None),
                        "present": any(claim.present for claim in sentence.claims),
                    }
                    for sentence in section.sentences
                ],
            }
            for section in draft.sections
        ],
        "evidence": {item.id: _evidence(item, draft.language) for item in draft.evidence},
        "ledger": {
            entry.id: {
                "title": describe(entry.finding).name(draft.language),
                "probability": entry.probability,
                "decision": phrases(draft.language).decisions[entry.decision],
                "reason": entry.reason,
                "votes": [
                    {
                        "expert": vote.expert,
                        "polarity": vote.polarity.value,
                        "probability": vote.probability,
                        "evidence": vote.evidence,
                    }
                    for vote in entry.votes
                ],
                "disagreements": [f"{d.detail} {d.settled_by}" for d in entry.disagreements],
                "regions": _regions(draft, entry.region),
            }
            for entry in draft.ledger
        },
        "neighbours": [
            {"id": n.report_id, "similarity": n.similarity, "text": n.text}
            for n in draft.neighbours
        ],
        "experts": [{"role": note.role, "status": note.status} for note in draft.experts],
        "warnings": list(draft.warnings),
        "show": [],
    }


def _regions(draft: Draft, region: object) -> list[str]:
    return [
        item.id for item in draft.evidence if isinstance(item, RegionMask) and item.region == region
    ]


def _picture(image: StudyImage) -> tuple[str, float]:
    """The display pixels as a PNG address, burned-in text masked; and its scale to the image's."""
    import numpy as np
    from PIL import Image

    from imaging.burned_in import detect_text_boxes, mask_text

    shown = mask_text(image.display, detect_text_boxes(image.display))
    pixels = np.nan_to_num(shown, nan=0.0, posinf=1.0, neginf=0.0)
    eight_bit = (np.clip(pixels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    picture = Image.fromarray(eight_bit)
    scale = min(1.0, _LARGEST_SIDE / max(picture.size))
    if scale < 1.0:
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}", scale


def _evidence(item: Evidence, language: Language) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "kind": item.kind,
        "expert": item.expert,
        "title": _title(item, language),
        "probability": item.probability,
        "side": item.side.value if item.side else None,
        "box": list(item.box) if item.box else None,
        "text": item.text,
    }
    if isinstance(item, Classification):
        shown["thresholds"] = [item.sensitive_threshold, item.threshold, item.confident_threshold]
        shown["plausible"] = item.plausible.value if item.plausible else None
    if isinstance(item, Detection):
        shown["weak"] = item.weak
    if isinstance(item, RegionMask):
        shown["outlines"] = _outlines(item)
        shown["quality"] = item.quality
    if isinstance(item, MeasurementEvidence):
        shown["lines"] = [list(point) for point in item.landmarks]
        shown["measurement"] = item.measurement.model_dump(mode="json")
    return shown


def _title(item: Evidence, language: Language) -> str:
    if isinstance(item, MeasurementEvidence):
        names = phrases(language).measures
        return names.get(item.measurement.name, item.measurement.name.replace("_", " "))
    if item.finding is not None:
        return describe(item.finding).name(language)
    return region_name(item.region, language) if item.region is not None else item.kind


def _outlines(item: RegionMask) -> list[list[tuple[float, float]]]:
    from imaging.masks import decode_mask, outline

    if item.mask is None:
        return []
    rings = []
    for ring in outline(decode_mask(item.mask)):
        step = max(1, len(ring) // _MOST_OUTLINE_POINTS)
        rings.append([(float(x), float(y)) for x, y in ring[::step]])
    return rings
