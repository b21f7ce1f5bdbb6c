"""The clue retriever's score, on films made by rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from evaluation.experts import Readings
from evaluation.experts.clues import ClueScore, evaluate_clues, sentence_score
from findings.evidence import Clue, Evidence
from findings.vocabulary import Finding, Side
from imaging.study import FloatImage, Study
from models.clues.inference import ClueOutput, ImageClues
from models.clues.prompts import DISEASES
from tools.contract import ExpertCard, ExpertContext, Role


class BrightClues:
    """Every disease is as likely as the film is bright, and bright films are alike."""

    def look(self, display: FloatImage) -> ClueOutput:
        """No clue is stated here; the expert below does that."""
        bright = float(display.mean())
        vector = np.array([bright > 0.48, bright <= 0.48], dtype=np.float32)
        return ClueOutput(vector, dict.fromkeys(DISEASES, bright), (), 0.0)


class NoduleClue:
    """States a nodule on the right in bright films."""

    def __init__(self, side: Side) -> None:
        self.side = side

    @property
    def card(self) -> ExpertCard:
        return ExpertCard(role=Role.CLUES, name="bright", version="7", licence="Apache-2.0")

    def installed(self) -> bool:
        return True

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        if float(study.frontal.display.mean()) < 0.48:
            return ()
        return (
            Clue(
                id="E1",
                expert="bright",
                version="7",
                finding=Finding.NODULE,
                probability=0.6,
                side=self.side,
                text="Clue: lung nodule at the right lung",
            ),
        )


@pytest.fixture
def judge(folder: Path) -> Callable[[Side], ClueScore]:
    def make(side: Side) -> ClueScore:
        readings = Readings({Role.CLUES: NoduleClue(side)})
        score = evaluate_clues(folder, "val", readings, clues=cast(ImageClues, BrightClues()))
        assert score is not None
        return score

    return make


def test_ranking_sides_and_neighbours(judge: Callable[[Side], ClueScore]) -> None:
    score = judge(Side.RIGHT)
    assert score.images == 16
    assert [f.auc.value for f in score.findings] == [1.0] * 14
    assert score.classifier_mean_auc is None
    nodule = next(f for f in score.findings if f.finding is Finding.NODULE)
    assert (nodule.positives, nodule.stated_rightly) == (8, 8)
    # The boxes lie on the picture's left, the patient's right.
    assert (score.sides.boxed, score.sides.stated, score.sides.right) == (8, 8, 8)
    assert score.recall_of_top.value == pytest.approx(1 / 14)
    assert score.neighbours.agreement.value == 1.0
    assert score.neighbours.chance == pytest.approx(6 / 14)
    assert any("Weak pairing" in line for line in score.markdown())


def test_a_wrong_side_is_counted(judge: Callable[[Side], ClueScore]) -> None:
    score = judge(Side.LEFT)
    assert (score.sides.stated, score.sides.right) == (8, 0)


def test_without_the_expert_there_is_no_score(folder: Path) -> None:
    assert evaluate_clues(folder, "val", Readings({})) is None


def test_sentences_that_meet_findings_by_hand() -> None:
    says = np.array([[True, False], [False, True], [False, False]])
    truth = np.array([[True, True], [False, True], [False, False]])
    cosines = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.1], [0.0, 0.0, 1.0]], dtype=np.float32)
    score = sentence_score(cosines, says, truth, ["a", "b", "c"])
    assert score.candidates == 3
    # One sentence read: image 0 meets one of its two findings, image 1 none.
    assert score.recall[1].value == pytest.approx(0.25)
    assert score.recall[5].value == pytest.approx(1.0)
    assert score.constant[1] == pytest.approx(0.25)
