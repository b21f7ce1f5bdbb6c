"""Writing a ledger with a model whose answers are known, and measuring what came out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.aggregator.contract import RewordingTask
from agents.tuning.statements import ledger_of
from evaluation.writing.cases import WritingCase, stated
from evaluation.writing.desk import MOST_REPAIRS, write
from evaluation.writing.report import evaluate_writing
from evaluation.writing.style import reading_ease, repetition, words_per_sentence
from findings.claims import Claim
from findings.vocabulary import Change, Finding, Language, Polarity, Severity, Side
from reporting.context import ReportContext
from reporting.draft import ModelUse, Writer

_EFFUSION = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT, severity=Severity.MILD)
_NO_AIR = Claim(finding=Finding.PNEUMOTHORAX, polarity=Polarity.ABSENT)
_RIGHT = "Small left pleural effusion is seen."
_WRONG = "Small right pleural effusion is seen."


class _Scripted:
    """A back end that answers by the number of the try."""

    writer = Writer.EMBEDDED
    model = ModelUse(role="aggregator", name="scripted", version="1", licence="none")
    max_sentences = 5
    seconds = 1.0

    def __init__(self, answer: Callable[[RewordingTask], str]) -> None:
        self._answer = answer

    def prepare(self) -> None:
        """Nothing to load."""

    def reword(self, task: RewordingTask, seconds: float) -> str:
        return self._answer(task)


def _case(number: int = 1) -> WritingCase:
    return WritingCase(
        report_id=f"r{number}",
        patient=f"p{number}",
        reference="There is a small left pleural effusion. No pneumothorax.",
        ledger=ledger_of((_EFFUSION, _NO_AIR)),
        context=ReportContext(seed=number),
    )


def test_the_phraser_writes_what_the_ledger_carries() -> None:
    written = write(_case(), None)
    assert written.verification.ok
    assert (written.given, written.repairs, written.fallbacks) == (0, 0, 0)
    assert "effusion" in written.text
    assert "pneumothorax" in written.text


def test_a_good_rewording_stands() -> None:
    written = write(_case(), _Scripted(lambda task: _RIGHT))
    assert _RIGHT in written.text
    assert (written.given, written.refused, written.fallbacks) == (1, 0, 0)
    assert written.verification.ok


def test_a_rewording_is_repaired_and_counted() -> None:
    written = write(_case(), _Scripted(lambda task: _RIGHT if task.tries else _WRONG))
    assert _RIGHT in written.text
    assert (written.refused, written.repairs, written.fallbacks) == (1, 1, 0)


def test_a_model_that_is_always_wrong_writes_nothing() -> None:
    written = write(_case(), _Scripted(lambda task: _WRONG))
    assert "right" not in written.text
    assert written.text == write(_case(), None).text
    assert (written.refused, written.repairs, written.fallbacks) == (1, MOST_REPAIRS, 1)
    assert written.verification.ok


def test_writers_are_compared_on_the_same_ledgers() -> None:
    seen: list[tuple[str, int, int]] = []
    report = evaluate_writing(
        [_case(number) for number in range(4)],
        {"phraser": None, "scripted": _Scripted(lambda task: _RIGHT)},
        "report",
        lambda name, done, total: seen.append((name, done, total)),
    )
    phraser, scripted = report.scores
    assert seen[-1] == ("scripted", 4, 4)
    assert phraser.ledger_f1.value == scripted.ledger_f1.value == 1.0
    assert phraser.report_f1.value == 1.0
    assert phraser.refused.value is None
    assert scripted.refused.value == 0.0
    assert scripted.reworded.value == 1.0
    assert scripted.unverified.value == 0.0
    assert phraser.bleu_1.value is not None
    table = report.markdown()
    assert any(line.startswith("| BLEU-4") for line in table)


def test_a_case_is_one_reading_of_a_report() -> None:
    opacity = Claim(finding=Finding.LUNG_OPACITY, polarity=Polarity.ABSENT)
    nodule = Claim(finding=Finding.NODULE, change=Change.NEW)
    normal = Claim(finding=Finding.NO_FINDING)
    assert stated((opacity, nodule, normal, nodule)) == (Claim(finding=Finding.NODULE),)


def test_short_words_read_more_easily_than_long_ones() -> None:
    easy = "The heart is big. The lungs are clear."
    hard = "Cardiomediastinal silhouette demonstrates unremarkable configuration bilaterally."
    for language in Language:
        assert reading_ease(easy, language) > reading_ease(hard, language)
    assert reading_ease("", Language.ENGLISH) == 0.0
    assert words_per_sentence(easy) == 4.0
    assert words_per_sentence("Ratio 0.54 of the heart. Clear.") == pytest.approx(2.5)


def test_repetition_counts_runs_within_sentences() -> None:
    one = "There is a left effusion."
    assert repetition([one]) == 0.0
    assert repetition([one, one]) == 0.5
    assert repetition(["There is a", "left effusion there is"]) == 0.0


@given(st.lists(st.text(alphabet="ab .", max_size=40), max_size=5))
def test_repetition_is_a_share(sentences: list[str]) -> None:
    assert 0.0 <= repetition(sentences) < 1.0
