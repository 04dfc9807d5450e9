"""Draws what was measured, as SVG files that a README can show. Needs the extra `bench`."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.growth_data import Growth, Panel
from benchmarks.rows import Row, amount

MET, MISSED, QUIET = "#2a78b5", "#d1582b", "#666666"
WIDE = 30
"""From so many times on, a scale is logarithmic."""

mpl.rcParams.update({"svg.hashsalt": "earlybird", "svg.fonttype": "none", "axes.axisbelow": True})


def draw_rows(rows: Sequence[Row], path: Path) -> None:
    """Draw how far each row is from its bar; those without a bar are left out."""
    judged = [(row, row.score) for row in reversed(rows) if row.score is not None]
    figure = Figure(figsize=(11, 1.3 + 0.42 * len(judged)), layout="constrained")
    axes = figure.subplots()
    places = range(len(judged))
    reached = [score for _, score in judged]
    colours = [MET if row.is_met else MISSED for row, _ in judged]
    axes.barh(places, [score - 1 for score in reached], left=1, color=colours, height=0.6)
    axes.axvline(1, color="black", linewidth=1.5)
    axes.set_xscale("log")
    axes.set_xlim(min([*reached, 0.5]) / 1.5, max([*reached, 2]) * 6)
    axes.set_ylim(-0.6, len(judged) - 0.4)
    axes.set_yticks(places, [row.name for row, _ in judged])
    for place, (row, score) in zip(places, judged, strict=True):
        got = amount(row.ours, row.unit) if row.ratio is None else f"{row.ratio:.2f}x"
        axes.text(
            max(score, 1) * 1.08, place, f"{got}  (bar: {row.bar})", va="center", fontsize=9, color=colours[place]
        )
    axes.set_xlabel("how many times the bar is reached (the line is the bar; left of it, the row misses it)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_title(
        f"{sum(row.is_met is True for row, _ in judged)} of {len(judged)} rows meet their bars", loc="left"
    )
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    _save(figure, path)


def draw_growth(growth: Growth, path: Path) -> None:
    """Draw each panel of one kind of growth beside the others."""
    figure = Figure(figsize=(max(7, 3.6 * len(growth.panels)), 3.6), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(growth.panels), squeeze=False)[0], growth.panels, strict=True):
        _draw_panel(axes, growth, panel)
    figure.suptitle(growth.title, x=0.01, ha="left")
    _save(figure, path)


def _draw_panel(axes: Axes, growth: Growth, panel: Panel) -> None:
    for name, values in panel.lines.items():
        axes.plot(growth.sizes, values, marker="o", markersize=4, label=name)
    drawn = [value for values in panel.lines.values() for value in values]
    if max(growth.sizes) > WIDE * min(growth.sizes):
        axes.set_xscale("log")
    if max(drawn) > WIDE * min(drawn) > 0:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, max(drawn) * 1.15)
    axes.set_xticks(growth.sizes, [f"{size:,}" for size in growth.sizes], rotation=45, ha="right", fontsize=8)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_title(f"{panel.title}, {panel.unit}", loc="left", fontsize=10)
    axes.set_xlabel(growth.of)
    axes.grid(axis="y", color=QUIET, alpha=0.2)
    if len(panel.lines) > 1:
        axes.legend(fontsize=8, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, facecolor="white")
