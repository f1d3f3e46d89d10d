"""Ctrl-C during ``bcelogits score``: status 130, not a word, and no file made or changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")
pytest.importorskip("rich", reason="the command draws with rich (extra: cli)")
pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")

from cli_files import write_endless  # noqa: E402

SCORE = [sys.executable, "-W", "error", "-m", "bcelogits", "score"]
COLUMNS = ["--logit", "0", "--target", "1"]


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("option", ["--append", "--plot"])
def test_no_file_is_made_or_changed(tmp_path: Path, threads: str, option: str) -> None:
    if option == "--plot":
        pytest.importorskip("matplotlib", reason="--plot draws with matplotlib (extra: plot)")
    folder = tmp_path / "written"
    folder.mkdir()
    state = folder / ("state.json" if option == "--append" else "plot.svg")
    paths = [tmp_path / "first.npy", tmp_path / "second.npy"]
    if option == "--append":
        small = tmp_path / "small.csv"
        small.write_text("0,1\n0.5,1\n-2,0\n")
        subprocess.run([*SCORE, small, *COLUMNS, option, state], check=True, capture_output=True)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for path in paths:
        write_endless(path)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*SCORE, *paths, *COLUMNS, "--threads", threads, option, state],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    drawn = os.read(ours, 1 << 16)  # the bar: it is running
    process.send_signal(signal.SIGINT)
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # how Linux tells the end
            break
        if not part:
            break
        drawn += part
    os.close(ours)
    output, _ = process.communicate()
    assert (process.returncode, output) == (130, b""), drawn
    assert b"Traceback" not in drawn
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
