"""The pages of docs/ on uses: every snippet runs, and prints what the page says it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"

# What each page needs besides NumPy.
PAGES = {
    "boosting.md": ["xgboost", "lightgbm", "catboost", "sklearn"],
    "pytorch.md": ["torch", "ml_dtypes"],
    "scikit-learn.md": ["sklearn"],
    "training.md": ["scipy", "sklearn"],
}

# A snippet, and the block that follows it if that is what it prints.
SNIPPET = re.compile(r"(?ms)^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?")


@pytest.mark.parametrize("page", PAGES)
def test_snippets(page: str) -> None:
    for package in PAGES[page]:
        # OSError: LightGBM without libgomp
        pytest.importorskip(
            package,
            reason=f"the page needs {package}, which is not installed",
            exc_type=(ImportError, OSError),
        )
    text = (DOCS / page).read_text("utf-8")
    snippets = list(SNIPPET.finditer(text))
    assert len(snippets) == text.count("```python")
    assert sum(found[2] is not None for found in snippets) == text.count("```text")
    # In a process of its own, and on one thread: on few cores, more are slower.
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(found[1] for found in snippets)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == "".join(found[2] or "" for found in snippets)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", (DOCS / page).read_text("utf-8")):
            assert (DOCS / target).exists(), f"{page} links to {target}"
