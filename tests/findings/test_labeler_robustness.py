"""Whatever the text holds, the labeler answers in linear time, with spans into the original."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findings.labeler import LabeledSentence, ReportLabeler, label_report
from findings.vocabulary import Language

WORDS = [
    "no", "pneumothorax", "effusion", ",", ".", "\n", "left", "and", "is", "heart", "enlarged",
    "without", "cannot be excluded", "12", "mm", "derrame", "sin", "ni", "izquierdo", "¼", "٣ mm",
    "cardiomegalia", "FINDINGS:", "history of", "é", "\u0301", "\u200b", "🫁", "\t", "opacity",
    "versus", "stable",
]  # fmt: skip
REPORTS = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join) | st.text(max_size=300)
LABELERS = {language: ReportLabeler(language) for language in Language}


def _check(text: str, language: Language) -> None:
    sentences = LABELERS[language].label(text)
    last = 0
    for sentence in sentences:
        start, end = sentence.span
        assert last <= start < end <= len(text)
        assert sentence.text == text[start:end]
        for claim in sentence.claims:
            assert start <= claim.span[0] < claim.span[1] <= end
        last = end
        assert LabeledSentence.model_validate_json(sentence.model_dump_json()) == sentence
    assert LABELERS[language].label(text) == sentences


@settings(max_examples=200, deadline=None)
@given(text=REPORTS, language=st.sampled_from(Language))
def test_any_text_is_read_without_error_and_spans_fit(text: str, language: Language) -> None:
    _check(text, language)


@settings(max_examples=60, deadline=None)
@given(text=REPORTS)
def test_upper_case_says_the_same(text: str) -> None:
    if text.isascii():
        lower = [(c.finding, c.polarity, c.side) for c in label_report(text, Language.ENGLISH)]
        upper = label_report(text.upper(), Language.ENGLISH)
        assert [(c.finding, c.polarity, c.side) for c in upper] == lower


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_may_be_composed_or_not(form: str) -> None:
    text = unicodedata.normalize(form, "Neumotórax apical izquierdo; sin consolidación en língula.")
    claims = label_report(text, Language.SPANISH)
    assert [claim.finding.value for claim in claims] == ["pneumothorax", "consolidation"]
    start, end = claims[0].span
    assert unicodedata.normalize("NFC", text[start:end]) == "Neumotórax"


def test_white_space_and_line_ends_do_not_matter() -> None:
    plain = label_report("No pneumothorax or pleural effusion.", Language.ENGLISH)
    odd = label_report("No\u00a0 pneumothorax\r\nor\tpleural   effusion.", Language.ENGLISH)
    assert [(c.finding, c.polarity) for c in odd] == [(c.finding, c.polarity) for c in plain]


@pytest.mark.parametrize(
    ("unit", "size"),
    [
        ("a", 1_000_000),
        ("e\u0301", 1_000_000),
        ("no effusion ", 200_000),
        ("1 x ", 1_000_000),
        ("no ", 200_000),
        ("heart size ", 100_000),
        ("left and ", 200_000),
        (",", 200_000),
        ("the ", 200_000),
    ],
)
def test_hostile_text_takes_linear_time(unit: str, size: int) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        start = time.process_time()
        LABELERS[Language.ENGLISH].label(text)
        return time.process_time() - start

    seconds(10_000)
    small, large = seconds(size // 10), seconds(size)
    assert large < 25
    assert large < 20 * small + 1.0
