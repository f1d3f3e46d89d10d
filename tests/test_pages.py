"""The pages of docs/ that tell how to use something: what they show is what happens."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import clibrary
import pytest

DOCS = clibrary.ROOT / "docs"

# What pages of plain Python need besides NumPy, and those of doctest's prompts.
SCRIPTS = {
    "boosting.md": ["xgboost", "lightgbm", "catboost", "sklearn"],
    "pytorch.md": ["torch", "ml_dtypes"],
    "scikit-learn.md": ["sklearn"],
    "training.md": ["scipy", "sklearn"],
}
PROMPTS = {
    "arrays.md": ["pandas", "polars", "pyarrow"],
    "streams.md": [],
    "dask.md": ["dask.array", "dask.dataframe"],
}

# A snippet, and the block that follows it if that is what it prints.
SNIPPET = re.compile(r"(?ms)^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?")


def need(packages: list[str]) -> None:
    for package in packages:
        # OSError: LightGBM without libgomp
        pytest.importorskip(
            package,
            reason=f"the page needs {package}, which is not installed",
            exc_type=(ImportError, OSError),
        )


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


@pytest.mark.parametrize("page", SCRIPTS)
def test_script(page: str) -> None:
    need(SCRIPTS[page])
    text = (DOCS / page).read_text("utf-8")
    snippets = list(SNIPPET.finditer(text))
    assert len(snippets) == text.count("```python")
    assert sum(found[2] is not None for found in snippets) == text.count("```text")
    # In a process of its own, and on one thread: on few cores, more are slower.
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(found[1] for found in snippets)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == "".join(found[2] or "" for found in snippets)


@pytest.mark.parametrize("page", PROMPTS)
def test_prompts(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    need(PROMPTS[page])
    code = "".join(blocks(page, "pycon"))
    test = doctest.DocTestParser().get_doctest(code, {}, page, page, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test)
    assert runner.tries > 10
    assert runner.failures == 0, capsys.readouterr().out


def test_command(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")
    pytest.importorskip("matplotlib", reason="the command draws with matplotlib (extra: plot)")
    shutil.copy(clibrary.ROOT / "examples" / "flights.parquet", tmp_path)
    (tmp_path / "logs").mkdir()
    commands = "".join(blocks("command.md", "console"))
    # the command of the Python that runs this, whatever is installed elsewhere
    program = tmp_path.parent / f"{tmp_path.name}-bin"
    program.mkdir()
    (program / "bcelogits").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bcelogits "$@"\n')
    (program / "bcelogits").chmod(0o755)
    environment = os.environ | {"PATH": f"{program}:{os.environ['PATH']}"}
    shown = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", commands, re.M)
    assert len(shown) >= 8
    for command, expected in shown:
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert (done.stderr, done.stdout) == ("", expected), command


@pytest.mark.parametrize("page", [*SCRIPTS, *PROMPTS, "command.md"])
def test_links(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", text):
        assert (DOCS / target).exists(), target
    assert f"({page})" in (DOCS / "README.md").read_text(encoding="utf-8")
