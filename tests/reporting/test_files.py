"""Drafts are written whole, earlier ones are kept, and signed ones are never replaced."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from findings.errors import ReportError, UserInputError
from findings.vocabulary import Language
from imaging.study import StudyImage
from reporting.draft import Draft, DraftStatus
from reporting.files import (
    DRAFT_FILE,
    OVERLAY_FILE,
    REPORT_FILE,
    draft_json,
    read_draft,
    write_atomically,
    write_draft,
)
from reporting.ledger import Ledger


@pytest.fixture(scope="module")
def film(make_film: Callable[[int, int], StudyImage]) -> StudyImage:
    return make_film(96, 96)


@pytest.fixture(scope="module")
def first(normal_ledger: Ledger, make_draft: Callable[..., Draft], film: StudyImage) -> Draft:
    return make_draft(normal_ledger, film)


@pytest.fixture(scope="module")
def second(rich_ledger: Ledger, make_draft: Callable[..., Draft], film: StudyImage) -> Draft:
    return make_draft(rich_ledger, film, Language.SPANISH)


def test_three_files_are_written(tmp_path: Path, first: Draft, film: StudyImage) -> None:
    files = write_draft(first, film, tmp_path / "new" / "out")
    assert read_draft(files.draft) == first
    assert files.report.read_text("utf-8").startswith("# Chest radiograph report")
    assert files.overlay.read_bytes().startswith(b"\x89PNG")
    assert files.previous is None
    names = {path.name for path in files.draft.parent.iterdir()}
    assert names == {DRAFT_FILE, REPORT_FILE, OVERLAY_FILE}


def test_earlier_drafts_and_edits_are_kept(
    tmp_path: Path, first: Draft, second: Draft, film: StudyImage
) -> None:
    write_draft(first, film, tmp_path)
    (tmp_path / REPORT_FILE).write_text("edited by hand")
    (tmp_path / "notes.txt").write_text("mine")
    again = write_draft(second, film, tmp_path)
    third = write_draft(first, film, tmp_path)
    assert again.previous == tmp_path / "previous" / "1"
    assert third.previous == tmp_path / "previous" / "2"
    assert (tmp_path / "previous" / "1" / REPORT_FILE).read_text() == "edited by hand"
    assert read_draft(tmp_path / "previous" / "1" / DRAFT_FILE) == first
    assert read_draft(tmp_path / "previous" / "2" / DRAFT_FILE) == second
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_same_draft_again_changes_nothing(tmp_path: Path, first: Draft, film: StudyImage) -> None:
    write_draft(first, film, tmp_path)
    assert write_draft(first, film, tmp_path).previous is None
    assert not (tmp_path / "previous").exists()


def test_signed_draft_is_never_replaced(
    tmp_path: Path, first: Draft, second: Draft, film: StudyImage
) -> None:
    signed = first.model_copy(update={"status": DraftStatus.SIGNED})
    write_draft(first, film, tmp_path)
    write_draft(signed, film, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(UserInputError, match="signed"):
        write_draft(second, film, tmp_path)
    write_draft(signed, film, tmp_path)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert after == before


def test_foreign_file_in_the_way_is_kept(tmp_path: Path, first: Draft, film: StudyImage) -> None:
    (tmp_path / DRAFT_FILE).write_text("[not a draft")
    files = write_draft(first, film, tmp_path)
    assert files.previous is not None
    assert (files.previous / DRAFT_FILE).read_text() == "[not a draft"


def test_folder_that_is_a_file_is_a_clear_error(
    tmp_path: Path, first: Draft, film: StudyImage
) -> None:
    target = tmp_path / "out"
    target.write_text("a file")
    with pytest.raises(UserInputError, match="cannot be written"):
        write_draft(first, film, target)
    assert target.read_text() == "a file"


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def no_space(descriptor: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema": "other"}', "\x00"])
def test_reading_what_is_no_draft_is_a_clear_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / DRAFT_FILE
    path.write_text(content)
    with pytest.raises(ReportError):
        read_draft(path)
    with pytest.raises(ReportError):
        read_draft(tmp_path / "missing.json")


def test_draft_json_uses_the_published_names(first: Draft) -> None:
    assert '"schema": "readingroom/draft/1"' in draft_json(first)
