"""The clue retriever: disease clues by image-text similarity (TRRG, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from findings.evidence import Clue, Evidence
from imaging.study import FloatImage, Study
from tools.contract import ExpertContext, Role
from tools.embedded import NetworkExpert, evidence_ids

if TYPE_CHECKING:
    from models.clues.inference import ClueOutput


class ClueModel(Protocol):
    """What retrieves the clues: `models.clues.inference.ImageClues`."""

    def look(self, display: FloatImage) -> ClueOutput:
        """The clues of an image, heaviest first."""
        ...


class ClueExpert(NetworkExpert[ClueModel]):
    """Retrieves clues by what the classifier's trunk sees and sentences taught to mean."""

    role = Role.CLUES
    folder = "clue_retriever"
    seconds = 0.2

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """At most three clues, each at least as probable as its disease's stated floor."""
        output = self._model.get().look(study.frontal.display)
        ids, card = evidence_ids(), self.card
        for clue in output.clues:
            yield Clue(
                id=next(ids),
                expert=card.name,
                version=card.version,
                finding=clue.finding,
                probability=clue.probability,
                side=clue.side,
                region=clue.region,
                text=clue.text,
            )

    def load(self) -> ClueModel:
        """The shipped network, over the shipped classifier's trunk."""
        from models.clues.inference import ImageClues

        return ImageClues.load()
