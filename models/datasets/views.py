"""The projection of a radiograph out of the words that data sets have for it."""

from __future__ import annotations

from typing import Final

from imaging.study import View

_VIEWS: Final = {
    "PA": View.PA,
    "POSTEROANTERIOR": View.PA,
    "AP": View.AP,
    "ANTEROPOSTERIOR": View.AP,
    "AP SUPINE": View.AP,
    "AP ERECT": View.AP,
    "AP_HORIZONTAL": View.AP,
    "L": View.LATERAL,
    "LL": View.LATERAL,
    "RL": View.LATERAL,
    "LLD": View.LATERAL,
    "LATERAL": View.LATERAL,
}


def view_of(word: str) -> View:
    """The projection that a data set's word means; `UNKNOWN` where it is none of ours."""
    return _VIEWS.get(word.strip().upper(), View.UNKNOWN)
