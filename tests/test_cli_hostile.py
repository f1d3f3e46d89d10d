"""``bcelogits score`` in a hostile world: harmful files, changing files, full disks.

Whatever happens is one line and status 2, in little memory, and leaves no file half written.
"""

from __future__ import annotations

import glob
import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")

from cli_files import (
    LOGIT,
    TARGET,
    flights,
    run_and_tell_peak,
    run_with_small_files,
    write_csv,
)

from bcelogits.cli import main, scoring
from bcelogits.cli.inputs import _matches

COMMAND = [sys.executable, "-m", "bcelogits", "score"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and peaks as Linux has them")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    write_csv(path, flights(50))
    return path


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob(".*"))


# Text


@linux
@pytest.mark.parametrize(
    ("start", "problem"),
    [
        (b"logit,late\n", "a row is longer than 4 MiB"),
        (b"logit,late\n1,1\n1,", "a row is longer than 4 MiB"),
        (b"", "CSV parse error: Empty CSV file or block"),
        (b"logit,late", "CSV parse error: Empty CSV file or block"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_line_of_a_gigabyte(tmp_path: Path, start: bytes, problem: str, compressed: bool) -> None:
    path = tmp_path / ("a.csv.gz" if compressed else "a.csv")
    with open(path, "wb") as file:
        if compressed:
            file.write(gzip.compress(start) + 64 * gzip.compress(bytes(1 << 24)))
        else:
            file.write(start)
            file.truncate(1 << 30)
    done = run_and_tell_peak("csv", path, *LOGIT, *TARGET)
    assert done.returncode == 2
    assert done.stderr.startswith(f"bcelogits: {path}: {problem}")
    assert done.stderr.count("\n") == 1
    assert int(done.stdout) < 300  # MiB


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("logit,late\n1,1\n".encode("utf-16"), "is encoded in UTF-16, not in UTF-8"),
        ("\ufefflogit,late\n1,1\n".encode("utf-16-be"), "is encoded in UTF-16, not in UTF-8"),
        ("größe,logit,late\nü,1,1\n".encode("latin-1"), "header: 'utf-8' codec can't decode"),
        (b"by,logit,late\na,1,1\n\xfc,1,1\n", "column 'by', data row 2: string: invalid UTF8"),
        (b"by,logit,late\na,1,1\na,\xfc,1\n", "column 'logit', data row 2: text '\ufffd' where a"),
        (b"logit,late\n1,1\n\xef\xbb\xbf2,0\n", "data row 2: text '\\ufeff2' where a"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("compressed", [False, True])
def test_other_encodings_and_mixed_ones(
    tmp_path: Path, fails: Callable[..., str], content: bytes, problem: str, compressed: bool
) -> None:
    path = tmp_path / ("a.csv.gz" if compressed else "a.csv")
    path.write_bytes(gzip.compress(content) if compressed else content)
    by = ["--by", "by"] if content.startswith(b"by") else []
    assert problem in fails(path, *LOGIT, *TARGET, *by)


def test_a_mark_of_the_byte_order_of_utf8_is_no_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbflogit,late\n1,1\n")
    assert main(["score", str(path), *LOGIT, *TARGET]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"logit,late\n1\0,1\n", "column 'logit', data row 1: text '1\\x00' where a number"),
        (b"logit,late\n\0,1\n", "column 'logit', data row 1: text '\\x00' where a number"),
        (b"logit,late\n1,1\n\0\0\0\0", "data row 2: expected 2 columns, got 1"),
        (b"lo\0git,late\n1,1\n", "no column 'logit'; it has 'lo\\x00git', 'late'"),
    ],
)
def test_nul_bytes(tmp_path: Path, fails: Callable[..., str], content: bytes, problem: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert problem in fails(path, *LOGIT, *TARGET)


def test_a_nul_in_a_group_is_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"logit,late,by\n1,1,a\0b\n")
    assert main(["score", str(path), *LOGIT, *TARGET, "--by", "by"]) == 0
    assert "\na\\x00b " in capsys.readouterr().out


# Links


@pytest.fixture
def loops(tmp_path: Path) -> Path:
    """A folder of one file, with links that lead back up to it."""
    folder = tmp_path / "logs"
    (folder / "sub").mkdir(parents=True)
    write_csv(folder / "sub" / "a.csv", flights(50))
    try:
        (folder / "self").symlink_to(".", target_is_directory=True)
        (folder / "sub" / "up").symlink_to("..", target_is_directory=True)
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    return folder


@pytest.mark.parametrize(
    "name", [".", "self", "*", "**", "**/*.csv", "s*/**/a.csv", "**/**", "**/up/**", "sub/up/*"]
)
def test_folders_that_hold_themselves(
    loops: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Their files count once, however many names lead to them."""
    assert main(["score", str(loops / "sub" / "a.csv"), *LOGIT, *TARGET]) == 0
    expected = capsys.readouterr().out
    assert main(["score", str(loops / name), *LOGIT, *TARGET]) == 0
    assert capsys.readouterr() == (expected, "")


def test_recursive_patterns_match_what_those_of_glob_match(tmp_path: Path) -> None:
    for name in ("a.csv", "b/a.csv", "b/c/a.csv", "b/c/d.csv", ".h/a.csv", "b/.a.csv", "[x]/a.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for pattern in ("**/*.csv", "**/c/*", "b/**/a.csv", "*/**/a.csv", "**", "**/[[]x]/*", "**/d/*"):
        expected = glob.glob(str(tmp_path / pattern), recursive=True)
        expected = [name for name in expected if os.path.isfile(name) or pattern != "**"]
        assert sorted(_matches(str(tmp_path / pattern))) == sorted(expected), pattern


def test_a_pattern_of_the_current_folder(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    assert main(["score", "**/*.csv", *LOGIT, *TARGET]) == 0
    assert capsys.readouterr().err == ""


def test_links_to_each_other(loops: Path, fails: Callable[..., str]) -> None:
    (loops / "b.csv").symlink_to("c.csv")
    (loops / "c.csv").symlink_to("b.csv")
    for argument in (loops, loops / "b.csv", loops / "*.csv"):
        line = fails(argument, *LOGIT, *TARGET)
        assert line == f"{loops / 'b.csv'}: Too many levels of symbolic links"


# Files that change


def write_large(path: Path) -> None:
    """Write a file of many chunks, in the format that its name tells."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    rows, name = 300_000, path.name
    columns = {"logit": np.random.default_rng(0).normal(size=rows), "late": np.ones(rows, np.int8)}
    table = pa.table(columns)
    if name.endswith((".csv", ".csv.gz")):
        with pa.output_stream(path, compression="gzip" if name.endswith(".gz") else None) as file:
            csv.write_csv(table, file)
    elif name.endswith(".parquet"):
        parquet.write_table(table, path, row_group_size=rows // 4)
    elif name.endswith(".arrow"):
        options = pa.ipc.IpcWriteOptions(compression="lz4" if "lz4" in name else None)
        new = pa.ipc.new_stream if "stream" in name else pa.ipc.new_file
        with new(path, table.schema, options=options) as writer:
            writer.write_table(table)
    elif name.endswith(".npy"):
        np.save(path, np.rec.fromarrays(columns.values(), names=list(columns)))
    else:
        np.savez(path, **columns)


def append(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"0.5,1,0.25,0.5,1,AA,3\n")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 30)


def overwrite(path: Path) -> None:
    path.write_bytes(path.read_bytes())


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.replace(other, path)


@pytest.mark.parametrize("change", [append, cut, overwrite, replace])
@pytest.mark.parametrize("options", [[], ["--threads", "2"], ["--pos-weight", "balanced"]])
def test_a_file_that_changes_while_it_is_read(
    path: Path,
    fails: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    options: list[str],
) -> None:
    os.utime(path, ns=(0, 0))  # whatever changes it gives it another time
    add = scoring._add_chunk

    def add_and_change(*arguments: Any) -> None:
        add(*arguments)
        change(path)

    monkeypatch.setattr(scoring, "_add_chunk", add_and_change)
    state = path.with_name("state")
    if "balanced" not in options:  # these weights are not the same each time, as sums need them
        options = [*options, "--append", str(state)]
    line = fails(path, *LOGIT, *TARGET, *options)
    assert line == f"{path}: was changed while it was read"
    assert not state.exists()
    assert not leftovers(path.parent)


@pytest.mark.parametrize(
    "name", ["csv", "csv.gz", "parquet", "arrow", "lz4.arrow", "stream.arrow", "npy", "npz"]
)
@pytest.mark.parametrize("size", [0, 0.3, 0.9])
def test_a_file_that_is_cut_short_while_it_is_read(
    tmp_path: Path,
    fails: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    size: float,
) -> None:
    """To touch what was cut off a mapped file would end the process by a signal."""
    path = tmp_path / f"a.{name}"
    write_large(path)
    add, cuts = scoring._add_chunk, [round(path.stat().st_size * size)]

    def add_and_cut(*arguments: Any) -> None:
        add(*arguments)
        while cuts:
            os.truncate(path, cuts.pop())

    monkeypatch.setattr(scoring, "_add_chunk", add_and_cut)
    line = fails(path, "--logit", "logit", "--target", "late")
    assert line == f"{path}: was changed while it was read"


def test_a_file_that_goes_away_while_it_is_read(
    path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add = scoring._add_chunk

    def add_and_remove(*arguments: Any) -> None:
        add(*arguments)
        path.unlink()

    monkeypatch.setattr(scoring, "_add_chunk", add_and_remove)
    state = path.with_name("state")
    line = fails(path, *LOGIT, *TARGET, "--append", state)
    assert line == f"{path}: No such file or directory"
    assert not state.exists()


# Places to write to


@linux
@pytest.mark.parametrize("option", ["--plot", "--append"])
@pytest.mark.parametrize("older", [b"an older one", None])
def test_no_room_for_what_is_written(path: Path, option: str, older: bytes | None) -> None:
    """A limit on the size of files is the full disk that needs no other disk."""
    if option == "--plot":
        pytest.importorskip("matplotlib", reason="draws the picture (extra: plot)")
    target = path.with_name("a.png")
    if older is not None and option == "--plot":
        target.write_bytes(older)
    caches = os.environ | {"MPLCONFIGDIR": str(path.with_name("caches"))}
    done = run_with_small_files(path, *LOGIT, *TARGET, option, target, env=caches)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == f"bcelogits: cannot write {target}: File too large\n".encode()
    if option == "--plot" and older is not None:
        assert target.read_bytes() == older
    else:
        assert not target.exists()
    assert not leftovers(path.parent)


@linux
def test_no_room_for_standard_input(tmp_path: Path) -> None:
    rows = b"logit,late\n" + b"1,1\n" * 1_000_000
    folder = os.environ | {"TMPDIR": str(tmp_path)}
    done = run_with_small_files("-", *LOGIT, *TARGET, input=rows, env=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"bcelogits: cannot keep standard input: File too large\n"
    assert not [*tmp_path.iterdir()]


def test_the_picture_of_a_report_that_nobody_read(path: Path) -> None:
    pytest.importorskip("matplotlib", reason="draws the picture (extra: plot)")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, path, *LOGIT, *TARGET, "--plot", path.with_name("a.png")],
        stdout=writing, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
    assert not path.with_name("a.png").exists()
    assert not leftovers(path.parent)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("option", ["--plot", "--append"])
def test_what_is_no_file_is_not_replaced(
    path: Path, fails: Callable[..., str], option: str
) -> None:
    if option == "--plot":
        pytest.importorskip("matplotlib", reason="draws the picture (extra: plot)")
    pipe, link = path.with_name("pipe.png"), path.with_name("link.png")
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for target in (pipe, link):
        assert fails(path, *LOGIT, *TARGET, option, target) == f"{target}: is not a regular file"
    assert pipe.is_fifo()


# States


def test_states_that_are_huge_or_deep(path: Path, fails: Callable[..., str]) -> None:
    state = path.with_name("state")
    options = [*LOGIT, *TARGET, "--append", state]
    state.write_text("[" * 1_000_000)
    assert "maximum recursion depth exceeded" in fails(path, *options)
    state.write_text('{"format": ' + "9" * 10_000 + "}")
    assert fails(path, *options).startswith(f"{state}: is no JSON: ")
    with open(state, "wb") as file:
        try:
            file.truncate(1 << 40)
        except OSError as error:
            pytest.skip(f"the file system has no sparse files: {error}")
    assert fails(path, *options) == f"{state}: is too large to be a state"
