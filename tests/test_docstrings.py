"""The examples in the docstrings print what they say."""

from __future__ import annotations

import doctest
import inspect

import pytest

import bcelogits

DOCUMENTED = [
    name
    for name in bcelogits.__all__
    if ">>>" in (inspect.getdoc(getattr(bcelogits, name)) or "") and not name.startswith("_")
]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples(name, capsys):
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(recurse=False).find(getattr(bcelogits, name), name, globs={}):
        runner.run(test)
    assert runner.tries > 0
    assert runner.failures == 0, capsys.readouterr().out


def test_there_are_examples():
    assert {"binary_cross_entropy_with_logits", "BCEWithLogitsLoss", "sigmoid"} <= set(DOCUMENTED)
