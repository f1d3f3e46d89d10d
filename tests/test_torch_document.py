"""The snippets of docs/pytorch.md run, one after the other, as they stand there."""

from __future__ import annotations

import re

import clibrary
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; the extra 'torch' has it")

PAGE = clibrary.ROOT / "docs" / "pytorch.md"


def test_snippets():
    text = PAGE.read_text("utf-8")
    names: dict[str, object] = {}
    snippets = list(re.finditer(r"(?ms)^```python\n(.*?)^```$", text))
    assert len(snippets) == text.count("```python")
    for snippet in snippets:
        # With its line in the page, for tracebacks.
        lines = "\n" * (text.count("\n", 0, snippet.start()) + 1)
        exec(compile(lines + snippet[1], str(PAGE), "exec"), names)
