"""The anatomy of an image as the segmenter's evidence states it, for experts that place boxes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from findings.errors import ExpertError
from findings.evidence import Evidence, RegionMask

if TYPE_CHECKING:
    from imaging.regions import ChestRegions


def chest_regions(evidence: Iterable[Evidence], image: int = 0) -> ChestRegions | None:
    """The regions of one image as its masks place them; `None` where there is no mask.

    Raises `ExpertError` where the masks do not fit one another.
    """
    from imaging.masks import decode_mask
    from imaging.regions import derive_regions
    from imaging.thorax import STRUCTURES

    outlines = {
        item.region: item
        for item in evidence
        if isinstance(item, RegionMask)
        and item.image == image
        and item.mask is not None
        and item.region in STRUCTURES
    }
    if not outlines:
        return None
    masks = {region: decode_mask(item.mask) for region, item in outlines.items() if item.mask}
    try:
        return derive_regions(masks, {region: item.quality for region, item in outlines.items()})
    except ValueError as error:
        raise ExpertError(
            "The anatomical masks do not fit one another, so boxes were placed without them."
        ) from error
