"""The report: a table for people, one JSON object for programs."""

import json
import math
from typing import TextIO

from bcelogits.cli.arguments import Format
from bcelogits.cli.errors import one_line
from bcelogits.cli.scoring import Report, Scores
from bcelogits.cli.summary import Summary

_NAME_WIDTH = 8  # of a column of names, at least, where a terminal is narrow


def render(report: Report, form: Format, stream: TextIO | None) -> str:
    """Return the report as text.

    Parameters
    ----------
    report : Report
        What to tell.
    form : "table" or "json"
        How.
    stream : file object or None
        Where it goes: on a terminal a table has lines and colours, if rich is installed.

    Returns
    -------
    str
        With a newline at its end.
    """
    if form == "json":
        return json.dumps(_json(report), allow_nan=False) + "\n"
    table = _table(report)
    caption = _caption(report)
    if stream is not None and stream.isatty():
        try:
            labels = len(report.options.targets)
            overall_rows = labels + 1 if labels > 1 else 1
            return _rich(table, _text_columns(report), overall_rows, stream) + caption
        except ImportError:
            pass
    return _plain(table, _text_columns(report)) + caption


def _caption(report: Report) -> str:
    lines = []
    if report.pos_weight is not None:
        lines.append("pos_weight: " + ", ".join(_number(value) for value in report.pos_weight))
    if report.rows_before is not None:
        lines.append(f"of earlier runs: {report.rows_before:,} rows")
    if report.is_above:
        limit = report.options.fail_above
        lines.append(f"the mean loss is not at most {limit:g}")
    return "".join(f"{line}\n" for line in lines)


def _json(report: Report) -> dict[str, object]:
    options = report.options
    return {
        "files": list(options.paths),
        "logit": list(options.logits),
        "target": list(options.targets),
        "weight": options.weight,
        "by": options.by,
        "pos_weight": None if report.pos_weight is None else list(report.pos_weight),
        "label_smoothing": options.label_smoothing,
        "overall": _json_scores(report, report.overall),
        "groups": [
            {"group": name} | _json_scores(report, scores) for name, scores in report.groups.items()
        ],
        **_json_of_options(report),
    }


def _json_of_options(report: Report) -> dict[str, object]:
    """Return what only some options make worth telling."""
    options = report.options
    fields: dict[str, object] = {}
    if options.append is not None:
        fields |= {"append": options.append, "rows_before": report.rows_before}
    if options.fail_above is not None:
        limit = options.fail_above
        fields |= {
            "fail_above": limit if math.isfinite(limit) else None,
            "is_above": report.is_above,
        }
    return fields


def _json_scores(report: Report, scores: Scores) -> dict[str, object]:
    labels = zip(report.options.targets, scores.labels, strict=True)
    return _json_summary(scores.all_labels) | {
        "labels": [{"label": name} | _json_summary(summary) for name, summary in labels]
    }


def _json_summary(summary: Summary) -> dict[str, object]:
    figures = {
        "weight_sum": summary.weight_sum,
        "positives": summary.positives,
        "base_rate": summary.base_rate,
        "mean_prediction": summary.mean_prediction,
        "mean_loss": summary.mean_loss,
        "normalized_entropy": summary.normalized_entropy,
        "calibration": summary.calibration,
    }
    return {"rows": summary.rows, "count": summary.count} | {
        name: value if math.isfinite(value) else None for name, value in figures.items()
    }


def _text_columns(report: Report) -> int:
    return (report.options.by is not None) + (len(report.options.targets) > 1)


def _table(report: Report) -> list[list[str]]:
    """Return the cells, the header first; columns of text stand before those of figures."""
    options = report.options
    by = [one_line(options.by)] if options.by is not None else []
    label = ["label"] if len(options.targets) > 1 else []
    weight = ["weight"] if options.weight is not None else []
    figures = ["base rate", "mean loss", "normalized entropy", "calibration"]
    rows = [[*by, *label, "rows", *weight, "positives", *figures]]
    everything = ["all"] if by else []
    for name, scores in report.groups.items():
        rows += _table_rows(report, [_group_name(name)], scores)
    return rows + _table_rows(report, everything, report.overall)


