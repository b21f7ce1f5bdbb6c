"""`readingroom label`: lines of text in, and nothing but text."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from findings.errors import ReportError
from ui.cli.main import readingroom


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    file.write_text("Left pleural effusion.\n", encoding="utf-8-sig")
    result = CliRunner().invoke(readingroom, ["label", str(file)])
    assert json.loads(result.output)["text"] == "Left pleural effusion."


def test_a_picture_is_no_report(tmp_path: Path) -> None:
    file = tmp_path / "film.jpg"
    file.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\n\xff\n")
    result = CliRunner().invoke(readingroom, ["label", str(file)])
    assert isinstance(result.exception, ReportError)
    assert result.output == ""
