"""Tables in a page that people wrote: what stands between two marks is made by a command."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from findings.errors import ReportError

_BLOCK = "<!-- begin {name} -->\n{text}\n<!-- end {name} -->"


def refresh_tables(page: Path, tables: Mapping[str, Sequence[str]]) -> None:
    """Replace each marked block of the page that has a table; the prose around it stays.

    A block reads ``<!-- begin NAME -->`` … ``<!-- end NAME -->``. Tables without a block are
    added at the end, so that a new page can be started from an empty file.

    Raises:
        ReportError: a block of the page begins and does not end.
    """
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    for name, lines in tables.items():
        block = _BLOCK.format(name=name, text="\n".join(["", *lines, ""]))
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin not in text:
            text = f"{text.rstrip()}\n\n{block}\n".lstrip()
            continue
        found = re.search(re.escape(begin) + r".*?" + re.escape(end), text, re.DOTALL)
        if found is None:
            raise ReportError(
                f"The page's block '{name}' begins and does not end, so it cannot be refreshed. "
                f"Put '{end}' where its table ends."
            )
        text = text[: found.start()] + block + text[found.end() :]
    page.write_text(text, encoding="utf-8")
