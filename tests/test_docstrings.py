"""The examples in the docstrings print what they say."""

from __future__ import annotations

import doctest
import inspect

import pytest

import bcelogits
from bcelogits import boosting, metrics

PUBLIC = {
    f"{module.__name__}.{name}".removeprefix("bcelogits."): getattr(module, name)
    for module in (bcelogits, boosting, metrics)
    for name in module.__all__
    if not name.startswith("_")
}
DOCUMENTED = [name for name, thing in PUBLIC.items() if ">>>" in (inspect.getdoc(thing) or "")]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples(name, capsys):
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name, globs={}):
        runner.run(test)
    assert runner.tries > 0
    assert runner.failures == 0, capsys.readouterr().out


def test_there_are_examples():
    assert {"binary_cross_entropy_with_logits", "BCEWithLogitsLoss", "sigmoid"} <= set(DOCUMENTED)
    assert {"boosting.xgboost", "metrics.log_loss_from_logits"} <= set(DOCUMENTED)
