"""The programs of examples/embed: built as their README says, run, and held to Python's results."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from clibrary import ROOT, Installed, cmake, require, run

from bcelogits import _core, binary_cross_entropy_with_logits, sigmoid

EXAMPLES = ROOT / "examples" / "embed"
PROGRAMS = ("score_stream", "score_stream_threads")
MANY = 10_000_000
# Of address space, in KiB: enough for the programs and the stacks of five threads, and less than
# MANY pairs of floats.
ROOM = 65_536

LAST_LOSS = re.compile(r"^(\d+) pairs: loss (\S+)\n\d+ calls of up to \d+ pairs: ", re.MULTILINE)


@pytest.fixture(scope="module")
def programs(c_library: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the C and the C++ program, built with the static library."""
    folder = tmp_path_factory.mktemp("examples")
    prefix = c_library("static")
    source = shutil.copytree(EXAMPLES, folder / "source")
    cmake(source, folder / "build", CMAKE_PREFIX_PATH=prefix)
    return folder / "build"


def pairs(n: int, dtype: str) -> np.ndarray:
    """Return n rows of a logit and a label."""
    rng = np.random.default_rng(n)
    rows = np.empty((n, 2), dtype)
    rows[:, 0] = 4 * rng.standard_normal(n, dtype=np.float32)
    rows[:, 1] = rng.random(n, dtype=np.float32) < 0.3
    return rows


def feed(program: Path, *options: str, stream: Iterable[bytes]) -> tuple[int, str, str]:
    """Run a program in limited memory on a pipe; return its status and what it prints."""
    # Stacks of threads are as large as this allows; macOS limits neither.
    limit = f"ulimit -s 1024 && ulimit -v {ROOM} && " if sys.platform == "linux" else ""
    command = ["sh", "-c", f'{limit}exec "$0" "$@"', str(program), *options]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        for part in stream:
            process.stdin.write(part)
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.stdin = None
    out, error = process.communicate()
    return process.returncode, out.decode(), error.decode()


def in_parts(rows: np.ndarray) -> Iterator[memoryview]:
    data = memoryview(rows).cast("B")
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]


def loss_of(program: Path, *options: str, stream: Iterable[bytes]) -> tuple[int, float]:
    """Return the number of pairs and the loss that the last line of losses tells."""
    status, out, error = feed(program, *options, stream=stream)
    assert (status, error) == (0, "")
    found = LAST_LOSS.search(out)
    assert found, out
    return int(found[1]), float(found[2])


class TestStream:
    @pytest.mark.parametrize("program", PROGRAMS)
    @pytest.mark.parametrize("dtype", ["f32", "f64"])
    def test_ten_million_pairs_from_a_pipe(self, programs: Path, program: str, dtype: str):
        """In constant memory, and with the bits of Python."""
        rows = pairs(MANY, dtype[0] + str(int(dtype[1:]) // 8))
        assert rows.nbytes > ROOM * 1024
        options = ["--threads", "2"] if program == "score_stream_threads" else []
        counted, loss = loss_of(programs / program, f"--{dtype}", *options, stream=in_parts(rows))
        x, y = rows.T
        assert counted == MANY
        assert x.dtype.type(loss) == binary_cross_entropy_with_logits(x, y)

    @pytest.mark.parametrize("n", [1, _core.BLOCK, 3 * _core.BLOCK + 17])
    def test_text(self, programs: Path, n: int):
        rows = pairs(n, "f8")
        rows[0, 1] = 0.25
        text = "".join(f"{x!r}\t{y!r}\n" for x, y in rows.tolist())
        counted, loss = loss_of(programs / "score_stream", stream=[text.encode()])
        assert counted == n
        assert loss == binary_cross_entropy_with_logits(rows[:, 0], rows[:, 1])

    def test_any_number_of_threads_gives_the_same_bits(self, programs: Path):
        rows = pairs(200_000, "f8")
        expected = binary_cross_entropy_with_logits(rows[:, 0], rows[:, 1])
        for threads in (1, 2, 5):
            options = ["--threads", str(threads), "--every", "7"]
            assert loss_of(programs / PROGRAMS[1], *options, stream=in_parts(rows))[1] == expected

    def test_running_losses(self, programs: Path):
        """Each is the loss of the pairs so far."""
        rows = pairs(30_000, "f8")
        _, out, _ = feed(
            programs / "score_stream", "--f64", "--every", "5000", stream=in_parts(rows)
        )
        told = re.findall(r"^(\d+) pairs: loss (\S+)$", out, re.MULTILINE)
        assert [int(n) for n, _ in told] == [8192, 12288, 16384, 20480, 28672, 30000]
        for n, loss in told:
            x, y = rows[: int(n)].T
            assert float(loss) == binary_cross_entropy_with_logits(x, y)

    def test_single_calls(self, programs: Path):
        rows = pairs(1000, "f8")
        _, out, _ = feed(programs / "score_stream", "--f64", "--batch", "1", stream=in_parts(rows))
        counted, _, told = out.splitlines()[-1].partition(" calls of up to 1 pairs: ")
        assert counted == "1000"
        percentiles = [int(part.split()[1]) for part in told.split(", ")]
        assert len(percentiles) == 4
        assert percentiles == sorted(percentiles)

    @pytest.mark.parametrize("program", PROGRAMS)
    def test_empty_stream(self, programs: Path, program: str):
        status, out, error = feed(programs / program, stream=[])
        assert (status, error) == (0, "")
        assert out.startswith("0 pairs\n0 calls ")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1 1\n2 1.5\n", "pair 2: a target is outside [0, 1]"),
            ("1 1\n2\n", "pair 2: the line is not a logit and a label"),
            ("1 1 1\n", "pair 1: the line is not a logit and a label"),
            ("1 yes\n", "pair 1: the line is not a logit and a label"),
            (f"1 {'0' * 300}\n", "pair 1: the line is too long"),
        ],
        ids=["label", "half", "third", "word", "long"],
    )
    def test_bad_text(self, programs: Path, text: str, message: str):
        status, out, error = feed(programs / "score_stream", stream=[text.encode()])
        assert (status, out, error) == (1, "", f"score_stream: {message}\n")

    @pytest.mark.parametrize("program", PROGRAMS)
    def test_bad_streams(self, programs: Path, program: str):
        rows = pairs(50_000, "f8")
        _, _, error = feed(programs / program, "--f64", stream=[rows.tobytes()[:-3]])
        assert error == f"{program}: pair 50000: the stream ends in the middle of it\n"
        rows[41_234, 1] = np.nan
        status, _, error = feed(programs / program, "--f64", stream=in_parts(rows))
        assert (status, error) == (1, f"{program}: pair 41235: a target is outside [0, 1]\n")

    @pytest.mark.parametrize("program", PROGRAMS)
    @pytest.mark.parametrize("options", ["--every", "--every 0", "--f16", "--every 1x"])
    def test_bad_options(self, programs: Path, program: str, options: str):
        status, out, error = feed(programs / program, *options.split(), stream=[])
        assert (status, out) == (2, "")
        assert error.startswith(f"usage: {program} ")


