"""``bcelogits score`` of folders, patterns and standard input."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")

from cli_files import LOGIT, TARGET, WRITERS, flights, write_parquet

from bcelogits.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs the command and returns its status, output and errors."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        status = main(["score", *LOGIT, *TARGET, *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three files, two of them further down, among what is no data."""
    root = tmp_path / "logs"
    for i, name in enumerate(("b/1.parquet", "a.parquet", "b/deep/2.csv")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = write_parquet if path.suffix == ".parquet" else WRITERS["csv"][1]
        writer(path, flights(100 + i, i))
    for name in ("_SUCCESS", "_metadata.parquet", ".a.csv", "b/notes.txt", "_old/x.csv"):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("nothing to score")
    return root


def test_a_folder_is_its_files(folder: Path, run: Any) -> None:
    files = [folder / name for name in ("a.parquet", "b/1.parquet", "b/deep/2.csv")]
    expected = run(*files, "--by", "carrier")
    assert expected[0] == 0
    assert run(folder, "--by", "carrier") == expected


@pytest.mark.parametrize(
    ("pattern", "rows"),
    [("*.parquet", 101 + 100), ("b/*.parquet", 100), ("**/*.csv", 102), ("b", 202), ("?", 202),
     ("[b]", 202)],
)  # fmt: skip
def test_patterns(folder: Path, run: Any, pattern: str, rows: int) -> None:
    (folder / "_metadata.parquet").unlink()  # a pattern takes what it matches
    (folder / "_old" / "x.csv").unlink()
    if pattern == "*.parquet":
        (folder / "b" / "1.parquet").rename(folder / "1.parquet")
    status, output, errors = run(folder / pattern, "--format", "json")
    assert (status, errors) == (0, "")
    assert json.loads(output)["overall"]["rows"] == rows


def test_a_file_whose_name_is_a_pattern(tmp_path: Path, run: Any) -> None:
    path = tmp_path / "a[1].parquet"
    write_parquet(path, flights(10))
    assert run(path)[0] == 0


def test_nothing_there(tmp_path: Path, run: Any) -> None:
    (tmp_path / "empty").mkdir()
    pattern = tmp_path / "*.csv"
    assert run(pattern) == (2, "", f"bcelogits: {pattern}: no file matches\n")
    message = f"bcelogits: {tmp_path}: the folder has no file of a known format\n"
    assert run(tmp_path) == (2, "", message)


@pytest.mark.parametrize("name", [n for n in WRITERS if n != "stream named .arrow"])
def test_standard_input_of_every_format(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file, writer = WRITERS[name]
    writer(tmp_path / file, flights())
    expected = run(tmp_path / file, "--pos-weight", "balanced")
    content = (tmp_path / file).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    suffix = file.partition(".")[2]
    assert run("-", "--pos-weight", "balanced", "--stdin-format", suffix) == expected


def test_standard_input_is_csv_and_goes_with_files(tmp_path: Path) -> None:
    columns = flights()
    write_parquet(tmp_path / "a.parquet", columns)
    WRITERS["csv"][1](tmp_path / "a.csv", columns)
    command = [sys.executable, "-m", "bcelogits", "score", *LOGIT, *TARGET, "--format", "json"]
    done = subprocess.run(
        [*command, "-", tmp_path / "a.parquet"],
        input=(tmp_path / "a.csv").read_bytes(),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["overall"]["rows"] == 2000
    assert json.loads(done.stdout)["files"][0] == "-"


def test_errors_name_standard_input_and_nothing_is_left(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"logit,late\n1,1\n1,7\n")))
    assert run("-") == (
        2,
        "",
        "bcelogits: standard input: column 'late', data row 2: target 7.0 is outside [0, 1]\n",
    )
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(sys, "stdin", None)
    assert run("-") == (2, "", "bcelogits: standard input is closed\n")


def test_standard_input_that_does_not_fit(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bcelogits.cli.inputs.shutil.copyfileobj", fail)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert run("-") == (
        2, "", "bcelogits: cannot keep standard input: No space left on device\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "-"], "standard input (-) can be read once only"),
        (["-", "--stdin-format", "xlsx"], "'xlsx' is no known format (known: csv "),
        (["-", "--engine", "dask", "--scheduler", "x"], "cannot be read by a dask cluster"),
        (["a.csv", "--engine", "dask"], "--engine dask needs --scheduler ADDRESS"),
        (["a.csv", "--scheduler", "x"], "--scheduler is for --engine dask"),
        (["a.csv", "--engine", "dask", "--scheduler", "x", "--threads", "2"], "--threads"),
        (["a.csv", "--threads", "-1"], "'-1' is no number of threads"),
        (["a.csv", "--threads", "two"], "'two' is no number of threads"),
        (["a.csv", "--plot", "a.gif"], "'a.gif' has none of the suffixes .png"),
        (["a.csv", "--fail-above", "nan"], "'nan' is no limit"),
        (["a.csv", "--fail-above", "x"], "'x' is not a number"),
        (["a.csv", "--append", "a.png", "--plot", "a.png"], "name the same file"),
        (["a.csv", "--append", "s", "--pos-weight", "balanced"], "--append needs the same weights"),
    ],
)
def test_bad_arguments(run: Any, arguments: list[str], message: str) -> None:
    status, output, errors = run(*arguments)
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert message in errors


def test_columns_of_a_folder_must_agree(folder: Path, run: Any) -> None:
    np.save(folder / "z.npy", np.zeros((3, 2)))
    status, output, errors = run(folder)
    assert (status, output) == (2, "")
    assert errors == f"bcelogits: {folder / 'z.npy'}: no column 'logit'; it has '0', '1'\n"
