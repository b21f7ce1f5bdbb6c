"""The measuring commands run on a small index and say what they need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from findings.vocabulary import Language
from retrieval import benchmark, encoder_parity, quality


def test_the_benchmark_measures_each_language(
    index_folder: Path, word_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "find_encoder", lambda cache, threads: word_encoder())
    figures = benchmark.measure(index_folder, index_folder, 30, (500,))
    assert [one.language for one in figures.languages] == list(Language)
    for one in figures.languages:
        assert one.recall_hits == one.recall_text == one.recall_profile == 1.0, "searched whole"
        assert 0 < one.known_query.p50 <= one.known_query.p99
        assert one.new_query.calls == 30
    assert figures.generated[0].recall == 1.0
    assert "| en: 10 | 9 | search only |" in benchmark.table(figures)


@pytest.mark.parametrize("command", [benchmark, quality])
def test_without_an_index_there_is_one_line(
    command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--index", str(tmp_path), "--cache", str(tmp_path)]) == 5
    assert "readingroom" in capsys.readouterr().err


def test_without_weights_the_comparison_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert encoder_parity.main(["--cache", str(tmp_path)]) == 5
    assert "models pull" in capsys.readouterr().err
