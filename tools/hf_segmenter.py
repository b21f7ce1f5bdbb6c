"""Any Hugging Face semantic segmenter as an expert: `hf:ORG/NAME` or `hf:/FOLDER`, a label map."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from findings.evidence import Evidence
from imaging.study import Study
from models.published.label_map import RegionLabels, read_label_map
from tools.contract import ExpertContext
from tools.hub_expert import HubExpert
from tools.outline_evidence import outline_evidence

if TYPE_CHECKING:
    from models.published.hub_segmenter import HubSegmenter


class HubSegmenterExpert(HubExpert["HubSegmenter", RegionLabels]):
    """Outlines the regions of the label map and derives the others from them."""

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """Masks of what is found, and the regions that they place."""
        outlines = self._model.get().outline(study.frontal.display)
        yield from outline_evidence(outlines, self.card)

    def read(self, file: Path) -> RegionLabels:
        """The label map."""
        return read_label_map(file, RegionLabels)

    def load(self, folder: Path, labels: RegionLabels) -> HubSegmenter:
        """The model."""
        from models.published.hub_segmenter import HubSegmenter

        return HubSegmenter(folder, labels)
