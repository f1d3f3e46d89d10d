"""The number of threads: the process's default and where it comes from."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bcelogits import get_num_threads, set_num_threads


@pytest.fixture(autouse=True)
def _restored():
    before = get_num_threads()
    yield
    set_num_threads(before)


def available():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def test_set_and_get():
    for n in (3, 1):
        set_num_threads(n)
        assert get_num_threads() == n
    set_num_threads(-1)
    assert get_num_threads() == available()


@pytest.mark.parametrize("n", [0, -2])
def test_not_a_number_of_threads(n):
    with pytest.raises(ValueError, match=rf"num_threads.*{n}"):
        set_num_threads(n)
    assert get_num_threads() >= 1


@pytest.mark.parametrize("n", [None, 1.0, "2"])
def test_not_an_integer(n):
    with pytest.raises(TypeError, match="num_threads"):
        set_num_threads(n)


def run(value):
    environment = {k: v for k, v in os.environ.items() if k != "BCELOGITS_NUM_THREADS"}
    if value is not None:
        environment["BCELOGITS_NUM_THREADS"] = value
    code = "import bcelogits; print(bcelogits.get_num_threads())"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("value", "expected"), [(None, 1), ("", 1), ("1", 1), ("5", 5), ("-1", available())]
)
def test_environment_variable(value, expected):
    process = run(value)
    assert process.returncode == 0, process.stderr
    assert int(process.stdout) == expected


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5"])
def test_environment_variable_that_is_no_number_of_threads(value):
    process = run(value)
    assert process.returncode == 1
    error = process.stderr.strip().splitlines()[-1]
    assert error.startswith("ImportError: BCELOGITS_NUM_THREADS")
    assert repr(value) in error
