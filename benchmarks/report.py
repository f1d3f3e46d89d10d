"""Results as JSON and as Markdown. Knows the results alone, not how they came about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Results = dict[str, Any]
CaseResult = Mapping[str, Any]


def write_json(results: Results, path: Path) -> None:
    """Write the results in full."""
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_json(path: Path) -> Results:
    """Return what `write_json` wrote."""
    found: Results = json.loads(path.read_text("utf-8"))
    return found


def markdown(results: Results, pictures: Mapping[str, str]) -> str:
    """Return the whole report; `pictures` gives the file of each that was drawn, by its caption."""
    parts = [f"# {results['name']}", machine(results)]
    if results.get("goals"):
        parts += ["## Goals", GOALS_TEXT, cases(results["goals"]), entry_point(results)]
    else:
        parts.append(GOALS_TEXT)
    if results.get("shapes"):
        parts += ["## Shapes and layouts", SHAPES_TEXT, cases(results["shapes"])]
    if results.get("boosting"):
        parts += ["## Gradient boosting", BOOSTING_TEXT, cases(results["boosting"])]
    if results.get("torch"):
        parts += ["## PyTorch", TORCH_TEXT, cases(results["torch"])]
    if results.get("flat"):
        parts += ["## Cost per element in cache", FLAT_TEXT, flat(results["flat"])]
    parts += [f"## {caption}\n\n![{caption}]({file})" for caption, file in pictures.items()]
    for title, points in results.get("curves", {}).items():
        limit = " np.dot reads the same bytes." if "np.dot" in points else ""
        parts += [f"## {title[0].upper()}{title[1:]}", CURVES_TEXT + limit, curves(points)]
    if results.get("latency"):
        parts += ["## Single calls", LATENCY_TEXT, latency(results["latency"])]
    if results.get("threads"):
        parts += ["## Threads", "Nanoseconds per element, least.", curves(results["threads"])]
    if results.get("dtypes"):
        parts += ["## Dtypes", DTYPES_TEXT, dtypes(results["dtypes"])]
    if results.get("entry_points"):
        parts += ["## C entry points", ENTRY_TEXT, entry_points(results["entry_points"])]
    parts.append(missing(results))
    return "\n\n".join(part for part in parts if part) + "\n"


GOALS_TEXT = (
    "The ratio is our time over the other's, in one run, taking turns; below 1 we are faster. The "
    "verdict is that of the ratio of the least times. Times are microseconds of one call."
)
SHAPES_TEXT = "The same, against the contiguous case of as many elements. float32."
BOOSTING_TEXT = (
    "The same: a call of an objective, labels float32 and scores of the dtype named, or a whole "
    "training on one thread."
)
TORCH_TEXT = "The same, of bcelogits.torch against torch's own loss, on the same tensors."
FLAT_TEXT = "Mean of n elements in nanoseconds per element, least, all sizes in turn."
CURVES_TEXT = "Nanoseconds per element, least of the rounds."
LATENCY_TEXT = (
    "Percentiles of the time of single calls on float32, in nanoseconds: 50th / 99th. The clock's "
    "own time is subtracted."
)
DTYPES_TEXT = "Mean in nanoseconds per element, least, by dtype of logits (rows) and targets."
ENTRY_TEXT = "Nanoseconds of a hot call from C, least / median, on operands described beforehand."


def machine(results: Results) -> str:
    """Return what it was measured on."""
    about = results["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in about["versions"].items())
    rows = [
        ("processor", about["processor"]),
        ("cores in use", about["cores"]),
        ("caches", ", ".join(about["caches"]) or "not known"),
        ("memory", f"{about['memory_gib']} GiB"),
        ("system", about["system"]),
        ("compiler", about["compiler"]),
        (
            "instruction set",
            f"{about['instruction_set']} of {', '.join(about['instruction_sets'])}",
        ),
        ("versions", versions),
        ("commit", about["commit"] or "not known"),
        ("date", about["date"]),
        ("load, 1 and 5 min", f"{about['load_before']} before, {about['load_after']} after"),
        ("settings", results["settings"]),
    ]
    return table(("", ""), rows)


def cases(found: Sequence[CaseResult]) -> str:
    """Return the table of cases against others; with several runs, the ratio of each."""
    runs = max((len(case["runs"]) for case in found), default=1)
    ratios = (
        ["ratio of least", "of medians"] if runs == 1 else [f"run {i + 1}" for i in range(runs)]
    )
    header = ["case", "against", "ours", "theirs", *ratios, "must", "aim", "verdict"]
    rows = []
    for case in found:
        limits = [_limit(case["must"]), _limit(case["aim"])]
        if not case["runs"]:
            blank = ["–"] * (2 + len(ratios))
            rows.append([case["name"], case["against"], *blank, *limits, case["missing"]])
            continue
        ours, theirs = (min(run[who][0] for run in case["runs"]) for who in ("ours", "theirs"))
        if runs == 1:
            shown = [_ratio(ratio_of(case["runs"][0], which)) for which in (0, 1)]
        else:
            shown = [_ratio(ratio_of(run)) for run in case["runs"]]
        times = [_microseconds(ours), _microseconds(theirs)]
        rows.append([case["name"], case["against"], *times, *shown, *limits, verdict(case)])
    return table(header, rows, left=2)


def ratio_of(run: Mapping[str, Any], which: int = 0) -> float:
    """Return our time over theirs, of the least (0) or the median (1) times."""
    found: float = run["ours"][which] / run["theirs"][which]
    return found


def verdict(case: CaseResult) -> str:
    """Say what of `must` and `aim` every run met."""
    ratios = [ratio_of(run) for run in case["runs"]]
    if case["must"] is None:
        return "stated"
    if case["aim"] is not None and max(ratios) <= case["aim"]:
        return "aim met"
    met = sum(ratio <= case["must"] for ratio in ratios)
    if met == len(ratios):
        return "met"
    return "**not met**" if len(ratios) == 1 else f"**met in {met} of {len(ratios)}**"


def entry_point(results: Results) -> str:
    """Return the one goal that is a time: the C entry point on 16 elements."""
    for row in results.get("entry_points") or []:
        if (row["call"], row["dtype"], row["n"]) == ("mean", "float32", 16):
            return (
                f"The C entry point, mean of 16 float32, hot: {row['least']:.0f} ns at least, "
                f"{row['median']:.0f} ns in the median; the aim is 20 ns."
            )
    return ""


def flat(found: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Return nanoseconds per element by size, and the spread."""
    sizes = [point[0] for point in next(iter(found.values()))]
    rows = []
    for dtype, points in found.items():
        values = [least / n * 1e9 for n, least, _ in points]
        rows.append([dtype, *(f"{v:.3f}" for v in values), f"{max(values) / min(values):.2f}"])
    return table(["", *map(_size, sizes), "largest / least"], rows, left=1)


