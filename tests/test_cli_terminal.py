"""``bcelogits score`` among terminals, pipes and signals, as a process of its own."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")
pytest.importorskip("rich", reason="the command draws with rich (extra: cli)")
pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")

from cli_files import (  # noqa: E402
    LOGIT,
    TARGET,
    flights,
    read_terminal,
    run_and_tell_peak,
    terminal_environment,
    write_csv,
    write_endless,
)

SCORE = [sys.executable, "-W", "error", "-m", "bcelogits", "score"]


@pytest.fixture
def csv_path(tmp_path: Path) -> Path:
    path = tmp_path / "flights.csv"
    write_csv(path, flights())
    return path


def test_standard_error_without_a_terminal_stays_empty(csv_path: Path) -> None:
    done = subprocess.run([*SCORE, csv_path, *LOGIT, *TARGET], capture_output=True, check=True)
    assert done.stderr == b""
    assert b"\x1b" not in done.stdout
    assert done.stdout.lstrip().startswith(b"rows  positives")


@pytest.mark.parametrize(
    ("more", "passes"), [([], 1), (["--pos-weight", "balanced"], 2), (["--threads", "2"], 1)]
)
def test_a_terminal_on_standard_error_gets_a_bar_that_reaches_the_end(
    tmp_path: Path, more: list[str], passes: int
) -> None:
    path = tmp_path / "flights.csv"
    write_csv(path, flights(150_000))  # several chunks
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*SCORE, path, *LOGIT, *TARGET, "--format", "json", *more],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=terminal_environment(),
    )
    os.close(theirs)
    drawn = read_terminal(ours)
    output, _ = process.communicate()
    assert process.returncode == 0
    assert json.loads(output)["overall"]["rows"] == 150_000
    assert "\x1b[?25l" in drawn  # the cursor is hidden while the bar is there
    megabytes = f"{path.stat().st_size * passes / 1e6:.1f}"
    assert f"{megabytes}/{megabytes} MB" in drawn
    assert drawn.rindex("\x1b[2K") > drawn.rindex("MB")  # wiped off at the end


def test_a_terminal_on_standard_output_gets_a_drawn_table(csv_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*SCORE, csv_path, *LOGIT, *TARGET, "--by", "carrier"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=terminal_environment(),
    )
    os.close(theirs)
    drawn = read_terminal(ours)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert "┃" in drawn
    assert all(name in drawn for name in ("carrier", "base rate", "calibration", "ÜX", "all"))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A few rows of many: their weights are as large as counts of millions."""
    path = tmp_path / "many.npz"
    count = 12_345_678
    weight = np.array([2 * count, count / 7])
    by = np.array(["a name of a group that is long", "b"])
    np.savez(path, logit=[3.0, -2.0], late=[1.0, 0.0], w=weight, by=by, other=[2.0, 1.5], z=[1, 0])
    return path


MANY = {
    "plain": [],
    "weights": ["--weight", "w"],
    "groups": ["--weight", "w", "--by", "by"],
    "labels": ["--weight", "w", "--by", "by", "--logit", "other", "--target", "z"],
}


class Terminal(io.StringIO):
    """What rich and we take for a terminal."""

    def isatty(self) -> bool:
        return True


def check_digits(plain: str, drawn: str, width: int) -> None:
    """Check that what is drawn has every figure of the plain table, and is as wide at most."""
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert "…" not in drawn
    cells = (cell for line in plain.splitlines()[1:] for cell in line.split())
    for cell in filter(lambda cell: cell[0].isdigit(), cells):
        assert re.search(rf"(?<![\d.,]){re.escape(cell)}(?![\d.,])", drawn), cell
    lines = drawn.splitlines()
    if "┃" in drawn:
        assert max(map(len, lines)) <= width
        return
    # One figure a line. A name may be longer: the terminal wraps it.
    names = ["rows", "positives", "base rate", "mean loss", "normalized entropy", "calibration"]
    found = [line[:18].rstrip() for line in lines]
    reports = len(plain.splitlines()) - 1
    assert [found.count(name) for name in names] == [reports] * len(names)
    assert width < 120


@pytest.mark.parametrize("width", [120, 100, 80, 60, 40, 20])
@pytest.mark.parametrize("options", MANY)
def test_every_digit_is_shown_at_any_width(
    many: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    options: str,
) -> None:
    from bcelogits.cli import main

    arguments = ["score", str(many), *LOGIT, *TARGET, *MANY[options]]
    assert main(arguments) == 0
    plain = capsys.readouterr().out
    assert ("24,691,356" in plain) == ("--weight" in arguments)
    terminal = Terminal()
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(arguments) == 0
    check_digits(plain, terminal.getvalue(), width)


@pytest.mark.parametrize("width", [80, 40])
def test_every_digit_is_shown_on_a_terminal(many: Path, width: int) -> None:
    arguments = [many, *LOGIT, *TARGET, *MANY["groups"]]
    plain = subprocess.run([*SCORE, *arguments], capture_output=True, check=True).stdout.decode()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*SCORE, *arguments],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=terminal_environment() | {"COLUMNS": str(width)},
    )
    os.close(theirs)
    drawn = read_terminal(ours)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, b"")
    check_digits(plain, drawn, width)


