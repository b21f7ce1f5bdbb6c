"""Checkpoints are forgotten in time, and what was drafted for a question leaves none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.asking import Conversation, draft_to_ask, kept_draft
from agents.checkpoints import open_checkpoints, prune
from agents.settings import Settings
from findings.errors import StudyError

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"


def threads(settings: Settings) -> set[str]:
    with open_checkpoints(settings.checkpoint_file) as saver, saver.cursor() as cursor:
        return {row[0] for row in cursor.execute("SELECT thread_id FROM checkpoints")}


def test_old_threads_are_forgotten_and_others_kept(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)
    draft = draft_to_ask(SAMPLES / "drafts" / "normal", settings)
    before = datetime.now(UTC)
    Conversation(draft, settings, name="old").ask("Is there an effusion?")
    between = datetime.now(UTC)
    Conversation(draft, settings, name="new").ask("Is there an effusion?")
    with open_checkpoints(settings.checkpoint_file) as saver:
        assert prune(saver, 1, before + timedelta(days=1)) == 0
        assert prune(saver, 1, between + timedelta(days=1)) == 1
    assert threads(settings) == {f"conversation-{draft.study_key}-new"}


@pytest.mark.parametrize("content", [(SAMPLES / "normal.png").read_bytes(), b"no picture"])
def test_a_question_about_a_study_leaves_no_thread(tmp_path: Path, content: bytes) -> None:
    settings = Settings(cache_dir=tmp_path)
    film = tmp_path / "film.png"
    film.write_bytes(content)
    try:
        draft_to_ask(film, settings)
    except StudyError:
        assert content == b"no picture"
    assert threads(settings) == set()


def test_a_draft_is_told_from_a_study(tmp_path: Path) -> None:
    folder = SAMPLES / "drafts" / "normal"
    assert kept_draft(folder) == kept_draft(folder / "draft.json") == folder / "draft.json"
    assert kept_draft(SAMPLES / "normal.png") is None
    assert kept_draft(tmp_path / "draft.json") is None
