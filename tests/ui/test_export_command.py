"""`readingroom export`: where it writes, and on whose film it draws."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from findings.errors import ReportError, UserInputError
from ui.cli.main import readingroom

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    folder = tmp_path / "draft"
    shutil.copytree(SAMPLES / "drafts" / "cardiomegaly", folder)
    return folder


def export(draft: Path, *arguments: str) -> Result:
    return CliRunner().invoke(readingroom, ["export", str(draft), *arguments])


def test_a_folder_is_made_for_the_file(draft: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "report.txt"
    assert export(draft, "--format", "txt", "--out", str(target)).exit_code == 0
    assert "cardiothoracic ratio" in target.read_text()
    assert export(draft, "--format", "json", "--out", str(target.parent)).exit_code == 0
    assert (target.parent / "report.json").is_file()


def test_a_file_in_the_folders_place_is_told(draft: Path) -> None:
    target = draft / "report.md" / "report.txt"
    result = export(draft, "--format", "txt", "--out", str(target))
    assert isinstance(result.exception, UserInputError)
    assert "cannot be written" in str(result.exception)


def test_nothing_is_drawn_on_another_film(draft: Path, tmp_path: Path) -> None:
    target = tmp_path / "overlay.png"
    wanted = ("--format", "png", "--out", str(target), "--study")
    result = export(draft, *wanted, str(SAMPLES / "normal.png"))
    assert isinstance(result.exception, UserInputError)
    assert "not the one" in str(result.exception) and not target.exists()
    assert export(draft, *wanted, str(SAMPLES / "cardiomegaly.dcm")).exit_code == 0
    assert target.read_bytes().startswith(b"\x89PNG")


def test_what_needs_the_study_says_so(draft: Path) -> None:
    result = export(draft, "--format", "sr")
    assert result.exit_code == 2 and "needs --study" in result.output


def test_a_folder_without_a_draft_is_told(tmp_path: Path) -> None:
    result = export(tmp_path, "--format", "txt")
    assert isinstance(result.exception, ReportError)
    assert "no draft there" in str(result.exception)
