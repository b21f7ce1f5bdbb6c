"""Placing boxes: the side and region of every detection, read off the anatomical masks.

What an expert or a text says of the place of a box is not used where masks are there; without
masks the expert's own side and region stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from findings.errors import ExpertError
from findings.evidence import Detection, Evidence, RegionMask
from findings.vocabulary import Side

if TYPE_CHECKING:
    from imaging.regions import ChestRegions


def place(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """The same evidence, in the same order, with every detection placed by the masks.

    Raises `ExpertError` where the masks do not fit one another.
    """
    items = tuple(evidence)
    regions: dict[int, ChestRegions | None] = {}
    placed: list[Evidence] = []
    for item in items:
        if not isinstance(item, Detection):
            placed.append(item)
            continue
        if item.image not in regions:
            regions[item.image] = chest_regions(items, item.image)
        placed.append(_place(item, regions[item.image]))
    return tuple(placed)


def chest_regions(evidence: Iterable[Evidence], image: int = 0) -> ChestRegions | None:
    """The regions of one image as its masks place them; `None` where there is no mask.

    Raises `ExpertError` where the masks do not fit one another.
    """
    from imaging.masks import decode_mask
    from imaging.regions import derive_regions
    from imaging.thorax import STRUCTURES

    drawn = {
        item.region: item
        for item in evidence
        if isinstance(item, RegionMask)
        and item.image == image
        and item.mask is not None
        and item.region in STRUCTURES
    }
    if not drawn:
        return None
    try:
        return derive_regions(
            {region: decode_mask(item.mask) for region, item in drawn.items() if item.mask},
            {region: item.quality for region, item in drawn.items()},
        )
    except ValueError as error:
        raise ExpertError(
            "The anatomical masks do not fit one another, so boxes were placed without them."
        ) from error


def _place(item: Detection, regions: ChestRegions | None) -> Detection:
    if regions is None:
        return item
    from imaging.regions import locate, side_of

    side = side_of(item.box, regions)
    region = locate(item.box, regions)
    return item.model_copy(
        update={"side": None if side is Side.MIDLINE else side, "region": region}
    )
