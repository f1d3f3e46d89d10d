"""Draw the results of a run. Knows the results alone, so an earlier run can be drawn again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .report import Results, ratio_of

mpl.use("agg")  # no display is needed

INK, PALE = "#333333", "#999999"
STYLE = {
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.facecolor": "white",
    "svg.hashsalt": "bcelogits",  # the same picture gives the same file
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

# Okabe and Ito's colours, told apart by colour-blind eyes too; markers tell them apart in grey.
LINES: dict[str, dict[str, Any]] = {
    "bcelogits": {"color": "#0072B2", "marker": "o", "linewidth": 2.4, "zorder": 5},
    "NumPy": {"color": "#E69F00", "marker": "s"},
    "SciPy": {"color": "#009E73", "marker": "^"},
    "PyTorch": {"color": "#D55E00", "marker": "D"},
    "torch.compile": {"color": "#D55E00", "marker": "v", "linestyle": ":"},
    "Numba": {"color": "#56B4E9", "marker": "P"},
    "JAX": {"color": "#CC79A7", "marker": "X"},
    "scikit-learn": {"color": "#666666", "marker": "*"},
    "np.dot": {"color": "black", "linestyle": "--", "linewidth": 1.2, "zorder": 6},
    "np.add": {"color": "black", "linestyle": "--", "linewidth": 1.2, "zorder": 6},
}
LABELS = {"np.dot": "np.dot, reads the same\nbytes: limit of memory", "np.add": "np.add(x, t)"}
NUMBERED = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#666666", "black"]

Points = Mapping[str, Sequence[Sequence[float]]]


def draw(results: Results, folder: Path) -> dict[str, str]:
    """Write the pictures that the results allow; return their files' names by caption."""
    machine = results["machine"]
    note = (
        f"{machine['processor']}, {machine['instruction_set']}, "
        f"bcelogits {machine['versions']['bcelogits']}, {machine['date'][:10]}"
    )
    drawn = {}
    for key, caption, painter in PICTURES:
        with mpl.rc_context(STYLE):
            figure = painter(results)
            if figure is None:
                continue
            figure.supxlabel(note, fontsize=7, color=PALE, x=0.99, ha="right")
            file = f"{results['name']}-{key}.svg"
            figure.savefig(folder / file, metadata={"Date": None})
            drawn[caption] = file
    return drawn


def _mean(results: Results) -> Figure | None:
    found = {k: v for k, v in results.get("curves", {}).items() if k.startswith("mean")}
    return _per_element(found)


def _arrays(results: Results) -> Figure | None:
    found = {k: v for k, v in results.get("curves", {}).items() if not k.startswith("mean")}
    return _per_element(found)


def _per_element(found: Mapping[str, Points]) -> Figure | None:
    if not found:
        return None
    figure, axes = _panels(len(found), sharey=True)
    for ax, (title, points) in zip(axes, found.items(), strict=True):
        for name, line in points.items():
            ax.plot(
                [p[0] for p in line], [p[1] / p[0] * 1e9 for p in line], **_line(name, len(line))
            )
        _logarithmic(ax, "elements")
        ax.set_title(title)
    axes[0].set_ylabel("ns per element")
    _legend(figure, axes)
    return figure


def _latency(results: Results) -> Figure | None:
    found: Points | None = results.get("latency")
    if not found:
        return None
    figure, axes = _panels(2, sharey=True)
    for ax, column, title in ((axes[0], 1, "50th percentile"), (axes[1], 2, "99th percentile")):
        for name, line in found.items():
            ax.plot([p[0] for p in line], [p[column] * 1e6 for p in line], **_line(name, len(line)))
        _logarithmic(ax, "elements", plain_y=True)
        ax.set_title(f"{title}, mean, float32")
    axes[0].set_ylabel("µs of one call")
    _legend(figure, axes)
    return figure


def _threads(results: Results) -> Figure | None:
    found: Points | None = results.get("threads")
    if not found:
        return None
    figure, (ax,) = _panels(1)
    for i, (number, line) in enumerate(found.items()):
        ax.plot(
            [p[0] for p in line],
            [p[1] / p[0] * 1e9 for p in line],
            color=NUMBERED[i % len(NUMBERED)],
            marker="osD^vPX*"[i % 8],
            markersize=4,
            label=f"{number} thread{'s' if number != '1' else ''}",
        )
    ax.set_xscale("log")
    ax.set_xlabel("elements")
    ax.set_ylim(bottom=0)
    ax.set_title("mean, float32")
    ax.set_ylabel("ns per element")
    ax.legend()
    return figure