def _group_name(name: str | None) -> str:
    return "(missing)" if name is None else one_line(name) or "(empty)"


def _table_rows(report: Report, group: list[str], scores: Scores) -> list[list[str]]:
    weighted = report.options.weight is not None
    if len(scores.labels) == 1:
        return [group + _cells(scores.all_labels, weighted)]
    labels = zip(report.options.targets, scores.labels, strict=True)
    rows = [[*group, one_line(name), *_cells(summary, weighted)] for name, summary in labels]
    return [*rows, [*group, "all", *_cells(scores.all_labels, weighted)]]


def _cells(summary: Summary, weighted: bool) -> list[str]:
    cells = [f"{summary.rows:,}"]
    if weighted:
        cells.append(_count(summary.weight_sum))
    return [
        *cells,
        _count(summary.positives),
        _number(summary.base_rate),
        _number(summary.mean_loss),
        _number(summary.normalized_entropy),
        _number(summary.calibration),
    ]


def _count(value: float) -> str:
    """Whole sums of 0/1 targets and unit weights as counts, others as numbers."""
    return f"{int(value):,}" if value.is_integer() and value < 2**53 else _number(value)


def _number(value: float) -> str:
    """Six significant digits, their trailing zeros too."""
    return f"{value:#.6g}".rstrip(".")


def _plain(table: list[list[str]], text_columns: int) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [
            cell.ljust(width) if index < text_columns else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def _rich(table: list[list[str]], text_columns: int, overall_rows: int, stream: TextIO) -> str:
    """Draw a table that fits the terminal, or write one figure a line where none does."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream)
    widths = _widths(table, text_columns, console.width)
    if widths is None:
        return _list(table, text_columns)
    header, *body = table
    result = Table()
    for index, name in enumerate(header):
        result.add_column(
            Text(name),
            justify="left" if index < text_columns else "right",
            width=widths[index],
            overflow="fold",  # a name in several lines; no figure is wider than its column
        )
    for index, row in enumerate(body):
        last_group = index == len(body) - overall_rows - 1
        result.add_row(*(Text(cell) for cell in row), end_section=last_group)
    with console.capture() as capture:
        console.print(result)
    return capture.get()


def _widths(table: list[list[str]], text_columns: int, room: int) -> list[int] | None:
    """Return the widths of the columns of a drawn table; None if figures would not fit in.

    The words of a header may stand below each other, and names may be folded.
    """
    from rich.cells import cell_len

    columns = [[cell_len(cell) for cell in column] for column in zip(*table, strict=True)]
    room -= 3 * len(columns) + 1  # lines, and a space on each side of a cell
    widths = [max(column) for column in columns]
    figures = range(text_columns, len(columns))
    if sum(widths) > room:
        for index in figures:
            words = max(map(cell_len, table[0][index].split()))
            widths[index] = max(words, *columns[index][1:])
    for index in sorted(range(text_columns), key=lambda i: -widths[i]):
        if (excess := sum(widths) - room) > 0:
            widths[index] = max(widths[index] - excess, min(widths[index], _NAME_WIDTH))
    return widths if sum(widths) <= room else None


def _list(table: list[list[str]], text_columns: int) -> str:
    """Write each row as lines of a name and a figure."""
    header, *body = table
    width = max(map(len, header))
    rows = []
    for row in body:
        lines = [
            f"{name.ljust(width)}  {cell}"
            for name, cell in zip(header[:text_columns], row[:text_columns], strict=True)
        ]
        figures = row[text_columns:]
        most = max(map(len, figures))
        lines += [
            f"{name.ljust(width)}  {cell.rjust(most)}"
            for name, cell in zip(header[text_columns:], figures, strict=True)
        ]
        rows.append("\n".join(lines) + "\n")
    return "\n".join(rows)
