"""What a measuring command leaves besides its table on the screen: a JSON file, a page's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel


def leave(
    report: BaseModel,
    json_file: Path | None,
    markdown: Path | None = None,
    tables: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write the figures as JSON and refresh the page's tables, each where it was asked for.

    Raises `ReportError` where a block of the page does not end.
    """
    if json_file is not None:
        json_file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if markdown is not None:
        from evaluation.page import refresh_tables

        refresh_tables(markdown, tables or {})
