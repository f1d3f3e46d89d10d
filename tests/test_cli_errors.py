"""``bcelogits score`` on bad input: one line that says what and where, exit status 2."""

from __future__ import annotations

import builtins
import gzip
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")

from cli_files import LOGIT, TARGET, WRITERS, flights  # noqa: E402

from bcelogits.cli import main  # noqa: E402

BIG = 100_000  # rows: more than a chunk


def write(folder: Path, name: str, columns: dict[str, Any]) -> Path:
    file, writer = WRITERS[name]
    writer(folder / file, columns)
    return folder / file


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.csv", *LOGIT], "the following arguments are required: --target"),
        ([*LOGIT, *TARGET], "the following arguments are required: PATH"),
        (["x.csv", *TARGET, "--logit", "a,b"], "2 logit column(s) but 1 target column(s)"),
        (["x.csv", "--logit", "a,b", "--target", "y,y"], "a target column is named twice: y, y"),
        (["x.csv", *TARGET, "--logit", "a,,b"], "'a,,b' holds an empty column name"),
        (["x.csv", *TARGET, "--logit", ""], "'' holds an empty column name"),
        (["x.csv", *TARGET, "--logit", '"a'], "is not a list of columns"),
        (["x.csv", *LOGIT, *TARGET, "--pos-weight", "-1"], "'-1' is not finite and >= 0"),
        (["x.csv", *LOGIT, *TARGET, "--pos-weight", "nan"], "'nan' is not finite and >= 0"),
        (["x.csv", *LOGIT, *TARGET, "--pos-weight", "inf"], "'inf' is not finite and >= 0"),
        (["x.csv", *LOGIT, *TARGET, "--pos-weight", "b"], "'b' is neither numbers nor 'balanced'"),
        (["x.csv", *LOGIT, *TARGET, "--pos-weight", "1,2"], "2 values for 1 label(s)"),
        (["x.csv", *LOGIT, *TARGET, "--label-smoothing", "1.5"], "'1.5' is outside [0, 1]"),
        (["x.csv", *LOGIT, *TARGET, "--label-smoothing", "nan"], "'nan' is outside [0, 1]"),
        (["x.csv", *LOGIT, *TARGET, "--label-smoothing", "x"], "'x' is not a number"),
        (["x.csv", *LOGIT, *TARGET, "--format", "xml"], "invalid choice: 'xml'"),
        (["x.csv", *LOGIT, *TARGET, "--form", "json"], "unrecognized arguments: --form"),
    ],
)
def test_bad_arguments(fails: Callable[..., str], arguments: list[str], message: str) -> None:
    line = fails(*arguments)
    assert message in line
    assert "--help" in line or "i-th" in line or "twice" in line or "label(s)" in line


ONE_VALUE = {
    "--by": "late",
    "--weight": "w",
    "--label-smoothing": "0.1",
    "--format": "json",
    "--stdin-format": "csv",
    "--threads": "1",
    "--engine": "local",
    "--scheduler": "tcp://x:1",
    "--plot": "a.png",
    "--append": "state",
    "--fail-above": "1",
}


@pytest.mark.parametrize("option", ONE_VALUE)
def test_an_option_that_is_given_twice(fails: Callable[..., str], option: str) -> None:
    """Of two values neither is dropped in silence, even if it is the default or the same."""
    value = ONE_VALUE[option]
    for arguments in ([option, value, option, value], [f"{option}={value}", f"{option}={value}x"]):
        line = fails("x.csv", *LOGIT, *TARGET, *arguments)
        if arguments[-1].endswith("x") and "argument" in line and "twice" not in line:
            continue  # what is no value is told first
        assert line.startswith(f"argument {option}: is given twice; one can be told only")


