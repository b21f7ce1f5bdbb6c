"""The measurer: cardiothoracic ratio and lung measurements on the segmenter's masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from findings.errors import ExpertError
from findings.evidence import Evidence, MeasurementEvidence, RegionMask
from findings.regions import Region
from findings.vocabulary import Finding, Side
from imaging.study import Study, StudyImage, View
from imaging.thoracic_measurements import (
    CARDIAC_WIDTH,
    CARDIOTHORACIC_RATIO,
    HEMIDIAPHRAGM_LEVEL_DIFFERENCE,
    ThoracicMeasurement,
    cardiothoracic_threshold,
    measure_thorax,
)
from imaging.thorax import STRUCTURES
from tools.cardiomegaly import cardiomegaly_polarity, cardiomegaly_probability, ratio_error
from tools.contract import ExpertCard, ExpertContext, Role
from tools.embedded import LICENCE, VERSION, EmbeddedExpert, evidence_ids
from tools.trust import TRUSTED_QUALITY

NAME: Final = "thoracic-measurer"
SECONDS: Final = 0.1

_DECIMALS: Final = {"1": 3, "mm": 1, "cm2": 1, "%": 1, "{pixel}": 0}
_REGION: Final = {
    CARDIOTHORACIC_RATIO: Region.CARDIAC_SILHOUETTE,
    CARDIAC_WIDTH: Region.CARDIAC_SILHOUETTE,
    HEMIDIAPHRAGM_LEVEL_DIFFERENCE: Region.DIAPHRAGM,
}
_LUNG: Final = {Side.LEFT: Region.LEFT_LUNG, Side.RIGHT: Region.RIGHT_LUNG}


class MeasurerExpert(EmbeddedExpert):
    """Measures on masks; what rests on a mask that cannot be trusted is not stated."""

    def __init__(self, cache: Path) -> None:
        """`cache` is where pulled weights live (unused: this expert is rules)."""

    @property
    def card(self) -> ExpertCard:
        """Identity of the rules."""
        return ExpertCard(
            role=Role.MEASURER,
            name=NAME,
            version=VERSION,
            licence=LICENCE,
            needs=(Role.SEGMENTER,),
            seconds=SECONDS,
        )

    def installed(self) -> bool:
        """Always: there are no weights."""
        return True

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """Every measurement the masks of the segmenter allow, the cardiothoracic ratio first.

        Raises `ExpertError` where the segmenter gave no masks or none that can be trusted.
        """
        from imaging.masks import decode_mask

        outlines = {
            item.region: item
            for item in context.evidence
            if isinstance(item, RegionMask) and item.mask is not None and item.region in STRUCTURES
        }
        masks = {region: decode_mask(o.mask) for region, o in outlines.items() if o.mask}
        quality = {region: item.quality for region, item in outlines.items()}
        taken = measure_thorax(masks, study.frontal.spacing, quality)
        trusted = [item for item in taken if item.quality >= TRUSTED_QUALITY]
        if not trusted:
            raise ExpertError(
                "No outline of lungs and heart can be trusted on this image, so nothing was "
                "measured. Measure by hand where a number is needed."
            )
        ids = evidence_ids()
        for item in trusted:
            yield self._evidence(next(ids), item, study.frontal, outlines)

    def _evidence(
        self,
        number: str,
        item: ThoracicMeasurement,
        image: StudyImage,
        outlines: dict[Region, RegionMask],
    ) -> MeasurementEvidence:
        found = item.measurement
        region = _REGION.get(found.name) or (_LUNG.get(item.side) if item.side else None)
        outline = outlines.get(region) if region is not None else None
        stated = found.model_copy(update={"value": round(found.value, _DECIMALS[found.unit])})
        plain = MeasurementEvidence(
            id=number,
            expert=NAME,
            version=VERSION,
            measurement=stated,
            side=item.side,
            region=region,
            box=outline.box if outline is not None else None,
            landmarks=item.landmarks,
        )
        if found.name != CARDIOTHORACIC_RATIO:
            return plain
        limit = cardiothoracic_threshold(image.view)
        error = ratio_error(indirect=item.indirect)
        return plain.model_copy(
            update={
                "finding": Finding.CARDIOMEGALY,
                "probability": cardiomegaly_probability(found.value, image.view, error),
                "polarity": cardiomegaly_polarity(found.value, image.view, error),
                "standard_error": error,
                "text": f"{found.value:.2f} ± {error:.2f}; {_limit(image.view, limit)}",
            }
        )


def _limit(view: View, limit: float) -> str:
    if view is View.AP:
        return f"AP view magnifies the heart: limit {limit:.2f}"
    if view is View.PA:
        return f"limit on a PA view {limit:.2f}"
    return f"view not known: PA limit {limit:.2f} assumed"