def curves(points: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Return nanoseconds per element: a row for each size, a column for each contestant."""
    sizes = sorted({point[0] for line in points.values() for point in line})
    by_name = {name: {point[0]: point[1] for point in line} for name, line in points.items()}
    rows = [
        [_size(n), *(_nanoseconds(times.get(n), n) for times in by_name.values())] for n in sizes
    ]
    return table(["n", *by_name], rows, left=0)


def latency(points: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Return percentiles by size."""
    sizes = sorted({point[0] for line in points.values() for point in line})
    rows = []
    for name, line in points.items():
        cells = {n: f"{middle * 1e9:.0f} / {high * 1e9:.0f}" for n, middle, high, _ in line}
        rows.append([name, *(cells.get(n, "–") for n in sizes), f"{line[0][3]:,}"])
    return table(["", *(f"n = {n}" for n in sizes), "calls"], rows, left=1)


def dtypes(found: Sequence[Mapping[str, Any]]) -> str:
    """Return nanoseconds per element for each pair of dtypes."""
    columns = ["its own", "bool", "uint8", "int64"]
    rows: dict[str, dict[str, str]] = {}
    for cell in found:
        column = "its own" if cell["targets"] == cell["logits"] else cell["targets"]
        rows.setdefault(cell["logits"], {})[column] = f"{cell['least'] / cell['n'] * 1e9:.3f}"
    lines = [
        [name, *(cells.get(column, "–") for column in columns)] for name, cells in rows.items()
    ]
    return table(["logits", *columns], lines, left=1)


def entry_points(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the times of the C entry points."""
    sizes = sorted({row["n"] for row in found})
    rows: dict[tuple[str, str], dict[int, str]] = {}
    for row in found:
        cell = f"{row['least']:.0f} / {row['median']:.0f}"
        rows.setdefault((row["call"], row["dtype"]), {})[row["n"]] = cell
    lines = [[*key, *(cells.get(n, "–") for n in sizes)] for key, cells in rows.items()]
    return table(["call", "dtype", *(f"n = {n}" for n in sizes)], lines, left=2)


def missing(results: Results) -> str:
    """Return a line for each peer that was left out."""
    return "\n".join(f"- {name} is left out: {why}" for name, why in results["missing"].items())


def table(header: Sequence[Any], rows: Iterable[Sequence[Any]], left: int = 2) -> str:
    """Return a Markdown table whose first `left` columns, and the verdict, are text."""
    rules = ["---" if i < left or name == "verdict" else "---:" for i, name in enumerate(header)]
    lines = [header, rules, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value > 0.4 else f"{value:.3f} (1/{1 / value:.1f})"


def _limit(value: float | None) -> str:
    if value is None:
        return "–"
    return (
        f"{value:g}"
        if value > 0.34 or abs(1 / value - round(1 / value)) > 1e-6
        else (f"1/{round(1 / value)}")
    )


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.3g}" if seconds < 1e-3 else f"{seconds * 1e6:.0f}"


def _nanoseconds(seconds: float | None, n: float) -> str:
    return "–" if seconds is None else f"{seconds / n * 1e9:.3g}"


def _size(n: float) -> str:
    exponent = int(n).bit_length() - 1
    return f"2^{exponent}" if n == 2**exponent and exponent >= 10 else f"{int(n):,}"