def test_no_option_is_left_out_above() -> None:
    """Whatever takes a value takes one, or adds up."""
    from bcelogits.cli import arguments

    parser = arguments._parser()
    (commands,) = (a for a in parser._actions if a.dest == "==SUPPRESS==" and a.choices)
    options = {
        name
        for action in commands.choices["score"]._actions
        for name in action.option_strings
        if name not in ("-h", "--help")
    }
    assert options - set(ONE_VALUE) == {"--logit", "--target", "--pos-weight"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pos-weight", "1", "--pos-weight", "3"], "2 values for 1 label(s)"),
        (["--pos-weight", "balanced", "--pos-weight", "3"], "balanced is for all labels, and"),
        (["--pos-weight", "3", "--pos-weight", "balanced"], "balanced is for all labels, and"),
        (["--pos-weight", "balanced", "--pos-weight", "balanced"], "balanced is for all labels"),
    ],
)
def test_pos_weights_that_do_not_add_up(
    fails: Callable[..., str], arguments: list[str], message: str
) -> None:
    assert message in fails("x.csv", *LOGIT, *TARGET, *arguments)


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err == (
        "bcelogits: the following arguments are required: COMMAND (see bcelogits --help)\n"
    )


# Columns and values


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("arguments", "column"),
    [
        (["--logit", "score", *TARGET], "score"),
        ([*LOGIT, "--target", "Late"], "Late"),
        ([*LOGIT, *TARGET, "--weight", "weight"], "weight"),
        ([*LOGIT, *TARGET, "--by", "origin"], "origin"),
        ([*LOGIT, "--target", "Late", "--pos-weight", "balanced"], "Late"),
    ],
)
def test_missing_column(
    tmp_path: Path, fails: Callable[..., str], name: str, arguments: list[str], column: str
) -> None:
    path = write(tmp_path, name, flights(10))
    names = "'logit', 'late', 'very', 'other', 'w', 'carrier', 'month'"
    if name == "npy":
        names = "'pad', " + names
    assert fails(path, *arguments) == f"{path}: no column {column!r}; it has {names}"


def test_missing_column_among_many(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((3, 40)))
    expected = ", ".join(f"'{i}'" for i in range(12)) + " and 28 more"
    for name in ("40", "-1", "01", "x", "1" * 30):
        line = fails(path, f"--logit={name}", "--target", "1")
        assert line == f"{path}: no column {name!r}; it has {expected}"


def test_column_that_stands_there_twice(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("logit,late,logit\n1,1,2\n")
    assert fails(path, *LOGIT, *TARGET) == f"{path}: column 'logit' stands there 2 times"
    table = pa.Table.from_arrays([pa.array([1.0])] * 3, ["logit", "late", "logit"])
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(table, path)
    assert fails(path, *LOGIT, *TARGET) == f"{path}: column 'logit' stands there 2 times"


@pytest.mark.parametrize("row", [1, 70_001])
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("late", 1.5, "target 1.5 is outside [0, 1]"),
        ("late", -0.25, "target -0.25 is outside [0, 1]"),
        ("w", -2.0, "weight -2.0 is not finite and >= 0"),
        ("w", np.inf, "weight inf is not finite and >= 0"),
        ("logit", np.nan, "logit nan is not a number"),
        ("late", np.nan, "target nan is outside [0, 1]"),
    ],
)
def test_value_out_of_range(
    tmp_path: Path,
    fails: Callable[..., str],
    name: str,
    row: int,
    column: str,
    value: float,
    problem: str,
) -> None:
    columns = {
        "logit": np.zeros(BIG),
        "late": np.ones(BIG),
        "w": np.ones(BIG),
        "by": np.arange(BIG) % 7,
    }
    columns[column][row - 1] = value
    if column == "late" and row < BIG:
        columns[column][BIG - 1] = 3.0  # the first is named
    path = write(tmp_path, name, columns)
    if np.isnan(value) and name in ("csv", "csv.gz", "tsv"):
        problem = "a value is missing (null)"
    line = fails(path, *LOGIT, *TARGET, "--weight", "w", "--by", "by")
    assert line == f"{path}: column {column!r}, data row {row}: {problem}"


