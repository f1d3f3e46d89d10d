"""``bcelogits score`` shared by threads and by a dask cluster: the report of one thread."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")

from cli_files import LOGIT, TARGET, WRITERS, flights, write_endless  # noqa: E402

from bcelogits.cli import engines, main  # noqa: E402
from bcelogits.cli.readers import Wanted, parquet, read, split  # noqa: E402

OPTIONS = [
    *LOGIT,
    "--target",
    "late",
    "--weight",
    "w",
    "--by",
    "carrier",
    "--label-smoothing",
    ".1",
]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        status = main(["score", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files of several formats; the Parquet ones are several parts."""
    monkeypatch.setattr(parquet, "_PART_ROWS", 500)
    files = []
    for seed, name in enumerate(["parquet", "csv", "npz", "parquet", "ipc"]):
        path = tmp_path / str(seed) / WRITERS[name][0]
        path.parent.mkdir()
        WRITERS[name][1](path, flights(2000 + seed, seed))
        files.append(path)
    return files


@pytest.mark.parametrize("threads", ["0", "2", "7"])
@pytest.mark.parametrize("pos_weight", ["3", "balanced"])
def test_threads_give_the_report_of_one(
    paths: list[Path], run: Any, threads: str, pos_weight: str
) -> None:
    options = [*OPTIONS, "--pos-weight", pos_weight, "--format", "json"]
    expected = run(*paths, *options)
    assert expected[0] == 0
    assert run(*paths, *options, "--threads", threads) == expected


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_first_error_is_told(paths: list[Path], run: Any, threads: str) -> None:
    for i in (1, 2, 4):
        columns = flights(2000, i)
        columns["late"] = columns["late"].astype(float)
        columns["late"][[700, 1500]] = 5
        name = {1: "csv", 2: "npz", 4: "ipc"}[i]
        WRITERS[name][1](paths[i], columns)
    status, output, errors = run(*paths, *OPTIONS, "--threads", threads)
    assert (status, output) == (2, "")
    assert errors == (
        f"bcelogits: {paths[1]}: column 'late', data row 701: target 5.0 is outside [0, 1]\n"
    )


def test_rows_of_a_part_are_counted_from_the_beginning(tmp_path: Path, run: Any) -> None:
    rows = 3 << 20
    target = np.zeros(rows, np.int8)
    target[rows - 5] = 2
    table = pa.table({"logit": np.zeros(rows, np.float32), "late": target})
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(table, path, row_group_size=1 << 18)
    assert len(split(str(path))) == 3
    status, _, errors = run(path, *LOGIT, *TARGET, "--threads", "2")
    assert status == 2
    assert f"data row {rows - 4}: target 2 is outside" in errors


def test_parts_are_all_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    columns = flights(3010)
    WRITERS["parquet"][1](path, columns)  # row groups of 300
    for rows in (1, 500, 10**9):
        monkeypatch.setattr(parquet, "_PART_ROWS", rows)
        wanted = Wanted(("logit",))
        chunks = [c for part in split(str(path)) for c in read(str(path), wanted, part)]
        logits = np.concatenate([chunk.numbers["logit"] for chunk in chunks])
        np.testing.assert_array_equal(logits, columns["logit"])
        starts = np.cumsum([1] + [chunk.rows for chunk in chunks])
        assert [chunk.first_row for chunk in chunks] == starts[:-1].tolist()


def test_progress_of_threads_reaches_the_total(paths: list[Path]) -> None:
    from bcelogits.cli.engines import Part, results_of_threads

    told = []

    def work(part: Part, advance: Any) -> int:
        for _ in range(part.size):
            advance(1)
        return part.size

    parts = [Part(str(i), None, i) for i in range(100)]
    assert list(results_of_threads(work, parts, 3, told.append)) == list(range(100))
    assert sum(told) == sum(range(100))


