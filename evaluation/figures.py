"""Pictures of curves: reliability, ROC, FROC, confusion of sides, figures with intervals.

No picture shows a film.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.bootstrap import Estimate
from evaluation.curves import FrocCurve, ReliabilityBin, RocCurve, SideConfusion
from findings.vocabulary import Side

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _FAINT = "#1f2933", "#b8c2cc"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Told apart by colour-blind readers as well (Wong, Nature Methods 2011)."""
_MARKS = {"sensitive": "v", "balanced": "o", "confident": "^"}
_DPI = 110


def draw_reliability(curves: Mapping[str, Sequence[ReliabilityBin]], path: Path) -> Path:
    """Observed frequency against stated probability, with 95 % intervals and the cases below."""
    figure = _figure(4.6, 5.2)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot((0, 1), (0, 1), color=_FAINT, linewidth=1)
    drawn = [(name, bins) for name, bins in curves.items() if bins]
    for number, (name, bins) in enumerate(drawn):
        colour = _COLOURS[number % len(_COLOURS)]
        x = [item.mean_probability for item in bins]
        y = [item.frequency for item in bins]
        spread = (
            [item.frequency - item.frequency_low for item in bins],
            [item.frequency_high - item.frequency for item in bins],
        )
        top.errorbar(x, y, yerr=spread, color=colour, marker="o", markersize=3, label=name)
        shift = (number - (len(drawn) - 1) / 2) * 0.035
        centres = [(item.lowest + item.highest) / 2 + shift for item in bins]
        bottom.bar(centres, [item.cases for item in bins], width=0.035, color=colour)
    top.set(ylabel="share with the finding", xlim=(0, 1), ylim=(0, 1))
    bottom.set(xlabel="stated probability", ylabel="cases", yscale="log")
    top.legend(frameon=False, fontsize=8)
    return _save(figure, path)


def draw_roc(curves: Sequence[RocCurve], path: Path) -> Path:
    """One small ROC curve per finding, with the operating points in use."""
    columns = 4
    rows = max(1, -(-len(curves) // columns))
    figure = _figure(2.1 * columns, 2.2 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, curve in zip(grid.flat, curves, strict=False):
        axes.plot((0, 1), (0, 1), color=_FAINT, linewidth=0.8)
        axes.plot(curve.false_positive_rate, curve.true_positive_rate, color=_COLOURS[0])
        for mark in curve.marks:
            axes.plot(
                1 - mark.specificity,
                mark.sensitivity,
                _MARKS.get(mark.name, "s"),
                color=_COLOURS[1],
                markersize=5,
            )
        axes.set_title(curve.name.replace("_", " "), fontsize=8)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    for axes in list(grid.flat)[len(curves) :]:
        axes.set_axis_off()
    figure.supxlabel("1 - specificity", fontsize=9)
    figure.supylabel("sensitivity", fontsize=9)
    marks = {mark.name for curve in curves for mark in curve.marks}
    if marks and len(curves) < rows * columns:
        _marks_legend(list(grid.flat)[-1], marks)
    return _save(figure, path)


def draw_froc(curves: Sequence[FrocCurve], path: Path, *, most: float = 8.0) -> Path:
    """Share of lesions hit against false marks an image, up to ``most`` marks."""
    figure = _figure(5.4, 4.0)
    axes = figure.subplots()
    for number, curve in enumerate(curves):
        axes.step(
            curve.false_positives_per_image,
            curve.sensitivity,
            where="post",
            color=_COLOURS[number % len(_COLOURS)],
            linestyle="-" if number < len(_COLOURS) else "--",
            label=curve.name.replace("_", " "),
        )
    axes.set(xlabel="false marks an image", ylabel="share hit", xlim=(0, most), ylim=(0, 1))
    if curves:
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _save(figure, path)


def draw_sides(confusions: Sequence[SideConfusion], path: Path) -> Path:
    """True side of the box against the side given: one table of counts per expert."""
    true = (Side.LEFT, Side.RIGHT, Side.BILATERAL, Side.MIDLINE)
    given = (*(side.value for side in true), "none")
    figure = _figure(3.2 * max(1, len(confusions)), 3.2)
    grid = figure.subplots(1, max(1, len(confusions)), squeeze=False, sharey=True)
    for axes, confusion in zip(grid.flat, confusions, strict=False):
        counts = [[confusion.counts.get(side, {}).get(name, 0) for name in given] for side in true]
        shares = [[value / max(1, sum(row)) for value in row] for row in counts]
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for y, row in enumerate(counts):
            for x, value in enumerate(row):
                ink = "white" if shares[y][x] > 0.5 else _INK
                axes.text(x, y, str(value), ha="center", va="center", fontsize=8, color=ink)
        axes.set_xticks(range(len(given)), given, rotation=45, fontsize=7)
        axes.set_yticks(range(len(true)), [side.value for side in true], fontsize=7)
        axes.set_title(confusion.expert, fontsize=8)
    figure.supxlabel("side given", fontsize=9)
    figure.supylabel("side of the box", fontsize=9)
    return _save(figure, path)


@dataclass(frozen=True)
class Panel:
    """One picture of figures by what they depend on."""

    depends_on: str
    measured: Mapping[str, Sequence[tuple[float, Estimate]]]
    """Lines of points with their intervals."""
    published: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """Points of others, without intervals."""


def draw_panels(panels: Sequence[Panel], figure_of: str, path: Path) -> Path:
    """Figures between 0 and 1 with 95 % intervals, side by side; ``figure_of`` names them."""
    figure = _figure(3.6 * len(panels), 3.2)
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)
    for axes, panel in zip(grid.flat, panels, strict=True):
        for number, (name, points) in enumerate(panel.measured.items()):
            known = sorted(
                (x, own.value, own.low or own.value, own.high or own.value)
                for x, own in points
                if own.value is not None
            )
            spread = [[y - low for _, y, low, _ in known], [high - y for _, y, _, high in known]]
            axes.errorbar(
                [point[0] for point in known],
                [point[1] for point in known],
                yerr=spread,
                color=_COLOURS[number % len(_COLOURS)],
                marker="o",
                markersize=4,
                capsize=2,
                label=name,
            )
        for number, (name, others) in enumerate(panel.published.items()):
            colour = _COLOURS[(number + len(panel.measured)) % len(_COLOURS)]
            x, y = [own[0] for own in others], [own[1] for own in others]
            axes.plot(x, y, "s--", color=colour, markersize=4, linewidth=1, label=name)
        axes.set(xlabel=panel.depends_on, xlim=(0, 1.05), ylim=(0, 1))
        axes.legend(frameon=False, fontsize=8, loc="upper left")
    grid.flat[0].set_ylabel(figure_of)
    return _save(figure, path)


def _marks_legend(axes: Axes, names: set[str]) -> None:
    for name, symbol in _MARKS.items():
        if name in names:
            axes.plot([], [], symbol, color=_COLOURS[1], label=name)
    axes.legend(frameon=False, fontsize=8, loc="center", title="operating points")


def _figure(width: float, height: float) -> Figure:
    """A figure of its own canvas: pyplot's global state is not touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> Path:
    for axes in figure.axes:
        axes.tick_params(labelsize=7)
        for edge in ("top", "right"):
            axes.spines[edge].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    # No version in the file: the same numbers then make the same bytes.
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    return path
