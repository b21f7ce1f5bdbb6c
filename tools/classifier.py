"""The classifier: calibrated probabilities of fourteen findings on the whole image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from findings.evidence import Box, Classification, Evidence, RegionMask
from findings.regions import Region
from imaging.study import FloatImage, Study
from tools.contract import ExpertCard, ExpertContext, Role
from tools.embedded import LICENCE, EmbeddedExpert, Once, ShippedNetwork, evidence_ids
from tools.trust import TRUSTED_QUALITY

if TYPE_CHECKING:
    from models.classifier.inference import ClassifierOutput

FOLDER: Final = "finding_classifier"
SECONDS: Final = 0.5


class FindingModel(Protocol):
    """What judges the image: `models.classifier.inference.FindingClassifier`."""

    def classify(self, display: FloatImage, lung_box: Box | None = None) -> ClassifierOutput:
        """Probabilities with operating points; `lung_box` is the box around both lungs."""
        ...


class ClassifierExpert(EmbeddedExpert):
    """Judges the image. With the segmenter's lungs it looks at them; without, at everything."""

    def __init__(self, cache: Path, model: FindingModel | None = None) -> None:
        """`cache` is where pulled weights live (unused: these ship with the application)."""
        self._given = model
        self._model: Once[FindingModel] = Once(self._load)

    @property
    def card(self) -> ExpertCard:
        """Identity as the shipped configuration states it."""
        shipped = ShippedNetwork.read(FOLDER)
        return ExpertCard(
            role=Role.CLASSIFIER,
            name=shipped.name if shipped else "finding-classifier",
            version=shipped.version if shipped else "none",
            licence=shipped.licence if shipped else LICENCE,
            sha256=shipped.weights_sha256 if shipped else None,
            uses=(Role.SEGMENTER,),
            seconds=SECONDS,
        )

    def installed(self) -> bool:
        """Whether the weights are in place."""
        return self._given is not None or ShippedNetwork.read(FOLDER) is not None

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """One classification per finding, in the model's order.

        A finding for which no confident operating point could be supported has the confident
        threshold 1: the classifier alone never calls it definite.
        """
        box = lung_box(context.evidence)
        judged = self._model.get().classify(study.frontal.display, box)
        ids, card = evidence_ids(), self.card
        for finding, probability in judged.probability.items():
            points = judged.operating_points[finding]
            yield Classification(
                id=next(ids),
                expert=card.name,
                version=card.version,
                finding=finding,
                probability=probability,
                threshold=points.balanced.threshold,
                sensitive_threshold=points.sensitive.threshold,
                confident_threshold=points.confident.threshold if points.confident else 1.0,
            )

    def _load(self) -> FindingModel:
        if self._given is not None:
            return self._given
        from models.classifier.inference import FindingClassifier

        return FindingClassifier.load()


def lung_box(evidence: Iterable[Evidence]) -> Box | None:
    """The box around both lungs; `None` unless both were found and can be trusted."""
    lungs = {
        item.region: item.box
        for item in evidence
        if isinstance(item, RegionMask)
        and item.region in (Region.LEFT_LUNG, Region.RIGHT_LUNG)
        and item.quality >= TRUSTED_QUALITY
    }
    if len(lungs) < 2:
        return None
    boxes = list(lungs.values())
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )
