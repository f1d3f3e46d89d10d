"""The emulation in tools/error_budget.py: it gives the package's results, and fuses exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from types import ModuleType

import gmpy2
import numpy as np
import pytest

STRIDE = 4099


@pytest.fixture(scope="module")
def tool(import_from: Callable[[str, str], ModuleType]) -> ModuleType:
    return import_from("tools", "error_budget")


def test_fma_is_rounded_once(tool: ModuleType) -> None:
    # Cancelling and far-apart operands: there a second rounding shows.
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20000)).astype(np.float32)
    scale = np.ldexp(1.0, rng.integers(-60, 60, a.size))
    c = np.where(rng.random(a.size) < 0.5, -a * b, rng.normal(size=a.size) * scale)
    c = c.astype(np.float32)
    with gmpy2.context(precision=24):
        terms = (map(gmpy2.mpfr, v.astype(float)) for v in (a, b, c))
        wanted = [float(gmpy2.fma(*t)) for t in zip(*terms, strict=True)]
    np.testing.assert_array_equal(tool.fma(a, b, c), wanted)


def test_emulation_gives_the_results_of_the_package(tool: ModuleType) -> None:
    assert tool.differences(STRIDE) == 0


def test_every_step_can_be_left_out(tool: ModuleType) -> None:
    whole = tool.Steps()
    t = np.concatenate(list(tool.magnitudes(STRIDE)))
    results = tool.evaluate(t, whole)
    for field in fields(tool.Steps):
        without = tool.evaluate(t, replace(whole, **{field.name: False}))
        assert any(not np.array_equal(a, b) for a, b in zip(results, without, strict=True))
