"""The first draft: what is wrong with the study is said before the index is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.settings import Settings
from findings.errors import StudyError
from ui.cli.draft import ensure_index


def test_a_missing_study_is_told_before_the_index_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []
    monkeypatch.setattr("retrieval.build.can_build", lambda *_: True)
    monkeypatch.setattr("retrieval.build.build_from_cache", lambda *args: built.append(args[0]))
    settings = Settings(cache_dir=tmp_path)
    with pytest.raises(StudyError):
        ensure_index(settings, tmp_path / "none.dcm")
    assert not built
    ensure_index(settings, Path(__file__).parents[2] / "docs" / "samples" / "normal.png")
    assert built == [tmp_path]
