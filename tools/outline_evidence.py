"""From the outlines of a published segmenter to evidence: masks, and the regions they place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from findings.evidence import RegionMask
from findings.regions import CLALA_REGIONS, region_side
from imaging.study import Mask
from tools.contract import ExpertCard
from tools.embedded import evidence_ids
from tools.trust import USABLE_QUALITY

if TYPE_CHECKING:
    from models.published.outlines import Outlines


def outline_evidence(outlines: Outlines, card: ExpertCard) -> Iterator[RegionMask]:
    """Structures first, then the regions in the order of CLALA-Net, then all others.

    Lungs, heart and clavicles place the regions (`imaging.regions`); what the network outlines
    itself takes the place of what would be derived. Masks below `USABLE_QUALITY` are left out.
    """
    from imaging.masks import encode_mask, mask_box
    from imaging.regions import derive_regions
    from imaging.thorax import STRUCTURES

    usable = {
        region: mask
        for region, mask in outlines.masks.items()
        if outlines.quality[region] >= USABLE_QUALITY and mask.any()
    }
    placed = derive_regions(usable, outlines.quality).placed
    ids = evidence_ids()
    for region in dict.fromkeys((*STRUCTURES, *CLALA_REGIONS, *placed, *usable)):
        found = placed.get(region)
        mask: Mask | None
        if region in usable and region not in STRUCTURES:
            mask, quality = usable[region], outlines.quality[region]
            box = mask_box(mask)
        elif found is not None:
            mask = found.structure if region in STRUCTURES else None
            quality, box = found.quality, found.box
        else:
            continue
        if box is None:
            continue
        yield RegionMask(
            id=next(ids),
            expert=card.name,
            version=card.version,
            region=region,
            side=region_side(region),
            box=box,
            quality=min(max(quality, 0.0), 1.0),
            mask=None if mask is None else encode_mask(mask),
        )
