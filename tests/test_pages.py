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


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


@pytest.mark.parametrize("page", ["streams.md", "dask.md"])
def test_python(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    if page == "dask.md":
        for module in ("dask.array", "dask.dataframe"):
            pytest.importorskip(module, reason="dask is not installed (extra: dask)")
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


@pytest.mark.parametrize("page", ["streams.md", "dask.md", "command.md"])
def test_links(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (DOCS / target).exists(), target
    assert f"({page})" in (DOCS / "README.md").read_text(encoding="utf-8")
