"""The pages of docs/ on uses: every snippet runs, and prints what the page says it prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"

# What each page needs besides NumPy.
PAGES = {
    "boosting.md": ["xgboost", "lightgbm", "catboost", "sklearn"],
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
    names: dict[str, object] = {}
    for found in snippets:
        line = text[: found.start(1)].count("\n")
        code = compile("\n" * line + found[1], page, "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, names)
        assert printed.getvalue() == (found[2] or ""), f"{page}, line {line}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", (DOCS / page).read_text("utf-8")):
            assert (DOCS / target).exists(), f"{page} links to {target}"