def test_threads_stop_at_an_error() -> None:
    done = []

    def work(part: engines.Part, advance: Any) -> None:
        if part.size == 0:
            raise ValueError("the first")
        for _ in range(10**9):
            advance(1)  # raises once nobody waits
        done.append(part)

    parts = [engines.Part("x", None, i) for i in range(50)]
    with pytest.raises(ValueError, match="the first"):
        list(engines.results_of_threads(work, parts, 4, lambda size: None))
    assert done == []


@pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="this system does not tell the peak memory"
)
@pytest.mark.parametrize("threads", ["1", "2"])
def test_many_rows_in_little_memory(tmp_path: Path, threads: str) -> None:
    """Under a limit on the address space; the file is more than what the command may grow by."""
    resource = pytest.importorskip("resource", reason="this system limits no memory")
    rows = 12_000_000
    path = tmp_path / "a.parquet"
    rng = np.random.default_rng(0)
    table = pa.table({"logit": rng.normal(size=rows), "late": np.zeros(rows, bool)})
    pa.parquet.write_table(table, path, row_group_size=1_000_000, use_dictionary=False)
    assert path.stat().st_size > 90 << 20
    code = (
        "import resource, sys, pyarrow.parquet, bcelogits.cli.scoring\n"
        "import bcelogits.cli.report, bcelogits.cli.state\n"
        "from bcelogits.cli import main\n"
        "import concurrent.futures.thread, pathlib, re, sysconfig\n"
        "pyarrow.set_memory_pool(pyarrow.system_memory_pool())\n"
        "def size(name):\n"
        "    status = pathlib.Path('/proc/self/status').read_text()\n"
        "    return int(re.search(name + r':\\s*(\\d+) kB', status)[1]) << 10\n"
        "before = size('VmHWM')\n"
        "limit = 1 << 30\n"
        # without a GIL, Python sets aside more address space than that
        "if not sysconfig.get_config_var('Py_GIL_DISABLED'):\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "assert main(sys.argv[1:]) == 0\n"
        "print((size('VmHWM') - before) >> 20)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "score", path, *LOGIT, *TARGET, "--threads", threads],
        capture_output=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert b"12,000,000" in done.stdout
    assert 0 < int(done.stdout.splitlines()[-1]) < 80
    assert resource is not None


class TestDask:
    def test_the_report_of_one_thread(
        self, paths: list[Path], run: Any, cluster_address: str
    ) -> None:
        options = [*OPTIONS, "--pos-weight", "balanced", "--format", "json"]
        expected = run(*paths, *options)
        assert expected[0] == 0
        shared = run(*paths, *options, "--engine", "dask", "--scheduler", cluster_address)
        assert shared == expected

    def test_the_file_of_a_scheduler(
        self, paths: list[Path], run: Any, cluster_address: str, tmp_path: Path
    ) -> None:
        for name in ("scheduler.json", "scheduler"):
            content = {"type": "Scheduler", "id": "x", "address": cluster_address, "workers": {}}
            (tmp_path / name).write_text(json.dumps(content))
            engine = ["--engine", "dask", "--scheduler", tmp_path / name]
            assert run(*paths, *OPTIONS, *engine) == run(*paths, *OPTIONS)

    @pytest.mark.parametrize(
        "content", [None, "", "{", "[]", "{}", "1", '{"address": 1}', "[" * 100_000]
    )
    def test_a_file_that_tells_no_address(
        self, paths: list[Path], run: Any, content: str | None, tmp_path: Path
    ) -> None:
        pytest.importorskip("distributed", reason="dask.distributed is not installed (extra: dask)")
        file = tmp_path / "scheduler.json"
        problem = "No such file or directory"
        if content is not None:
            file.write_text(content)
            problem = "is no file of a dask scheduler: it tells no address"
        status, output, errors = run(*paths, *OPTIONS, "--engine", "dask", "--scheduler", file)
        assert (status, output, errors) == (2, "", f"bcelogits: {file}: {problem}\n")

    @pytest.mark.parametrize("in_file", [False, True])
    def test_a_cluster_within_another_process(
        self, paths: list[Path], run: Any, in_file: bool, tmp_path: Path
    ) -> None:
        """Dask would print a traceback beside its error."""
        pytest.importorskip("distributed", reason="dask.distributed is not installed (extra: dask)")
        address = "inproc://192.0.2.1/1/1"
        (tmp_path / "scheduler.json").write_text(json.dumps({"address": address}))
        scheduler = tmp_path / "scheduler.json" if in_file else address
        found = run(*paths, *OPTIONS, "--engine", "dask", "--scheduler", scheduler)
        message = f"bcelogits: dask at {address}: no other process can reach this cluster\n"
        assert found == (2, "", message)

    def test_an_error_is_one_line(self, paths: list[Path], run: Any, cluster_address: str) -> None:
        np.savez(paths[2], **(flights(50) | {"late": np.full(50, 3)}))
        engine = ["--engine", "dask", "--scheduler", cluster_address]
        status, output, errors = run(*paths, *OPTIONS, *engine)
        assert (status, output) == (2, "")
        assert errors == (
            f"bcelogits: {paths[2]}: column 'late', data row 1: target 3 is outside [0, 1]\n"
        )

    @pytest.mark.parametrize("address", ["nonsense://x:1", "tcp://127.0.0.1:1"])
    def test_no_cluster(
        self, paths: list[Path], run: Any, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("distributed", reason="dask.distributed is not installed (extra: dask)")
        monkeypatch.setattr(engines, "_CONNECT_SECONDS", 0.5)
        engine = ["--engine", "dask", "--scheduler", address]
        status, output, errors = run(*paths, *OPTIONS, *engine)
        assert (status, output, errors.count("\n")) == (2, "", 1)
        assert errors.startswith(f"bcelogits: dask at {address}: ")

    def test_without_dask(
        self, paths: list[Path], run: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        engine = ["--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"]
        status, _, errors = run(*paths, *OPTIONS, *engine)
        message = "bcelogits: --engine dask needs dask: pip install 'bcelogits[dask]'\n"
        assert (status, errors) == (2, message)


def test_ctrl_c_ends_the_threads_quietly(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.npy" for i in range(2)]
    for path in paths:
        write_endless(path)
    state = tmp_path / "state.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "bcelogits", "score", *paths, "--logit", "0", "--target", "1",
         "--threads", "2", "--append", state],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not list(tmp_path.glob(".state.json.*")):  # it has begun
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    # Both are 130 to a shell: Python ends itself by the signal if that came while it executed a
    # string, as some imports do.
    assert process.returncode in (130, -signal.SIGINT)
    assert (output, errors) == (b"", b"")
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_json_is_still_one_object(paths: list[Path], run: Any) -> None:
    _, output, _ = run(*paths, *OPTIONS, "--threads", "2", "--format", "json")
    assert json.loads(output)["overall"]["rows"] == 2000 * 5 + 10


@pytest.mark.parametrize("engine", ["one", "threads", "dask"])
def test_probabilities_are_told_whoever_reads_them(
    tmp_path: Path, run: Any, request: pytest.FixtureRequest, engine: str
) -> None:
    columns = flights(100) | {"logit": np.linspace(0, 1, 100)}
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.npz")
        np.savez(paths[-1], **columns)
    options = {"one": [], "threads": ["--threads", "2"]}.get(engine)
    if options is None:
        address = request.getfixturevalue("cluster_address")
        options = ["--engine", "dask", "--scheduler", address]
    status, _, errors = run(*paths, *OPTIONS, *options)
    assert status == 0
    assert errors.startswith("bcelogits: note: every value of 'logit' is in [0, 1]: ")
    np.savez(paths[1], **(columns | {"logit": np.append(np.linspace(0, 1, 99), 1.5)}))
    assert run(*paths, *OPTIONS, *options)[2] == ""