def test_cython(tmp_path: Path):
    """Built and run as the README says; descent cannot but lower the loss."""
    pytest.importorskip("Cython", reason="Cython compiles the module")
    compiler_of_python = (sysconfig.get_config_var("CC") or "cc").split()[0]
    require(compiler_of_python)
    for name in ("calibrate.pyx", "calibrate_flights.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    shutil.copy(ROOT / "examples" / "flights.parquet", tmp_path.parent)
    cythonize = [sys.executable, "-m", "Cython.Build.Cythonize", "-q", "-i", "calibrate.pyx"]
    run(*cythonize, cwd=tmp_path)
    out = run(sys.executable, "-W", "error", "calibrate_flights.py", cwd=tmp_path)
    found = re.fullmatch(r"a (\S+), b (\S+): the loss goes from (\S+) to (\S+)\n", out)
    assert found, out
    a, b, before, after = map(float, found.groups())
    assert after < before
    assert 0.5 < a < 2
    assert abs(b) < 1


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Return the port of a running service."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / "server.py"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline().rsplit(":", 1)[1])
        finally:
            server.terminate()


class TestService:
    def post(self, port: int, body: str, path: str = "/score") -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", path, body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def test_client(self, port: int):
        client = [sys.executable, "-W", "error", EXAMPLES / "client.py", "--port", str(port)]
        out = run(*client, "--requests", "200", "--logits", "5")
        assert re.fullmatch(r"200 requests of 5 pairs: p50 \d+ us, p99 \d+ us\n", out)

    def test_probabilities_alone(self, port: int):
        status, answer = self.post(port, '{"logits": [-1, 0, 800]}')
        assert status == 200
        assert answer == {"probabilities": sigmoid([-1, 0, 800]).tolist()}

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("[1]", "a request is"),
            ("{", "Expecting property name"),
            ('{"logits": [1], "label": [1]}', "unknown: label"),
            ('{"logits": ["1"]}', "logits is not a list of numbers"),
            ('{"logits": []}', "logits is not a list of numbers"),
            ('{"logits": [NaN]}', "logits are not all finite"),
            ('{"logits": [1' + "0" * 400 + "]}", "logits are not all finite"),
            ('{"logits": [1, 2], "labels": [1, 7]}', "target[1] is 7.0, outside [0, 1]"),
            ('{"logits": [1, 2], "labels": [1]}', "(2,)"),
        ],
    )
    def test_bad_requests(self, port: int, body: str, message: str):
        status, answer = self.post(port, body)
        assert status == 400
        assert message in answer["error"]

    def test_other_paths(self, port: int):
        assert self.post(port, "{}", "/other") == (404, {"error": "POST to /score"})

    @pytest.mark.parametrize("length", [str((1 << 20) + 1), "-1", "many"])
    def test_bad_lengths(self, port: int, length: str):
        """Refused before a byte of the body is sent."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest("POST", "/score")
            connection.putheader("Content-Length", length)
            connection.endheaders()
            response = connection.getresponse()
            assert response.status == 413
            assert "bytes" in json.loads(response.read())["error"]
