"""A call that is refused has written nothing, whichever of its arguments is out= as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bcelogits as bce
from bcelogits import _parallel
from bcelogits._core import BLOCK

Call = Callable[..., Any]


def grad_and_hess(x: Any, y: Any, out: Any, **more: Any) -> Any:
    return bce.grad_and_hess(x, y, out=(out, None), **more)


def hess_and_grad(x: Any, y: Any, out: Any, **more: Any) -> Any:
    return bce.grad_and_hess(x, y, out=(None, out), **more)


def losses(x: Any, y: Any, out: Any, **more: Any) -> Any:
    return bce.binary_cross_entropy_with_logits(x, y, reduction="none", out=out, **more)


def gradient(reduction: str, **more: Any) -> Call:
    def call(x: Any, y: Any, out: Any) -> Any:
        return bce.value_and_grad(x, y, reduction=reduction, out=out, **more)

    return call


CALLS: dict[str, Call] = {
    "losses": losses,
    "gradients": gradient("none"),
    "gradient of the mean": gradient("mean"),
    "gradient of the sum": gradient("sum"),
    "gradient of the weighted mean": gradient("weighted_mean", weight=2.0),
    "gradient times a factor": gradient("none", grad_output=3.0),
    "gradient and hessian": grad_and_hess,
    "hessian": hess_and_grad,
    "object: losses": lambda x, y, out: losses(x, y, out, weight=2.0),
    "object: gradient": lambda x, y, out: bce.BCEWithLogitsLoss(
        reduction="none", pos_weight=2.0
    ).value_and_grad(x, y, out=out),
    "object: hessian": lambda x, y, out: bce.BCEWithLogitsLoss().grad_and_hess(
        x, y, out=(None, out)
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("size", [1, 5, 3 * BLOCK])
@pytest.mark.parametrize("written", ["input", "target"])
def test_the_argument_that_is_written_is_whole(
    name: str, size: int, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_parallel, "_LONGEST", 2 * BLOCK)
    x, y = np.linspace(-3, 3, size), np.ones(size)
    y[-1] = 2
    arrays = {"input": x, "target": y}
    before = arrays[written].copy()
    with pytest.raises(ValueError, match=rf"target\[{size - 1}\] is 2.0, outside \[0, 1\]"):
        CALLS[name](x, y, arrays[written])
    np.testing.assert_array_equal(arrays[written], before)
    y[-1] = 1
    expected = CALLS[name](x.copy(), y.copy(), None)
    CALLS[name](x, y, arrays[written])
    flat = expected if isinstance(expected, tuple) else (expected,)
    assert any(np.array_equal(arrays[written], part) for part in flat)


@pytest.mark.parametrize("check", [True, False])
def test_it_is_looked_at_only_where_it_must_be(
    check: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere the pass that computes finds it: out of place nothing is read twice."""
    looked = []
    monkeypatch.setattr(_parallel, "check_target", looked.append)
    x, y = np.zeros(9), np.ones(9)
    for call in (gradient("none", check=check), gradient("mean", check=check)):
        call(x, y, np.empty(9))
        assert not looked
        call(x, y, x)
        assert len(looked) == check
        looked.clear()
