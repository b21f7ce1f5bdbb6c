"""The detector: findings with boxes, each placed by the anatomy of the image at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from findings.errors import ExpertError
from findings.evidence import Box, Classification, Detection, Evidence
from findings.regions import Region
from findings.vocabulary import Finding, Side
from imaging.study import FloatImage, Study
from tools.anatomy import chest_regions
from tools.contract import ExpertContext, Role
from tools.embedded import NetworkExpert, Once, evidence_ids

if TYPE_CHECKING:
    from imaging.regions import ChestRegions
    from models.detector.inference import DetectorOutput

FOCAL: Final = (Finding.FIBROSIS, Finding.PLEURAL_THICKENING, Finding.HERNIA)
"""Findings without drawn boxes to learn from that lie in one place. Edema and emphysema are left
out: they are diffuse, and a box from a coarse map would put them on one side."""

HEART_SHARE: Final = 0.5
"""Of a box of cardiomegaly, what must lie on the heart's box."""


class BoxModel(Protocol):
    """What finds boxes: `models.detector.inference.FindingDetector`."""

    def detect(self, display: FloatImage) -> DetectorOutput:
        """The boxes worth showing, in display pixels."""
        ...


class ActivationModel(Protocol):
    """What places a finding by activation: `models.detector.activation.ActivationPlacer`."""

    def place(self, display: FloatImage, findings: tuple[Finding, ...]) -> dict[Finding, Box]:
        """A box in display pixels for each finding that has a place."""
        ...


@dataclass(frozen=True)
class _Place:
    """Where a box lies."""

    side: Side | None
    region: Region | None


class DetectorExpert(NetworkExpert[BoxModel]):
    """States boxes. The segmenter's masks say where they lie, and which cannot be.

    For focal findings that the classifier affirms and no drawn box taught, it adds a weak box from
    the classifier's activation map: a place, with the classifier's own probability.
    """

    role = Role.DETECTOR
    folder = "finding_detector"
    seconds = 0.3
    uses = (Role.SEGMENTER, Role.CLASSIFIER)

    def __init__(
        self,
        cache: Path,
        model: BoxModel | None = None,
        activation: ActivationModel | None = None,
    ) -> None:
        """`model` and `activation` take the place of the shipped networks."""
        super().__init__(cache, model)
        self._activation: Once[ActivationModel] = Once(
            _load_activation if activation is None else lambda: activation
        )

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """The network's boxes, most probable first, then the weak ones."""
        display = study.frontal.display
        regions: ChestRegions | None = None
        # Masks that do not fit one another place nothing; the boxes stand all the same.
        with suppress(ExpertError):
            regions = chest_regions(context.evidence)
        ids, card = evidence_ids(), self.card
        found = [
            (box.finding, box.box, box.probability, False)
            for box in self._model.get().detect(display).boxes
            if box.probability is not None
        ]
        found.sort(key=lambda item: -item[2])
        affirmed = affirmed_focal(context.evidence)
        if affirmed:
            boxes = self._activation.get().place(display, tuple(affirmed))
            found += [(f, boxes[f], p, True) for f, p in affirmed.items() if f in boxes]
        for finding, box, probability, weak in found:
            place = _placed(finding, box, regions)
            if place is None:
                continue
            yield Detection(
                id=next(ids),
                expert=card.name,
                version=card.version,
                finding=finding,
                probability=probability,
                box=box,
                side=place.side,
                region=place.region,
                weak=weak,
            )

    def load(self) -> BoxModel:
        """See `NetworkExpert`."""
        from models.detector.inference import FindingDetector

        return FindingDetector.load(self.home)


def affirmed_focal(evidence: Iterable[Evidence]) -> dict[Finding, float]:
    """Focal findings at or above the classifier's balanced operating point, with probability."""
    return {
        item.finding: item.probability
        for item in evidence
        if isinstance(item, Classification)
        and item.finding in FOCAL
        and item.probability >= item.threshold
    }


def _placed(finding: Finding, box: Box, regions: ChestRegions | None) -> _Place | None:
    """Side and region of a box; `None` where the finding cannot lie there.

    A box that meets no part of the chest is no finding, nor is cardiomegaly off the heart. Without
    masks nothing is known of the place, and nothing is held against the box.
    """
    if regions is None:
        return _Place(None, None)
    from imaging.geometry import box_area, box_intersection
    from imaging.regions import locate, side_of

    region = locate(box, regions)
    if region is None:
        return None
    if finding is Finding.CARDIOMEGALY:
        heart = regions.get(Region.CARDIAC_SILHOUETTE)
        if heart is not None and box_intersection(box, heart.box) < HEART_SHARE * box_area(box):
            return None
        return _Place(None, Region.CARDIAC_SILHOUETTE)
    side = side_of(box, regions)
    return _Place(None if side is Side.MIDLINE else side, region)


def _load_activation() -> ActivationModel:
    from models.detector.activation import ActivationPlacer

    return ActivationPlacer.load()