def test_20_million_rows_in_80_columns() -> None:
    """A table, whose header has more lines."""
    from bcelogits.cli import report

    header = ["rows", "positives", "base rate", "mean loss", "normalized entropy", "calibration"]
    row = ["20,000,000", "10,000,000", "0.500000", "0.693147", "1.00000", "1.00000"]
    assert report._widths([header, row], 0, 80) == [10, 10, 8, 8, 10, 11]
    assert report._widths([header, row], 0, 86) == [10, 10, 9, 9, 18, 11]
    assert report._widths([header, row], 0, 75) is None


def test_a_name_gives_way_to_the_figures(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bcelogits.cli import main

    terminal = Terminal()
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(["score", str(many), *LOGIT, *TARGET, *MANY["groups"]]) == 0
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    rows = [line for line in drawn.splitlines() if line.startswith("│")]
    name = "".join(line.split("│")[1].replace(" ", "") for line in rows)
    assert "anameofagroupthatislong" in name
    assert len(rows) > 3


def test_json_on_a_terminal_is_still_json(csv_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*SCORE, csv_path, *LOGIT, *TARGET, "--format", "json"],
        stdout=theirs,
        env=terminal_environment(),
    )
    os.close(theirs)
    assert json.loads(read_terminal(ours))["overall"]["rows"] == 1000
    assert process.wait() == 0


def test_an_error_under_a_bar_is_one_line_after_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("logit,late\n1,1\n1,2\n")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*SCORE, path, *LOGIT, *TARGET], stderr=theirs, env=terminal_environment()
    )
    os.close(theirs)
    last = read_terminal(ours).splitlines()[-1]
    assert process.wait() == 2
    assert last.endswith(f"bcelogits: {path}: column 'late', data row 2: "
                         "target 2.0 is outside [0, 1]")  # fmt: skip
    assert "\x1b[?25h" in last or "\x1b" not in last.rpartition("bcelogits")[2]


def test_a_group_that_the_encoding_lacks_is_escaped(csv_path: Path) -> None:
    done = subprocess.run(
        [*SCORE, csv_path, *LOGIT, *TARGET, "--by", "carrier"],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert b"\n\\xdcX " in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_a_reader_that_went_away_is_no_news(csv_path: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*SCORE, *(arguments or [csv_path, *LOGIT, *TARGET])],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_under_standard_output(csv_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*SCORE, csv_path, *LOGIT, *TARGET], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert done.stderr == b"bcelogits: cannot write the report: No space left on device\n"


def test_closed_standard_streams(csv_path: Path) -> None:
    command = f"exec {' '.join(map(str, SCORE))} {csv_path} --logit logit --target late"
    done = subprocess.run(["sh", "-c", f"{command} >&-"], stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr == b"bcelogits: standard output is closed\n"
    done = subprocess.run(["sh", "-c", f"{command} 2>&-"], stdout=subprocess.PIPE, check=True)
    assert done.stdout.lstrip().startswith(b"rows  positives")


def test_ctrl_c_ends_a_long_run_quietly(tmp_path: Path) -> None:
    path = tmp_path / "huge.npy"
    write_endless(path)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*SCORE, path, "--logit", "0", "--target", "1"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=terminal_environment(),
    )
    os.close(theirs)
    os.read(ours, 1)  # the bar is drawn: it is running
    process.send_signal(signal.SIGINT)
    drawn = read_terminal(ours)
    output, _ = process.communicate()
    assert (process.returncode, output) == (130, b"")
    assert "Traceback" not in drawn
    assert "\x1b[?25h" in drawn  # the cursor is back


@pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="this system does not tell the peak memory"
)
@pytest.mark.parametrize("name", ["npz", "parquet"])
def test_memory_is_bounded_by_the_chunk(tmp_path: Path, name: str) -> None:
    from pyarrow import parquet, table

    rows = 16_000_000
    logit = np.random.default_rng(0).normal(size=rows)
    columns = {"logit": logit, "late": logit > 0}
    path = tmp_path / f"a.{name}"
    if name == "npz":
        np.savez(path, **columns)
    else:  # one column chunk of all rows, which does not compress
        parquet.write_table(table(columns), path, row_group_size=rows, use_dictionary=False)
    done = run_and_tell_peak("parquet", path, *LOGIT, *TARGET)
    assert done.returncode == 0
    mebibytes = int(done.stdout.splitlines()[-1])
    assert 0 < mebibytes < 80  # the logits alone are 122 MiB


@pytest.mark.parametrize("name", ["file.arrow", "stream.arrows"])
def test_mapped_columns_are_not_copied(tmp_path: Path, name: str) -> None:
    """Not even if the file has others: a batch may be larger than memory."""
    import pyarrow as pa

    from bcelogits.cli.readers import Wanted, read

    rows = 1_000_000
    columns = {"logit": np.zeros(rows), "other": np.ones(rows), "late": np.zeros(rows, np.int8)}
    new = pa.ipc.new_file if name == "file.arrow" else pa.ipc.new_stream
    with new(tmp_path / name, pa.table(columns).schema) as writer:
        writer.write_table(pa.table(columns))
    del columns
    before, read_rows = pa.total_allocated_bytes(), 0
    for chunk in read(str(tmp_path / name), Wanted(("logit", "late"))):
        assert pa.total_allocated_bytes() - before < 1 << 20
        read_rows += chunk.rows
    assert read_rows == rows
