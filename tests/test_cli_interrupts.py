"""Ctrl-C during ``bcelogits score``: status 130, not a word, and no file made or changed."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")
pytest.importorskip("rich", reason="the command draws with rich (extra: cli)")
pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")

from cli_files import read_terminal, terminal_environment, write_endless  # noqa: E402

from bcelogits.cli import main  # noqa: E402

# An interrupt between the opening of a file and its `with` leaves the file to the garbage
# collector: Python tells of that only who asks for it.
WARNINGS = ["-W", "error", "-W", "ignore::ResourceWarning"]
SCORE = [sys.executable, *WARNINGS, "-m", "bcelogits", "score"]
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
        env=terminal_environment(),
    )
    os.close(theirs)
    drawn = os.read(ours, 1)  # the bar: it is running
    process.send_signal(signal.SIGINT)
    text = drawn.decode() + read_terminal(ours)
    output, _ = process.communicate()
    # Both are 130 to a shell: Python ends itself by the signal if that came while it executed a
    # string, as some imports do.
    assert process.returncode in (130, -signal.SIGINT), text
    assert output == b""
    assert "Traceback" not in text
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_signals_change_nothing_that_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """If the process goes on after them, the file is read to its end."""
    path = tmp_path / name
    text = b"0,1\n" + b"0.5,1\n-2,0\n" * 500_000
    path.write_bytes(gzip.compress(text, 1) if name.endswith("gz") else text)
    heard: list[int] = []
    done = threading.Event()

    def send() -> None:
        while not done.wait(0.001):
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    sender = threading.Thread(target=send)
    sender.start()
    try:
        status = main(["score", str(path), *COLUMNS])
    finally:
        done.set()
        sender.join()
        signal.signal(signal.SIGINT, before)
    captured = capsys.readouterr()
    assert (status, captured.err) == (0, "")
    assert heard
