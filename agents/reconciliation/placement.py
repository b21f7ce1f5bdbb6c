"""Placing boxes: the side and region of every detection, read off the anatomical masks.

What an expert or a text says of the place of a box is not used where masks are there; without
masks the expert's own side and region stand. What of the lungs is seen through the heart lies
behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from findings.catalogue import FindingGroup, describe
from findings.evidence import Detection, Evidence
from findings.regions import Region
from findings.vocabulary import Side
from tools.anatomy import chest_regions

if TYPE_CHECKING:
    from imaging.regions import ChestRegions


_BEHIND = {Region.CARDIAC_SILHOUETTE: Region.RETROCARDIAC}
"""Where what belongs to the lungs lies that is seen through another organ."""

_UNSIDED = (FindingGroup.HEART, FindingGroup.MEDIASTINUM)
"""A large heart reaches over the midline and is on no side."""


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


def _place(item: Detection, regions: ChestRegions | None) -> Detection:
    if regions is None:
        return item
    from imaging.regions import locate, side_of

    region = locate(item.box, regions)
    group = describe(item.finding).group
    if group is FindingGroup.LUNGS and region is not None:
        region = _BEHIND.get(region, region)
    side = None if group in _UNSIDED else side_of(item.box, regions)
    return item.model_copy(
        update={"side": None if side is Side.MIDLINE else side, "region": region}
    )