@pytest.mark.parametrize("value", [2, -1, 2**63])
def test_integer_target_out_of_range(tmp_path: Path, fails: Callable[..., str], value: int) -> None:
    dtype = np.uint64 if value > 0 else np.int8
    columns = {"logit": np.zeros(3), "late": np.array([1, 0, value], dtype)}
    for name in ("parquet", "npy"):
        path = write(tmp_path, name, columns)
        expected = f"{path}: column 'late', data row 3: target {value} is outside [0, 1]"
        assert fails(path, *LOGIT, *TARGET) == expected
        assert fails(path, *LOGIT, *TARGET, "--pos-weight", "balanced") == expected


def test_the_second_label_and_the_second_file_are_named(
    tmp_path: Path, fails: Callable[..., str]
) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("a,b,y,z\n1,2,1,0\n" * 1 + "1,2,1,0\n" * 5)
    bad.write_text("a,b,y,z\n1,2,1,0\n1,2,1,7\n")
    line = fails(good, bad, "--logit", "a,b", "--target", "y,z")
    assert line == f"{bad}: column 'z', data row 2: target 7.0 is outside [0, 1]"


@pytest.mark.parametrize("row", [1, 80_000])
@pytest.mark.parametrize("column", ["logit", "late", "w"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("n/k", "text 'n/k' where a number should be"),
        ("1,5", "text '1,5' where a number should be"),
        ("0x1p3", "text '0x1p3' where a number should be"),
        ("\x1b[2J", r"text '\x1b[2J' where a number should be"),
        ("True", "text 'True' where a number should be"),
        ("'", 'text "\'" where a number should be'),
        ("", "a value is missing (null)"),
        ("NULL", "a value is missing (null)"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_text_in_csv(
    tmp_path: Path,
    fails: Callable[..., str],
    row: int,
    column: str,
    text: str,
    problem: str,
    delimiter: str,
) -> None:
    names = ["id", "logit", "late", "w"]
    fields = ["a", "0.5", "0.75", "2"]
    lines = [delimiter.join(names)] + [delimiter.join(fields)] * BIG
    fields[names.index(column)] = f'"{text}"' if text else ""
    lines[row] = delimiter.join(fields)
    path = tmp_path / ("a.csv" if delimiter == "," else "a.tsv")
    path.write_text("\n".join(lines) + "\n")
    line = fails(path, *LOGIT, *TARGET, "--weight", "w")
    assert line == f"{path}: column {column!r}, data row {row}: {problem}"


def test_rows_of_csv_are_records_not_lines(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text('note,logit,late\n"two\nlines",1,1\n\n"two\nlines",2,0\n,x,0\n')
    line = fails(path, *LOGIT, *TARGET)
    assert line == f"{path}: column 'logit', data row 3: text 'x' where a number should be"


def test_text_in_a_csv_column_of_true_and_false(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("logit,late\n" + "1,true\n" * 2_000_000 + "1,maybe\n")
    line = fails(path, *LOGIT, *TARGET)
    assert line == f"{path}: column 'late', data row 2000001: text 'maybe' where a number should be"


@pytest.mark.parametrize("name", ["parquet", "feather", "ipc", "stream"])
@pytest.mark.parametrize("row", [1, 80_000])
@pytest.mark.parametrize("column", ["logit", "late", "w"])
def test_null_in_arrow(
    tmp_path: Path, fails: Callable[..., str], name: str, row: int, column: str
) -> None:
    values: dict[str, Any] = {"logit": [0.5] * BIG, "late": [True] * BIG, "w": [2] * BIG}
    values[column][row - 1] = None
    path = write(tmp_path, name, values)
    line = fails(path, *LOGIT, *TARGET, "--weight", "w")
    assert line == f"{path}: column {column!r}, data row {row}: a value is missing (null)"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (["0.5", "x"], "text '0.5' where a number should be"),
        (pa.array(["0.5", "x"]).dictionary_encode(), "text '0.5' where a number should be"),
        ([b"a", b"b"], "a value of type binary where a number should be"),
        ([[1.0], [2.0]], "a value of type list<element: double> where a number should be"),
        (np.array([1, 2], "M8[s]"), "a value of type timestamp[s] where a number should be"),
        ([None, None], "a value is missing (null)"),
        (["x" * 1000] * 2, f"text '{'x' * 27}...{'x' * 28}' where a number should be"),
    ],
)
def test_arrow_column_of_another_type(
    tmp_path: Path, fails: Callable[..., str], values: Any, problem: str
) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"logit": values, "late": [1, 0]}), path)
    line = fails(path, *LOGIT, *TARGET).replace("timestamp[ms]", "timestamp[s]")
    assert line == f"{path}: column 'logit', data row 1: {problem}"


