"""How good a mask must be before anything is measured on it or cut by it."""

from __future__ import annotations

from typing import Final

TRUSTED_QUALITY: Final = 0.5
"""The segmenter's own limit (`models.segmenter.inference.TRUSTED_QUALITY`), kept here as well so
that reading it loads no network; a test holds the two together."""

USABLE_QUALITY: Final = 0.3
"""Below it a mask is no help even in placing regions, and is left out."""
