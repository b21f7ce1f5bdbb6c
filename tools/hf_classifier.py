"""Any Hugging Face image classifier as an expert: `hf:ORG/NAME` or `hf:/FOLDER`, a label map."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from findings.evidence import Classification, Evidence
from imaging.study import Study
from models.published.label_map import FindingLabels, read_label_map
from tools.contract import ExpertContext
from tools.embedded import evidence_ids
from tools.hub_expert import HubExpert

if TYPE_CHECKING:
    from models.published.hub_classifier import HubClassifier


class HubClassifierExpert(HubExpert["HubClassifier", FindingLabels]):
    """Judges the whole image; its operating points are those of the label map."""

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """One classification for each finding of the label map, in the map's order."""
        ids, card = evidence_ids(), self.card
        judged = self._model.get().judge(study.frontal.display)
        for finding, (probability, points) in judged.items():
            yield Classification(
                id=next(ids),
                expert=card.name,
                version=card.version,
                finding=finding,
                probability=probability,
                threshold=points.threshold,
                sensitive_threshold=points.sensitive,
                confident_threshold=points.confident,
            )

    def read(self, file: Path) -> FindingLabels:
        """The label map."""
        return read_label_map(file, FindingLabels)

    def load(self, folder: Path, labels: FindingLabels) -> HubClassifier:
        """The model."""
        from models.published.hub_classifier import HubClassifier

        return HubClassifier(folder, labels)