@pytest.mark.parametrize("name", ["npy", "npz"])
@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (np.array(["0.5", "x"]), "text '0.5' where a number should be"),
        (np.array([b"0.5", b"x"]), "text b'0.5' where a number should be"),
        (np.array([1j, 2]), "a value of type complex128 where a number should be"),
        (np.array([1, 2], "m8[s]"), "a value of type timedelta64[s] where a number should be"),
    ],
)
def test_numpy_column_of_another_type(
    tmp_path: Path, fails: Callable[..., str], name: str, values: Any, problem: str
) -> None:
    path = write(tmp_path, name, {"logit": values, "late": np.array([1, 0])})
    line = fails(path, *LOGIT, *TARGET)
    assert line == f"{path}: column 'logit', data row 1: {problem}"


@pytest.mark.parametrize("name", ["parquet", "npy"])
def test_group_column_of_a_type_without_names(
    tmp_path: Path, fails: Callable[..., str], name: str
) -> None:
    values = np.array([1j, 2]) if name == "npy" else [[1.0], [2.0]]
    path = write(tmp_path, name, {"logit": np.zeros(2), "late": np.zeros(2), "by": values})
    assert fails(path, *LOGIT, *TARGET, "--by", "by").startswith(f"{path}: column 'by': ")


@pytest.mark.parametrize("target", [0.0, 1e-310])
def test_balanced_without_a_positive_target(
    tmp_path: Path, fails: Callable[..., str], target: float
) -> None:
    path = write(tmp_path, "npy", {"logit": np.zeros(3), "late": np.full(3, target)})
    line = fails(path, *LOGIT, *TARGET, "--pos-weight", "balanced")
    assert line == "--pos-weight balanced: column 'late' has no positive target"


