"""The clue expert: what the retriever finds becomes evidence, on a drawn chest too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from findings.errors import ExpertError
from findings.evidence import Clue
from findings.labeler import label_report
from findings.regions import Region
from findings.vocabulary import Finding, Language, Side
from imaging.study import FloatImage, Study, StudyImage, View
from imaging.synthetic import PleuralEffusion, SampleRequest, generate
from models.clues.inference import ClueOutput, RetrievedClue
from tools.clues import ClueExpert
from tools.contract import ExpertContext, Role
from tools.embedded import ShippedNetwork


class OneClue:
    """States one clue of every image."""

    def look(self, display: FloatImage) -> ClueOutput:
        """Fluid on the left, as probable as the last pixel is bright."""
        clue = RetrievedClue(
            finding=Finding.PLEURAL_EFFUSION,
            probability=float(display[-1, -1]),
            weight=0.6,
            side=Side.LEFT,
            region=Region.LEFT_LUNG,
            text="Clue: pleural effusion at the left lung",
        )
        return ClueOutput(np.zeros(4, dtype=np.float32), {}, (clue,), 0.0)


def test_a_clue_is_evidence_with_its_prompt(cache: Path, make_study: Callable[..., Study]) -> None:
    expert = ClueExpert(cache, OneClue())
    (clue,) = expert.run(make_study(effusion=0.7), ExpertContext())
    assert isinstance(clue, Clue)
    assert (clue.id, clue.finding, clue.side, clue.region) == (
        "E1",
        Finding.PLEURAL_EFFUSION,
        Side.LEFT,
        Region.LEFT_LUNG,
    )
    assert clue.probability == pytest.approx(0.7)
    assert clue.text.startswith("Clue: ")
    assert expert.card.role is Role.CLUES


def test_a_failure_is_an_expert_error(cache: Path, make_study: Callable[..., Study]) -> None:
    class Broken:
        def look(self, display: FloatImage) -> ClueOutput:
            raise RuntimeError

    with pytest.raises(ExpertError, match="clues failed"):
        ClueExpert(cache, Broken()).run(make_study(), ExpertContext())


def test_the_shipped_retriever_on_a_drawn_chest(cache: Path) -> None:
    if ShippedNetwork.read("clue_retriever") is None:
        pytest.skip("the clue retriever is not shipped")
    expert = ClueExpert(cache)
    drawn = generate(SampleRequest(seed=3, findings=(PleuralEffusion(side=Side.LEFT),)))
    display = drawn.pixels.astype(np.float32) / float(drawn.pixels.max())
    display.setflags(write=False)
    study = Study(images=(StudyImage(display=display, view=View.PA),), study_key="drawn")
    clues = expert.run(study, ExpertContext())
    assert clues == expert.run(study, ExpertContext())
    assert len(clues) <= 3
    for clue in clues:
        assert isinstance(clue, Clue)
        (read,) = label_report(clue.text, Language.ENGLISH)
        assert (read.finding, read.side, read.region) == (clue.finding, clue.side, clue.region)
