"""What an expert states of a film is kept, for the film as it was shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from evaluation.experts.readings import Film, Readings
from findings.evidence import Evidence
from imaging.study import Study, View
from tools.contract import Expert, ExpertCard, ExpertContext, Role


class ViewKeeper:
    """Remembers the views it was shown."""

    def __init__(self) -> None:
        self.card = ExpertCard(role=Role.CLUES, name="keeper", version="1", licence="none")
        self.seen: list[View] = []

    def installed(self) -> bool:
        """Always."""
        return True

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        """No evidence."""
        self.seen.append(study.frontal.view)
        return ()


def test_a_film_is_looked_at_once_for_each_view_that_it_is_said_to_have(tmp_path: Path) -> None:
    """An AP film has another limit for the heart, so one answer does not do for both."""
    image = tmp_path / "film.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(image)
    keeper = ViewKeeper()
    experts: dict[Role, Expert] = {Role.CLUES: keeper}
    readings = Readings(experts, workers=1)
    for view in (View.AP, View.UNKNOWN, View.AP):
        readings.of(Role.CLUES, Film(image, view))
        readings.prepare((Role.CLUES,), [Film(image, view)])
    assert keeper.seen == [View.AP, View.UNKNOWN]
