"""Pictures of a run: loss, learning rate and every figure of the validation, over the steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_COLUMNS = 4
_PANEL_INCHES = (3.0, 2.2)
_MOST_PANELS = 40


@dataclass(frozen=True, slots=True)
class Curve:
    """One panel: its title and ``(step, value)`` points in order of step."""

    title: str
    points: Sequence[tuple[int, float]]


def draw_curves(curves: Sequence[Curve], best_step: int, path: Path) -> None:
    """Draw each curve in a panel of its own and write a PNG, whole or not at all.

    A line marks ``best_step`` (none where it is negative); values that are not numbers leave
    gaps.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = list(curves[:_MOST_PANELS])
    rows = max(1, math.ceil(len(shown) / _COLUMNS))
    figure = Figure(
        figsize=(_COLUMNS * _PANEL_INCHES[0], rows * _PANEL_INCHES[1]), layout="tight", dpi=80
    )
    FigureCanvasAgg(figure)
    for number, curve in enumerate(shown, start=1):
        panel = figure.add_subplot(rows, _COLUMNS, number)
        panel.plot(
            [step for step, _ in curve.points],
            [value for _, value in curve.points],
            marker="." if len(curve.points) < 40 else "",
            linewidth=1,
        )
        if best_step >= 0:
            panel.axvline(best_step, color="0.7", linewidth=0.8, linestyle=":")
        panel.set_title(curve.title, fontsize=8)
        panel.tick_params(labelsize=7)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        figure.savefig(file, format="png")
    unfinished.replace(path)