# Files


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet", "arrow", "npy", "npz"])
def test_absent_file(tmp_path: Path, fails: Callable[..., str], suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    assert fails(path, *LOGIT, *TARGET) == f"{path}: No such file or directory"


def test_file_name_with_a_newline_stays_in_one_line(
    tmp_path: Path, fails: Callable[..., str]
) -> None:
    assert fails(tmp_path / "a\n\x1b.csv", *LOGIT, *TARGET).endswith("No such file or directory")


def test_folder_pipe_and_nul(tmp_path: Path, fails: Callable[..., str]) -> None:
    import os

    folder, pipe = tmp_path / "a.csv", tmp_path / "b.csv"
    folder.mkdir()
    os.mkfifo(pipe)
    assert fails(folder, *LOGIT, *TARGET) == f"{folder}: the folder has no file of a known format"
    assert fails(pipe, *LOGIT, *TARGET) == f"{pipe}: is not a regular file"
    assert "null" in fails("a\0.csv", *LOGIT, *TARGET)


def test_file_without_permission(
    tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "csv", flights(3))
    plain_open = builtins.open

    def refuse(file: Any, *arguments: Any, **options: Any) -> Any:
        # the tests may run as root, whom no permission stops
        if str(file) == str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return plain_open(file, *arguments, **options)

    monkeypatch.setattr(builtins, "open", refuse)
    assert fails(path, *LOGIT, *TARGET) == f"{path}: Permission denied"


@pytest.mark.parametrize("name", ["a", "a.txt", "a.gz", "a.parquet.gz", "csv", "a.csv.xz"])
def test_unknown_format(tmp_path: Path, fails: Callable[..., str], name: str) -> None:
    (tmp_path / name).write_text("logit,late\n1,1\n")
    line = fails(tmp_path / name, *LOGIT, *TARGET)
    assert line.startswith(f"{tmp_path / name}: the suffix tells no known format (known: .csv ")


@pytest.mark.parametrize("name", WRITERS)
def test_empty_and_garbled_files(tmp_path: Path, fails: Callable[..., str], name: str) -> None:
    path = tmp_path / WRITERS[name][0]
    for content in (b"", b"\0" * 100, b"\xff\xfe\x80 not a data file \x00\x93", b"ARROW1\0\0" * 9):
        path.write_bytes(content)
        assert fails(path, *LOGIT, *TARGET).startswith(f"{path}: ")


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in ("csv", "tsv")])
def test_truncated_files(tmp_path: Path, fails: Callable[..., str], name: str) -> None:
    path = write(tmp_path, name, flights(1000))
    content = path.read_bytes()
    for share in (0.01, 0.3, 0.6, 0.95):
        path.write_bytes(content[: int(share * len(content))])
        line = fails(path, *LOGIT, *TARGET, "--by", "carrier")
        assert line.startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["parquet", "feather", "ipc", "stream", "npz", "npz compressed"])
def test_flipped_bytes_end_in_a_report_or_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = write(tmp_path, name, flights(50))
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    failed = 0
    for position in rng.integers(0, len(content), 150):
        garbled = bytearray(content)
        garbled[position] ^= int(rng.integers(1, 256))
        path.write_bytes(garbled)
        status = main(["score", str(path), *LOGIT, *TARGET, "--by", "carrier"])
        captured = capsys.readouterr()
        if status == 2:
            failed += 1
            assert captured.out == ""
            assert captured.err.startswith(f"bcelogits: {path}: ")
            assert captured.err.count("\n") == 1
        else:
            assert status == 0
            assert captured.err == ""
    assert failed > 0


def test_members_of_an_archive_are_closed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command, and not when they are collected, which may be late or never."""
    path = write(tmp_path, "npz", flights(50))
    opened = []
    open_member = zipfile.ZipFile.open

    def kept(archive: zipfile.ZipFile, *arguments: object) -> object:
        opened.append(open_member(archive, *arguments))
        return opened[-1]

    monkeypatch.setattr(zipfile.ZipFile, "open", kept)
    assert main(["score", str(path), *LOGIT, *TARGET]) == 0
    assert main(["score", str(path), *LOGIT, "--target", "logit"]) == 2
    capsys.readouterr()
    assert len(opened) >= 6
    assert all(stream.closed for stream in opened)


@pytest.mark.parametrize("line", ["1", "1,1,1,1", "1,1,1,1,1"])
@pytest.mark.parametrize("row", [1, 5, BIG])
def test_csv_row_of_another_length(
    tmp_path: Path, fails: Callable[..., str], line: str, row: int
) -> None:
    lines = ["logit,late,x"] + ["1,1,1"] * BIG
    lines[row] = line
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines))
    count = line.count(",") + 1
    expected = f"{path}: data row {row}: expected 3 columns, got {count}"
    found = fails(path, *LOGIT, *TARGET)
    if (row, count) == (1, 4):
        found, _, hint = found.partition(": one more than the header has: ")
        assert "row.names=FALSE" in hint
    assert found == expected


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz"])
def test_row_names_of_r(tmp_path: Path, fails: Callable[..., str], suffix: str) -> None:
    """As write.table leaves them: the header has no field for them."""
    text = '"logit","late"\n"1",2,1\n"2",-1,0\n'
    content = text.replace(",", "\t" if suffix == "tsv" else ",").encode()
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == "csv.gz" else content)
    assert fails(path, *LOGIT, *TARGET) == (
        f"{path}: data row 1: expected 2 columns, got 3: one more than the header has: row names, "
        "as R writes them (write.table needs row.names=FALSE or col.names=NA), or a delimiter at "
        "the end of a row"
    )


def test_a_delimiter_that_is_another(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("logit;late\n0,5;1\n")
    assert fails(path, *LOGIT, *TARGET) == (
        f"{path}: data row 1: expected 1 columns, got 2: fields are separated by commas in .csv, "
        "by tabs in .tsv"
    )


SWALLOWED = [
    'logit,late,by\n1,1,x\n1,1,"a\n2,0,b\n3,1,c\n',  # to the end of the file
    'logit,late,by\n1,1,x\n1,1,"a\n2,0,b\n3,1,c',
    'logit,late,by\n1,1,x\n1,1,"a\n2,0,b\n3,1,"c"\n',  # to the next quote
    'by,logit,late\nx,1,1\n"a,1,1\nb,2,0\n"c,3,1\n',
    'by,logit,late\nx,1,1\n"a ""b"",1,1\nb,2,0\n"c,3,1\n"d",1,1\n',
    'by,logit,late\nx"y,1,1\n"a,1,1\nb,2,0\n"c,3,1\n',
    'by,logit,late\r\nx,1,1\r\n"a,1,1\r\nb,2,0\r\n"c,3,1\r\n',
    'logit,late,by\n1,1,x\n1,1,"""a\n2,0,b\n3,1,c""\n',
    'logit,late,by\n1,1,x\n1,1,"a\n2,0,b" \n',
]


