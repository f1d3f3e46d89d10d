"""``bcelogits score --append`` and ``--fail-above``: a running total that no failure harms."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")

from cli_files import LOGIT, TARGET, flights, write_csv, write_parquet

from bcelogits.cli import main

OPTIONS = [*LOGIT, *TARGET, "--by", "carrier", "--weight", "w", "--pos-weight", "2.5"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str | Path, status: int = 0) -> dict[str, Any]:
        assert main(["score", "--format", "json", *map(str, arguments)]) == status
        captured = capsys.readouterr()
        assert captured.err == ""
        result: dict[str, Any] = json.loads(captured.out)
        return result

    return call


@pytest.fixture
def days(tmp_path: Path) -> list[Path]:
    paths = []
    for day in range(3):
        columns = flights(100 + day, day)
        if day == 1:
            columns["carrier"] = np.where(columns["carrier"] == "AA", "new", columns["carrier"])
        paths.append(tmp_path / f"day{day}.parquet")
        write_parquet(paths[-1], columns)
    return paths


def test_days_one_by_one_are_all_days(days: list[Path], tmp_path: Path, run: Any) -> None:
    """To the last bit, with groups that come and go, and in any order."""
    expected = run(*days, *OPTIONS)
    for name, order in (("a", days), ("b", days[::-1])):
        state = tmp_path / name
        before = 0
        for day in order:
            report = run(day, *OPTIONS, "--append", state)
            assert report.pop("rows_before") == before
            assert report.pop("append") == str(state)
            before = report["overall"]["rows"]
        assert report | {"files": expected["files"]} == expected
    assert json.loads((tmp_path / "a").read_text())["arguments"]["by"] == "carrier"


def test_several_labels_without_groups(days: list[Path], tmp_path: Path, run: Any) -> None:
    options = ["--logit", "logit,other", "--target", "late,very", "--pos-weight", "2,3"]
    options += ["--label-smoothing", "0.1"]
    for day in days:
        found = run(day, *options, "--append", tmp_path / "state")
    expected = run(*days, *options)
    assert found["overall"] == expected["overall"]
    assert found["groups"] == []


def test_the_table_tells_of_earlier_rows(
    days: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["score", str(days[0]), *OPTIONS, "--append", str(tmp_path / "s")]) == 0
    assert capsys.readouterr().out.endswith("of earlier runs: 100 rows\n")


def changed(path: Path, *steps: Any) -> None:
    """Change a field of a state: the path to it, and its value, or ... to take it out."""
    state = json.loads(path.read_text())
    *parents, last, value = steps
    place = state
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    path.write_text(json.dumps(state))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (("format", 2), "format is 2; this version reads 1"),
        (("groups", ...), "the state has no field 'groups'"),
        (("more", 1), "the state has an unknown field 'more'"),
        (("arguments", []), "arguments is []; it must be an object"),
        (("arguments", "by", "origin"), "by is 'origin' there and 'carrier' in this run"),
        (("arguments", "weight", None), "weight is None there and 'w' in this run"),
        (("arguments", "logit", ["x"]), "logit is ['x'] there and ['logit'] in this run"),
        (("groups", {}), "groups is {}; it must be a list"),
        (("groups", 0, 5), "groups[0] is 5; it must be an object"),
        (("groups", 0, "loss", ...), "groups[0] has no field 'loss'"),
        (("groups", 0, "group", 7), "groups[0]: group is 7; it must be a text or null"),
        (("groups", 1, "group", "AA"), "groups[1]: group 'AA' stands there twice"),
        (("groups", 0, "loss", "count", [-1]), "groups[0]: loss: count[0] is -1"),
        (("groups", 0, "loss", "count", [1]), "loss and prediction are of different numbers"),
        (("groups", 0, "loss", "loss", ["x"]), "groups[0]: loss: loss[0] is 'x'"),
        (("groups", 0, "loss", "shape", [2]), "groups[0]: loss: "),
        (("groups", 0, "loss", "shape", None), "groups[0]: loss: shape is None"),
        (("groups", 0, "loss", "arguments", "pos_weight", [3]), "loss: pos_weight is array([2.5]"),
        (("groups", 0, "loss", "arguments", "label_smoothing", 0.5),
         "label_smoothing is 0.0 here and 0.5 there"),
        (("groups", 0, "prediction", "positive", [1]), "groups[0]: prediction: positive[0] is 1"),
        (("groups", 0, "prediction", "arguments", "axis", 1), "prediction: axis is 0 here and 1"),
    ],
)  # fmt: skip
def test_every_field_is_looked_at(
    days: list[Path], tmp_path: Path, run: Any, fails: Any, steps: Any, message: str
) -> None:
    state = tmp_path / "state"
    columns = flights(50)
    columns["carrier"] = np.sort(columns["carrier"])
    write_parquet(days[0], columns)
    run(days[0], *OPTIONS, "--append", state)
    changed(state, *steps)
    before = state.read_bytes()
    line = fails(days[1], *OPTIONS, "--append", state)
    assert line.startswith(f"{state}: ")
    assert message in line
    assert state.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b"1" * 10_000, b"NaN"],
)
def test_a_state_that_is_none(days: list[Path], tmp_path: Path, fails: Any, content: bytes) -> None:
    state = tmp_path / "state"
    state.write_bytes(content)
    assert fails(days[0], *OPTIONS, "--append", state).startswith(f"{state}: ")
    assert state.read_bytes() == content
    assert not list(tmp_path.glob(".*"))


def test_a_state_of_other_options(days: list[Path], tmp_path: Path, run: Any, fails: Any) -> None:
    state = tmp_path / "state"
    run(days[0], *OPTIONS, "--append", state)
    line = fails(days[0], *OPTIONS[:-1], "3", "--append", state)
    assert "pos_weight is array([3.]) here and array([2.5]) there" in line
    line = fails(days[0], *OPTIONS, "--label-smoothing", "0.25", "--append", state)
    assert "label_smoothing is 0.25 here and 0.0 there" in line


def test_a_state_that_another_run_has_changed(
    days: list[Path], tmp_path: Path, run: Any, fails: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bcelogits.cli import scoring

    state = tmp_path / "state"
    run(days[0], *OPTIONS, "--append", state)
    plain = scoring.score

    def meanwhile(*arguments: Any) -> Any:
        report = plain(*arguments)
        if len(arguments) > 1 and arguments[0].paths == (str(days[1]),):
            run(days[2], *OPTIONS, "--append", state)
        return report

    monkeypatch.setattr(scoring, "score", meanwhile)
    line = fails(days[1], *OPTIONS, "--append", state)
    assert line == f"{state}: was changed by another run meanwhile: run it again"
    monkeypatch.undo()
    assert run(days[1], *OPTIONS, "--append", state)["overall"]["rows"] == 303


def test_a_state_that_is_changed_while_the_report_is_read(
    days: list[Path],
    tmp_path: Path,
    run: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bcelogits import cli

    state = tmp_path / "state"
    run(days[0], *OPTIONS, "--append", state)
    plain = cli._write

    def slowly(text: str) -> None:
        monkeypatch.setattr(cli, "_write", plain)
        run(days[2], *OPTIONS, "--append", state)
        plain(text)

    monkeypatch.setattr(cli, "_write", slowly)
    assert main(["score", str(days[1]), *OPTIONS, "--append", str(state)]) == 2
    assert "was changed by another run meanwhile" in capsys.readouterr().err
    assert run(days[1], *OPTIONS, "--append", state)["overall"]["rows"] == 303


def test_bad_rows_change_nothing(days: list[Path], tmp_path: Path, run: Any, fails: Any) -> None:
    state = tmp_path / "state"
    run(days[0], *OPTIONS, "--append", state)
    before = state.read_bytes()
    write_csv(tmp_path / "bad.csv", flights(10) | {"late": np.full(10, 9)})
    fails(days[1], tmp_path / "bad.csv", *OPTIONS, "--append", state)
    assert state.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_runs_at_the_same_time_lose_no_rows(days: list[Path], tmp_path: Path) -> None:
    """Those that fail say so, and are run again."""
    state = tmp_path / "state"
    waiting = list(days)
    while waiting:
        running = [
            subprocess.Popen(
                [*COMMAND, day, *OPTIONS, "--append", state],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )
            for day in waiting
        ]  # fmt: skip
        failed = []
        for day, process in zip(waiting, running, strict=True):
            _, errors = process.communicate()
            if process.returncode:
                assert b"changed by another run meanwhile" in errors
                failed.append(day)
        assert len(failed) < len(waiting)
        waiting = failed
    groups = json.loads(state.read_text())["groups"]
    assert sum(group["loss"]["count"][0] for group in groups) == 100 + 101 + 102


COMMAND = [sys.executable, "-m", "bcelogits", "score"]


def test_a_reader_that_went_away_changes_nothing(days: list[Path], tmp_path: Path) -> None:
    """Whoever runs it again would otherwise count the rows twice."""
    state = tmp_path / "state"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, days[0], *OPTIONS, "--append", state],
        stdout=writing, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
    assert not state.exists()
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_changes_nothing(
    days: list[Path], tmp_path: Path, run: Any, fails: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    run(days[0], *OPTIONS, "--append", state)
    before = state.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bcelogits.cli.atomic.os.fsync", full)
    line = fails(days[1], *OPTIONS, "--append", state)
    assert line == f"cannot write {state}: No space left on device"
    assert state.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_where_no_file_can_be(days: list[Path], tmp_path: Path, fails: Any) -> None:
    (tmp_path / "folder").mkdir()
    for path, problem in (
        (tmp_path / "no" / "state", "No such file or directory"),
        (tmp_path / "folder", "is a directory, not a file"),
        (days[0] / "state", "Not a directory"),
    ):
        assert problem in fails(days[0], *OPTIONS, "--append", path)


def test_a_link_and_the_mode_stay(days: list[Path], tmp_path: Path, run: Any) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    run(days[0], *OPTIONS, "--append", real)
    real.chmod(0o640)
    link.symlink_to(real)
    run(days[1], *OPTIONS, "--append", link)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert run(days[2], *OPTIONS, "--append", real)["rows_before"] == 201


class TestFailAbove:
    def test_is_a_status_of_its_own(self, days: list[Path], run: Any, tmp_path: Path) -> None:
        loss = run(days[0], *OPTIONS)["overall"]["mean_loss"]
        report = run(days[0], *OPTIONS, "--fail-above", repr(loss))
        assert (report["fail_above"], report["is_above"]) == (loss, False)
        below = math.nextafter(loss, 0)
        report = run(days[0], *OPTIONS, "--fail-above", repr(below), status=3)
        assert (report["fail_above"], report["is_above"]) == (below, True)
        assert report["overall"]["mean_loss"] == loss

    def test_no_value_is_a_failure(self, tmp_path: Path, run: Any) -> None:
        write_parquet(tmp_path / "a.parquet", {k: v[:0] for k, v in flights().items()})
        report = run(tmp_path / "a.parquet", *OPTIONS, "--fail-above", "inf", status=3)
        assert (report["fail_above"], report["is_above"]) == (None, True)

    def test_the_rows_are_appended_all_the_same(
        self, days: list[Path], tmp_path: Path, run: Any
    ) -> None:
        run(days[0], *OPTIONS, "--append", tmp_path / "s", "--fail-above", "0", status=3)
        assert run(days[1], *OPTIONS, "--append", tmp_path / "s")["rows_before"] == 100

    def test_the_table_says_so(self, days: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["score", str(days[0]), *OPTIONS, "--fail-above", "0.25"]) == 3
        assert capsys.readouterr().out.endswith("the mean loss is not at most 0.25\n")
