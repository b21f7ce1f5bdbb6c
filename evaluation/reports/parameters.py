"""The papers' parameter counts beside those of the networks built here at the papers' size."""

from __future__ import annotations

import math

from findings.errors import ReadingRoomError
from models.reports.registry import REPORT_MODELS


def parameter_table() -> list[str]:
    """One row for each count that a paper states, and for those that it leaves out."""
    lines = [
        "| paper | what | paper's figure | ours | where | why they differ |",
        "|---|---|---|---|---|---|",
    ]
    for name, model in REPORT_MODELS.items():
        above = ""
        try:
            counts = model.counts()
        except (ImportError, ReadingRoomError) as error:
            lines.append(f"| {name} | cannot be built here: {type(error).__name__} | | | | |")
            continue
        for count in counts:
            figure = "not given" if math.isnan(count.figure) else _shown(count.figure)
            reason = "as above" if count.reason and count.reason == above else count.reason
            above = count.reason
            lines.append(
                f"| {name} | {count.row} | {figure} | {count.ours:,} | {count.source} | {reason} |"
            )
    return lines


def _shown(figure: float) -> str:
    """Millions or billions, as papers write them; a share as it is."""
    for unit, name in ((1e9, "B"), (1e6, "M")):
        if figure >= unit:
            return f"{figure / unit:g} {name}"
    return f"{figure:g}"
