"""``bcelogits score`` counts each row once: tables with a log, and several names of one file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")

from cli_files import LOGIT, TARGET, flights, write_csv, write_parquet

from bcelogits.cli import main

# What a table of each kind is known by, and a file that is or stands in it.
TABLES = {
    "a Delta table": ("_delta_log", "_delta_log/00000000000000000001.json"),
    "an Iceberg table": ("metadata/00001-5a1b.metadata.json",) * 2,
    "a Hudi table": (".hoodie", ".hoodie/hoodie.properties"),
    "a Paimon table": ("manifest/manifest-list-1",) * 2,
    "the output of a Spark stream": ("_spark_metadata", "_spark_metadata/0"),
}
ICEBERG_LOGS = ["v3.metadata.json", "v3.gz.metadata.json", "v3.metadata.json.gz"]


def make_table(folder: Path, log: str) -> Path:
    """Make a table of two files, one of them below a partition; its log removes one of them."""
    for i, name in enumerate(("data/date=2026-01-01/old.parquet", "data/new.parquet")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(path, flights(100 + i, i))
    (folder / log).parent.mkdir(parents=True, exist_ok=True)
    (folder / log).write_text('{"remove": {"path": "data/date=2026-01-01/old.parquet"}}')
    return folder


@pytest.fixture
def rows(capsys: pytest.CaptureFixture[str]) -> Callable[..., int]:
    """Return a function that scores and returns the number of rows."""

    def call(*arguments: str | Path) -> int:
        command = ["score", *map(str, arguments), *LOGIT, *TARGET, "--format", "json"]
        assert main(command) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        found: int = json.loads(captured.out)["overall"]["rows"]
        return found

    return call


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(
    "arguments",
    [
        ["lake/t"],
        ["lake"],
        ["."],
        ["lake/t/data"],
        ["lake/t/data/date=2026-01-01"],
        ["lake/t/data/*.parquet"],
        ["lake/*/data/n*"],
        ["lake/**/*.parquet"],
        ["**/date=*"],
        ["linked"],
        ["linked/*.parquet"],
        ["links"],
        ["a.csv", "lake"],
        ["lake/t/data/new.parquet", "lake/t/data/date=2026-01-01/old.parquet"],
        ["lake/t/data/new.parquet", "lake/t"],
    ],
    ids=" ".join,
)
def test_the_files_of_a_table_are_no_data_set(
    tmp_path: Path,
    fails: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    arguments: list[str],
) -> None:
    log, file = TABLES[kind]
    table = make_table(tmp_path / "lake" / "t", file)
    write_csv(tmp_path / "a.csv", flights(50))
    (tmp_path / "links").mkdir()
    try:
        (tmp_path / "linked").symlink_to(table / "data", target_is_directory=True)
        (tmp_path / "links" / "new.parquet").symlink_to(table / "data" / "new.parquet")
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    monkeypatch.chdir(tmp_path)
    line = fails(*arguments, *LOGIT, *TARGET)
    assert line == (
        f"{table}: is {kind}: its log ({log}) tells which rows count, and its files hold deleted "
        "and replaced ones too: read it with a library for such tables, and score what that writes"
    )


@pytest.mark.parametrize("log", ICEBERG_LOGS)
def test_every_name_of_the_log_of_iceberg(
    tmp_path: Path, fails: Callable[..., str], log: str
) -> None:
    table = make_table(tmp_path / "t", f"metadata/{log}")
    assert f": is an Iceberg table: its log (metadata/{log})" in fails(table, *LOGIT, *TARGET)


@pytest.mark.parametrize("kind", TABLES)
def test_a_file_of_a_table_may_be_named(
    tmp_path: Path, rows: Callable[..., int], kind: str
) -> None:
    table = make_table(tmp_path / "t", TABLES[kind][1])
    other = make_table(tmp_path / "other", TABLES[kind][1])
    path = table / "data" / "new.parquet"
    assert rows(path) == 101
    assert rows(path, path) == 101
    assert rows(path, other / "data" / "new.parquet") == 202
    write_csv(tmp_path / "a.csv", flights(50))
    assert rows(path, tmp_path / "a.csv") == 151


@pytest.mark.parametrize(
    "name",
    ["_delta_log.parquet", "delta_log/a.json", "metadata/a.json", "metadata/metadata.json",
     "metadata.json", "hoodie/a", "manifest/a.json", "_delta_log"],
)  # fmt: skip
def test_what_is_no_log(tmp_path: Path, rows: Callable[..., int], name: str) -> None:
    folder = make_table(tmp_path / "t", "note")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("a file of this name")
    assert rows(folder) == 201
    assert rows(folder / "data" / "*.parquet") == 101


def test_tables_that_come_and_go(
    tmp_path: Path, rows: Callable[..., int], fails: Callable[..., str]
) -> None:
    folder = make_table(tmp_path / "t", "note")
    assert rows(folder) == 201
    (folder / "_delta_log").mkdir()
    assert "is a Delta table" in fails(folder, *LOGIT, *TARGET)
    (folder / "_delta_log").rmdir()
    assert rows(folder) == 201


# Several names of one file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two files of 100 and 101 rows, in which we are."""
    for i, name in enumerate(("h/date=2026-01-01/a.parquet", "h/date=2026-01-02/b.parquet")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_parquet(tmp_path / name, flights(100 + i, i))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["h", "h/date=2026-01-01"], 201),
        (["h/date=2026-01-01", "h"], 201),
        (["h", "h"], 201),
        (["h", "h/"], 201),
        (["h", "./h/../h"], 201),
        (["h", "{cwd}/h"], 201),
        (["h", "h/date=2026-01-01/a.parquet"], 201),
        (["h/date=2026-01-01/a.parquet", "h/*1/*"], 100),
        (["h/*1/*", "h/*/a.*"], 100),
        (["h/**/*.parquet", "h/*1"], 201),
        (["h/date=2026-01-01/a.parquet", "./h/date=2026-01-01/a.parquet"], 100),
        (["h/date=2026-01-01/a.parquet", "{cwd}/h/date=2026-01-01/a.parquet"], 100),
    ],
)
@pytest.mark.parametrize("options", [[], ["--threads", "2"], ["--pos-weight", "balanced"]])
def test_paths_that_overlap(
    folder: Path,
    rows: Callable[..., int],
    arguments: list[str],
    expected: int,
    options: list[str],
) -> None:
    assert rows(*(a.replace("{cwd}", str(folder)) for a in arguments), *options) == expected


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_to_a_file(folder: Path, rows: Callable[..., int], link: Any) -> None:
    path = folder / "h" / "date=2026-01-01" / "a.parquet"
    other = folder / "h" / "z.parquet"
    try:
        link(path, other)
    except OSError as error:
        pytest.skip(f"no such links here: {error}")
    for arguments in (["h"], ["h/**/*.parquet"], ["h", "h/z.parquet"], ["h/z.parquet", "h"]):
        assert rows(*arguments) == 201
    assert rows("h/z.parquet", "h/date=2026-01-01/a.parquet") == 100


def test_files_of_equal_content_are_several(folder: Path, rows: Callable[..., int]) -> None:
    path = folder / "h" / "date=2026-01-01" / "a.parquet"
    (folder / "h" / "copy.parquet").write_bytes(path.read_bytes())
    assert rows("h") == 301


@pytest.mark.parametrize("name", ["logit", "logit.npy"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_an_array_twice(
    tmp_path: Path, fails: Callable[..., str], name: str
) -> None:
    import io
    import zipfile

    path = tmp_path / "a.npz"
    np.savez(path, logit=np.zeros(3), late=np.ones(3))
    content = io.BytesIO()
    np.save(content, np.ones(3))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, content.getvalue())
    assert fails(path, *LOGIT, *TARGET) == f"{path}: array 'logit' stands there 2 times"


@pytest.mark.parametrize("name", ["nope", "nope/", "nope/a.csv", "nope.txt", "nope.csv/"])
def test_a_path_that_is_not_there(folder: Path, fails: Callable[..., str], name: str) -> None:
    assert fails(name, *LOGIT, *TARGET) == f"{name}: No such file or directory"
    assert fails("h", name, *LOGIT, *TARGET) == f"{name}: No such file or directory"
