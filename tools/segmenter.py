"""The anatomy segmenter: outlines of lungs, heart, clavicles, and the regions they place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol

from findings.evidence import Evidence, RegionMask
from findings.regions import CLALA_REGIONS, Region, region_side
from imaging.study import FloatImage, Mask, Study
from tools.contract import ExpertContext, Role
from tools.embedded import NetworkExpert, evidence_ids
from tools.trust import USABLE_QUALITY

if TYPE_CHECKING:
    from models.segmenter.inference import AnatomyMasks


REGION_OF_STRUCTURE: Final = {
    "left_lung": Region.LEFT_LUNG,
    "right_lung": Region.RIGHT_LUNG,
    "heart": Region.CARDIAC_SILHOUETTE,
    "left_clavicle": Region.LEFT_CLAVICLE,
    "right_clavicle": Region.RIGHT_CLAVICLE,
    "airways": Region.TRACHEA,
    "cardiomediastinum": Region.MEDIASTINUM,
}


class AnatomyModel(Protocol):
    """What outlines the structures: `models.segmenter.inference.AnatomySegmenter`."""

    def segment(self, display: FloatImage) -> AnatomyMasks:
        """Masks at the image's size, each with its quality."""
        ...


class SegmenterExpert(NetworkExpert[AnatomyModel]):
    """Says where the anatomy is: masks of structures, boxes of the regions derived from them."""

    role = Role.SEGMENTER
    folder = "anatomy_segmenter"
    seconds = 0.25

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """The structures' masks first, then the regions in the order of CLALA-Net, then zones.

        A mask's evidence holds the outline without stray parts. Nothing where nothing is found.
        """
        from imaging.masks import encode_mask
        from imaging.regions import derive_regions
        from imaging.thorax import FURTHER_STRUCTURES, STRUCTURES

        masks, quality = by_region(self._model.get().segment(study.frontal.display))
        usable = {
            region: mask for region, mask in masks.items() if quality[region] >= USABLE_QUALITY
        }
        placed = derive_regions(usable, quality).placed
        outlined = (*STRUCTURES, *FURTHER_STRUCTURES)
        order = dict.fromkeys((*STRUCTURES, *CLALA_REGIONS, *placed))
        ids, card = evidence_ids(), self.card
        for region in order:
            found = placed.get(region)
            if found is None:
                continue
            mask = found.structure if region in outlined else None
            yield RegionMask(
                id=next(ids),
                expert=card.name,
                version=card.version,
                region=region,
                side=region_side(region),
                box=found.box,
                quality=min(max(found.quality, 0.0), 1.0),
                mask=None if mask is None else encode_mask(mask),
            )

    def load(self) -> AnatomyModel:
        """The shipped network."""
        from models.segmenter.inference import AnatomySegmenter

        return AnatomySegmenter.load()


def by_region(outlined: AnatomyMasks) -> tuple[dict[Region, Mask], dict[Region, float]]:
    """The model's masks and their qualities, under the regions that they outline."""
    masks = {REGION_OF_STRUCTURE[part.value]: mask for part, mask in outlined.masks.items()}
    quality = {REGION_OF_STRUCTURE[part.value]: score for part, score in outlined.quality.items()}
    return masks, quality
