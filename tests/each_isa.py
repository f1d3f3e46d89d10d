"""Calls of bcelogits under each instruction set that this machine can run.

The instruction set is fixed when bcelogits is imported, so each has a process of its own. Run as
a script this file is that process.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import bcelogits

ISAS = tuple(bcelogits.supported_isas())


class Call(NamedTuple):
    """A public function by its name, and its arguments."""

    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def call(function: str, *args: Any, **kwargs: Any) -> Call:
    return Call(function, args, kwargs)


def results(calls: dict[Any, Call], isa: str, folder: Path) -> dict[Any, Any]:
    """The results of the calls, under the same keys, from a process that uses this isa."""
    source, destination = folder / f"calls-{isa}.pickle", folder / f"results-{isa}.pickle"
    source.write_bytes(pickle.dumps({key: tuple(c) for key, c in calls.items()}))
    process = subprocess.run(
        [sys.executable, "-W", "error", __file__, str(source), str(destination)],
        env={**os.environ, "BCELOGITS_ISA": isa},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    active, answers = pickle.loads(destination.read_bytes())
    assert active == isa
    return answers


def _main() -> None:
    source, destination = map(Path, sys.argv[1:])
    calls = pickle.loads(source.read_bytes())
    answers = {
        key: getattr(bcelogits, function)(*args, **kwargs)
        for key, (function, args, kwargs) in calls.items()
    }
    destination.write_bytes(pickle.dumps((bcelogits.active_isa(), answers)))


if __name__ == "__main__":
    _main()
