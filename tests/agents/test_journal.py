"""The log: one line a record, no traceback, no words of the patient."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import fake_services, fake_settings

from agents.drafting import DraftOptions, draft_study
from agents.journal import ROOT, start_journal


@pytest.fixture(autouse=True)
def _journal_as_it_was() -> Iterator[None]:
    logger = logging.getLogger(ROOT)
    before = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before
    logger.setLevel(before[1])


def test_exceptions_leave_their_class_and_nothing_else() -> None:
    stream = io.StringIO()
    logger = start_journal("info", as_json=True, stream=stream)
    try:
        raise ValueError("Doe^Jane in /data/doe_jane.dcm")
    except ValueError:
        logger.getChild("x").exception("expert=classifier\nstatus=failed")
    [line] = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry["error"] == "ValueError"
    assert entry["message"] == "expert=classifier status=failed"
    assert "Doe" not in line and "doe_jane" not in line


def test_a_whole_draft_logs_its_thread_and_no_words_of_the_request(tmp_path: Path) -> None:
    stream = io.StringIO()
    start_journal("debug", stream=stream)
    film = tmp_path / "Doe_Jane.bin"
    film.write_bytes(bytes(range(256)) * 16)
    draft_study(
        film,
        DraftOptions(out=tmp_path / "out", indication="Jane Doe coughs", prior_report="Doe, J."),
        fake_settings(tmp_path),
        services=fake_services(),
    )
    text = stream.getvalue()
    assert "thread=" in text and "node=verify phase=finished" in text
    assert "Doe" not in text and "coughs" not in text


def test_a_second_start_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    start_journal("info", stream=first)
    start_journal("info", stream=second).info("a=1")
    assert first.getvalue() == ""
    assert second.getvalue().endswith("readingroom a=1\n")