@pytest.mark.parametrize("content", SWALLOWED)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz"])
@pytest.mark.parametrize("block", [3, None])
def test_a_quote_that_would_swallow_rows(
    tmp_path: Path,
    fails: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    suffix: str,
    block: int | None,
) -> None:
    if block:
        monkeypatch.setattr("bcelogits.cli.readers.quotes._BLOCK_BYTES", block)
    path = tmp_path / f"a.{suffix}"
    data = content.replace(",", "\t" if suffix == "tsv" else ",").encode()
    path.write_bytes(gzip.compress(data) if suffix == "csv.gz" else data)
    line = fails(path, *LOGIT, *TARGET)
    assert line.startswith(f"{path}: line 3: a quote that opens there is closed in another line")


QUOTED = [
    'by,logit,late\n"hi ""x"" y",1,1\n"a\nb",2,0\n5" pipe,1,1\n"""q""",1,0\n"",1,1\n',
    'by,logit,late\n"a"x,1,1\nb,2,0\n',
    'logit,late,by\n1,1,"a\n\n""b"""\n2,0,x"y"\n3,1,"c,"\n',
    'logit,late,by\r\n1,1,"a\r\n"\r\n2,0,"',
    '\ufeff"logit","late","by"\n1,1,"a\nb"\n',
    "logit,late,by\n1,1,'a\n2,0,b'\n",
]


@pytest.mark.parametrize("content", QUOTED)
@pytest.mark.parametrize("block", [1, 3, 7, 1 << 22])
def test_quotes_that_swallow_no_rows(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    block: int,
) -> None:
    monkeypatch.setattr("bcelogits.cli.readers.quotes._BLOCK_BYTES", block)
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode())
    assert main(["score", str(path), *LOGIT, *TARGET]) == 0
    assert capsys.readouterr().err == ""