def _dtypes(results: Results) -> Figure | None:
    found: Sequence[Mapping[str, Any]] | None = results.get("dtypes")
    if not found:
        return None
    rows = list(dict.fromkeys(cell["logits"] for cell in found))
    figure, (ax,) = _panels(1)
    columns = {"its own": ("#0072B2", "o"), "bool": ("#E69F00", "s"), "uint8": ("#009E73", "^"),
               "int64": ("#D55E00", "D")}  # fmt: skip
    for i, (column, (colour, marker)) in enumerate(columns.items()):
        cells = [c for c in found if column in (c["targets"], _own(c))]
        ax.plot(
            [c["least"] / c["n"] * 1e9 for c in cells],
            [rows.index(c["logits"]) + 0.12 * (i - 1.5) for c in cells],
            linestyle="none",
            marker=marker,
            color=colour,
            label=f"{column} targets" if column != "its own" else "targets of its own dtype",
        )
    ax.set_yticks(range(len(rows)), [f"{name} logits" for name in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.set_xlabel("ns per element")
    ax.set_title(_mathematical("mean of 2^20 elements"))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _own(cell: Mapping[str, Any]) -> str:
    return "its own" if cell["targets"] == cell["logits"] else ""


def _goals(results: Results) -> Figure | None:
    found = [case for case in results.get("goals", []) if case["runs"]]
    if not found:
        return None
    figure = Figure(figsize=(9, 1.1 + 0.24 * len(found)))
    ax = figure.subplots()
    for y, case in enumerate(found):
        ratios = [ratio_of(run) for run in case["runs"]]
        ax.plot(
            ratios, [y] * len(ratios), "o", color="#0072B2", zorder=3, label="" if y else "measured"
        )
        if case["must"] is not None:
            ax.plot(case["must"], y, "|", color="#D55E00", markersize=12, markeredgewidth=2,
                    label="" if y else "must")  # fmt: skip
        if case["aim"] is not None:
            ax.plot(case["aim"], y, "D", color="black", fillstyle="none", markersize=5,
                    label="" if y else "aim")  # fmt: skip
    ax.set_yticks(
        range(len(found)),
        [_mathematical(f"{c['name']}  :  {c['against']}") for c in found],
        fontsize=8,
    )
    ax.set_ylim(len(found) - 0.5, -0.5)
    ax.set_xscale("log")
    ax.axvline(1, color=PALE, linewidth=1)
    ticks = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(_fraction))
    ax.set_title("our time over the other's; further left is faster")
    ax.legend(loc="lower left", facecolor="white", framealpha=1, frameon=True, edgecolor="none")
    return figure


def _mathematical(text: str) -> str:
    return re.sub(r"(\d+)\^(\d+)", r"$\1^{\2}$", text)


def _fraction(value: float, _: Any) -> str:
    return f"{value:g}" if value >= 1 else f"1/{round(1 / value)}"


def _panels(count: int, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(6.4, 3.6) if count == 1 else (10, 4.2))
    axes = figure.subplots(1, count, squeeze=False, sharey=sharey)
    return figure, list(axes[0])


def _line(name: str, points: int) -> dict[str, Any]:
    style: dict[str, Any] = {"linewidth": 1.3, "markersize": 4, "label": LABELS.get(name, name)}
    return style | LINES.get(name, {"color": PALE})


def _logarithmic(ax: Axes, label: str, plain_y: bool = False) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(label)
    formatter = FuncFormatter(lambda value, _: f"{value:,g}")
    ax.yaxis.set_major_formatter(formatter)
    if plain_y:
        low, high = ax.get_ylim()
        steps = [m * 10.0**e for e in range(-3, 6) for m in (1, 2, 5)]
        ax.yaxis.set_major_locator(FixedLocator([s for s in steps if low <= s <= high]))
        ax.yaxis.set_minor_locator(NullLocator())


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside right center")


PICTURES: tuple[tuple[str, str, Callable[[Results], Figure | None]], ...] = (
    ("goals", "The goals at a glance", _goals),
    ("mean", "Mean, over the number of elements", _mean),
    ("arrays", "Losses and gradients, over the number of elements", _arrays),
    ("latency", "The time of one small call", _latency),
    ("threads", "Threads", _threads),
    ("dtypes", "Dtypes", _dtypes),
)
