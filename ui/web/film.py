"""The film as the page's viewer takes it: grey values in full depth, place and scale."""

from __future__ import annotations

import base64
import io
from typing import Any, Final

from imaging.study import StudyImage

LARGEST_SIDE: Final = 2048
"""Of the picture that is sent; larger films are sent smaller, and the page says so."""
DEEP_LEVELS: Final = 4095
"""Grey levels of a film that was stored in more than eight bits."""
_THUMB: Final = 56


def film_view(image: StudyImage) -> dict[str, Any]:
    """The viewer's picture of one image: see `assets/film.js`, which reads it.

    A film of more than eight bits is sent as a colour PNG whose red and green are the high and the
    low byte of its twelve-bit grey values: browsers decode no deeper pictures. Burned-in text is
    masked, since it may name the patient.
    """
    import numpy as np
    from PIL import Image

    from imaging.burned_in import detect_text_boxes, mask_text

    shown = mask_text(image.display, detect_text_boxes(image.display))
    pixels = np.clip(np.nan_to_num(shown, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    scale = min(1.0, LARGEST_SIDE / max(pixels.shape))
    if scale < 1.0:
        size = (round(image.width * scale), round(image.height * scale))
        small = Image.fromarray(pixels.astype(np.float32)).resize(size, Image.Resampling.LANCZOS)
        pixels = np.clip(np.asarray(small), 0.0, 1.0)
    deep = image.bits_stored > 8
    levels = DEEP_LEVELS if deep else 255
    grey = (pixels * levels + 0.5).astype(np.uint16)
    if deep:
        packed = np.zeros((*grey.shape, 3), np.uint8)
        packed[..., 0], packed[..., 1] = grey >> 8, grey & 255
    else:
        packed = grey.astype(np.uint8)
    thumb = Image.fromarray((pixels * 255).astype(np.uint8))
    thumb.thumbnail((_THUMB, _THUMB))
    spacing = image.spacing
    return {
        "picture": _png(Image.fromarray(packed)),
        "thumb": _png(thumb),
        "levels": levels,
        "scale": scale,
        "width": image.width,
        "height": image.height,
        "view": image.view.value,
        "view_source": image.view_source.value,
        "spacing": None
        if spacing is None
        else {
            "row": spacing.row_mm,
            "column": spacing.column_mm,
            "provenance": spacing.provenance.value,
        },
        "notes": list(image.notes),
    }


def _png(picture: Any) -> str:
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