@given(st.text(alphabet='",\nx', max_size=40), st.integers(1, 9))
@example('"a,1\n"', 1)
def test_quotes_are_followed_as_one_by_one(text: str, block: int) -> None:
    """In blocks of any size, whether they are all plain or not."""
    from bcelogits.cli.readers import quotes

    def swallows() -> bool:
        """Go through the text as the parser does, byte by byte."""
        inside, line_end, i = False, False, 0
        while i < len(text):
            c = text[i]
            if not inside:
                if c == '"' and (i == 0 or text[i - 1] in ",\n"):
                    inside, line_end = True, False
            elif c == "\n":
                line_end = True
            elif c == '"':
                if text[i + 1 : i + 2] == '"':
                    i += 1
                else:
                    if line_end and text[i + 1 : i + 2] not in ("", ",", "\n"):
                        return True
                    inside = False
            i += 1
        return inside and line_end

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quotes, "_BLOCK_BYTES", block)
        try:
            quotes.check_quotes(io.BytesIO(text.encode()), b",")
        except quotes.UnclosedQuoteError:
            assert swallows()
        else:
            assert not swallows()


def test_csv_row_that_is_too_long(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("logit,late,x\n1,1,1\n1,1," + "x" * (9 << 20) + "\n1,1,1\n")
    assert fails(path, *LOGIT, *TARGET) == f"{path}: a row is longer than 4 MiB"


def test_csv_group_that_is_not_utf8(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"logit,late,by\n1,1,a\n1,1,\xff\n")
    line = fails(path, *LOGIT, *TARGET, "--by", "by")
    assert line.startswith(f"{path}: column 'by', data row 2: ")
    assert "UTF8" in line


def test_csv_header_that_is_not_utf8(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"logit,late,\xff\n1,1,a\n")
    assert fails(path, *LOGIT, *TARGET).startswith(f"{path}: header: 'utf-8' codec can't decode")


@pytest.mark.parametrize("order", "<>")
def test_numpy_text_that_is_not_unicode(
    tmp_path: Path, fails: Callable[..., str], order: str
) -> None:
    codes = np.array([97, 0x110000], f"{order}u4")
    columns = {"logit": np.zeros(2), "late": np.zeros(2), "by": codes.view(f"{order}U1")}
    path = write(tmp_path, "npy", columns)
    expected = f"{path}: column 'by': a text holds what is not Unicode"
    assert fails(path, *LOGIT, *TARGET, "--by", "by") == expected
    np.save(path, codes[::-1].copy().view(f"{order}U1"))
    expected = f"{path}: column '0': a text holds what is not Unicode"
    assert fails(path, "--logit", "0", "--target", "0") == expected


def test_feather_version_1(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.feather"
    path.write_bytes(b"FEA1" + b"\0" * 50 + b"FEA1")
    assert "Feather version 1 is not supported" in fails(path, *LOGIT, *TARGET)


class Bomb:
    """Says so if it is ever unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize("name", ["npy", "npz"])
def test_objects_are_never_unpickled(tmp_path: Path, fails: Callable[..., str], name: str) -> None:
    bombs = np.array([Bomb(), Bomb()])
    if name == "npy":
        np.save(tmp_path / "a.npy", bombs)
        line = fails(tmp_path / "a.npy", "--logit", "0", "--target", "0")
    else:
        np.savez(tmp_path / "a.npz", logit=bombs, late=np.ones(2))
        line = fails(tmp_path / "a.npz", *LOGIT, *TARGET)
    assert "bject" in line


def test_pickle_named_npy(tmp_path: Path, fails: Callable[..., str]) -> None:
    import pickle

    path = tmp_path / "a.npy"
    path.write_bytes(pickle.dumps([Bomb()]))
    assert "magic" in fails(path, "--logit", "0", "--target", "0")


def test_arrays_that_are_no_columns(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, logit=np.zeros((4, 2)), cube=np.zeros((4, 1, 1)), y=np.ones(4), n=np.ones(5))
    expected = f"{path}: no column 'logit'; 'logit' has 2 columns, logit[0] to logit[1]"
    assert fails(path, *LOGIT, "--target", "y") == expected
    assert "no column 'logit[2]'" in fails(path, "--logit", "logit[2]", "--target", "y")
    assert "no column 'y[0]'" in fails(path, "--logit", "y", "--target", "y[0]")
    line = fails(path, "--logit", "cube", "--target", "y")
    assert "has shape (4, 1, 1), which is not that of a column" in line
    line = fails(path, "--logit", "logit[0]", "--target", "n")
    assert line == f"{path}: 'logit' has 4 rows, 'n' has 5"
    path = tmp_path / "a.npy"
    for array in (np.array(1.0), np.zeros((2, 2, 2)), np.zeros((2, 2), [("a", "f8")])):
        np.save(path, array)
        line = fails(path, "--logit", "0", "--target", "1")
        assert line == f"{path}: an array of shape {array.shape} has no columns"


def test_npz_whose_content_does_not_match_its_checksum(
    tmp_path: Path, fails: Callable[..., str]
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, logit=np.zeros(1000), late=np.ones(1000))
    content = path.read_bytes()
    spot = content.index(b"\0" * 2000) + 1000
    path.write_bytes(content[:spot] + b"\1" + content[spot + 1 :])
    assert "CRC" in fails(path, *LOGIT, *TARGET)


def test_the_checksum_of_a_member_that_is_needed_in_part(
    tmp_path: Path, fails: Callable[..., str]
) -> None:
    # The columns of this array stand one after the other, and the damaged one is the first.
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((200_000, 3), order="F"), y=np.ones(200_000))
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    assert "CRC" in fails(path, "--logit", "x[0]", "--target", "y")


def test_npz_with_a_header_that_promises_too_much(
    tmp_path: Path, fails: Callable[..., str]
) -> None:
    path = tmp_path / "a.npz"
    for shape in ((10**12,), (3, 10**15), (-4,), (2**70,)):
        header = str({"descr": "<f8", "fortran_order": False, "shape": shape}).encode()
        header = header.ljust(118 - len(header) % 64 + 64) + b"\n"
        member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 800
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", member)
        column = "x" if len(shape) == 1 else "x[1]"
        assert fails(path, "--logit", column, "--target", column)


def test_encrypted_npz(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, logit=np.zeros(3), late=np.ones(3))
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(mark, start + 1)
    path.write_bytes(content)
    assert "encrypted" in fails(path, *LOGIT, *TARGET)


# The environment


@pytest.mark.parametrize("name", ["csv", "parquet", "ipc"])
def test_without_pyarrow(
    tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = write(tmp_path, name, flights(10))
    _forget(monkeypatch, "pyarrow")
    line = fails(path, *LOGIT, *TARGET)
    assert line.startswith(f"{path}: reading ")
    assert line.endswith("files needs pyarrow: pip install 'bcelogits[cli]'")


@pytest.mark.parametrize("name", ["npy", "npz"])
def test_npy_and_npz_do_without_pyarrow_and_rich(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    path = write(tmp_path, name, flights(10))
    _forget(monkeypatch, "pyarrow")
    _forget(monkeypatch, "rich")
    assert main(["score", str(path), *LOGIT, *TARGET, "--by", "carrier"]) == 0
    assert "all" in capsys.readouterr().out


def _forget(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Make a package, and the readers that have imported it, look as if not installed."""
    for name in list(sys.modules):
        if name.partition(".")[0] == package or name.startswith("bcelogits.cli.readers."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


def test_an_interrupt_is_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bcelogits.cli.scoring.check_file", interrupt)
    assert main(["score", str(tmp_path / "a.csv"), *LOGIT, *TARGET]) == 130
    assert capsys.readouterr() == ("", "")


def test_out_of_memory(
    tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("bcelogits.cli.scoring.check_file", exhaust)
    assert fails(tmp_path / "a.csv", *LOGIT, *TARGET) == "not enough memory"


def test_our_own_mistakes_are_not_blamed_on_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "csv", flights(10))

    def fail(*_: Any) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr("bcelogits.cli.scoring.sigmoid", fail)
    with pytest.raises(ValueError, match="a defect"):
        main(["score", str(path), *LOGIT, *TARGET])
