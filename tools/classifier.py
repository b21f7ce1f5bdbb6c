"""The classifier: calibrated probabilities of fourteen findings and of tuberculosis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from findings.evidence import Box, Classification, Evidence, RegionMask
from findings.regions import Region
from findings.vocabulary import Finding
from imaging.study import FloatImage, Study
from tools.contract import ExpertContext, Role
from tools.embedded import NetworkExpert, evidence_ids
from tools.trust import TRUSTED_QUALITY

if TYPE_CHECKING:
    from models.classifier.inference import ClassifierOutput


SCREENS: Final = frozenset({Finding.TUBERCULOSIS})
"""Learnt from films of tuberculosis clinics alone: on others it raises false alarms."""


class FindingModel(Protocol):
    """What judges the image: `models.classifier.inference.FindingClassifier`."""

    def classify(self, display: FloatImage, lung_box: Box | None = None) -> ClassifierOutput:
        """Probabilities with operating points; `lung_box` is the box around both lungs."""
        ...


class ClassifierExpert(NetworkExpert[FindingModel]):
    """Judges the image. With the segmenter's lungs it looks at them; without, at everything."""

    role = Role.CLASSIFIER
    folder = "finding_classifier"
    seconds = 0.5
    uses = (Role.SEGMENTER,)

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
            rule = judged.conformal.get(finding)
            yield Classification(
                id=next(ids),
                expert=card.name,
                version=card.version,
                finding=finding,
                probability=probability,
                threshold=points.balanced.threshold,
                sensitive_threshold=points.sensitive.threshold,
                confident_threshold=points.confident.threshold if points.confident else 1.0,
                plausible=rule.judge(probability) if rule else None,
                coverage=rule.coverage if rule else None,
                screen=finding in SCREENS,
            )

    def load(self) -> FindingModel:
        """See `NetworkExpert`."""
        from models.classifier.inference import FindingClassifier

        return FindingClassifier.load(self.home)


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
