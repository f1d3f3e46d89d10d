"""What fuzzing has found stays found: every kept input, run once. `make fuzz` looks for more."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from clibrary import ROOT, compiler, require, run

FUZZ = ROOT / "tests" / "fuzz"


def inputs(name: str) -> list[Path]:
    files = sorted((FUZZ / "corpus" / name).iterdir())
    assert files
    return files


def test_functions_of_the_c_library(tmp_path: Path):
    require("make")
    compiler()
    run("make", "-s", "-C", FUZZ, f"BUILD={tmp_path}", "replay")
    files = inputs("core")
    assert run(tmp_path / "core-replay", *files) == f"{len(files)} inputs\n"


@pytest.mark.parametrize("name", ["python_api", "readers"])
def test_targets_in_python(name: str, import_from):
    if name == "readers":
        pytest.importorskip("pyarrow", reason="the command's readers need pyarrow")
    target = import_from("tests", f"fuzz.{name}")
    for file in inputs(name):
        try:
            target.run(file.read_bytes())
        except BaseException as error:
            error.add_note(f"input: {file.name}")
            raise


def test_seeds_are_read():
    """Of each format and each choice of columns, what fits is read to the end."""
    pytest.importorskip("pyarrow", reason="the command's readers need pyarrow")
    readers = importlib.import_module("fuzz.readers")
    for seed in readers.seeds():
        readers.run(seed)
