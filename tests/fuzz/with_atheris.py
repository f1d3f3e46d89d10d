"""Runs a fuzz target in Python under atheris.

with_atheris.py TARGET [options of libFuzzer] CORPUS
"""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> None:
    name = sys.argv.pop(1)
    # Instrumented as they are imported: the branches of Python guide the search.
    with atheris.instrument_imports(include=["bcelogits"]):
        importlib.import_module("bcelogits")
        target = importlib.import_module(f"fuzz.{name}")
    corpus = Path(sys.argv[-1])
    if hasattr(target, "seeds") and not any(corpus.iterdir()):
        for i, seed in enumerate(target.seeds()):
            (corpus / f"seed-{i}").write_bytes(seed)
    warnings.simplefilter("error")
    atheris.Setup(sys.argv, target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
