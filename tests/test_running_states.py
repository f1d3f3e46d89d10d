"""RunningLoss in any state: whatever was done to several of them, in any order, errors between."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bcelogits import RunningLoss

DTYPES = [np.float16, np.float32, np.float64]
REDUCTIONS = ["mean", "sum", "weighted_mean"]
# Relative to the sum of the absolute values of the terms. The losses are right to 3 ULP of their
# dtype, those of half precision being computed as floats; their sums are exact.
EPS = {np.float16: 2.0**-11, np.float32: 2.0**-23, np.float64: 2.0**-52}
# And to as many subnormal numbers of what they are computed in.
LEAST = {np.float16: 2.0**-149, np.float32: 2.0**-149, np.float64: 2.0**-1074}
LOGITS = [-np.inf, -1e4, -20.0, -0.5, 0.0, 5e-324, 0.25, 3.0, 700.0, np.inf]
WEIGHTS = [0.0, 2.0**-20, 0.1, 1.0, 3.5]


Terms = dict[str, list[float]]


@dataclass
class Model:
    """What an object has been updated with: for each update and column, terms of its sums."""

    updates: list[list[Terms]] = field(default_factory=list)

    def sums(self, columns: list[int]) -> dict[str, float]:
        """Return exact counts and sums over some columns, the loss, and the bound of its error."""
        names = ("count", "weight", "positive", "loss", "bound")
        taken = [update[column] for update in self.updates for column in columns]
        return {name: exact_sum([x for one in taken for x in one[name]]) for name in names}


def terms(options: dict[str, Any], column: int, dtype: Any, *arrays: Any) -> Terms:
    """Return what a column of logits, targets, weights and where adds to each sum."""
    x, y, w, keep = (a[:, column] for a in arrays)
    if options["ignore_index"] is not None:
        keep = keep & (y != options["ignore_index"])
    x, y, w = x[keep], y[keep], w[keep]
    if dtype != np.float64:
        w = w.astype(np.float32).astype(np.float64)  # what the library reads beside such logits
    p = options["pos_weight"]
    twin = reference.binary_cross_entropy_with_logits(
        *(x, y, w),
        reduction="none",
        pos_weight=p[column] if np.ndim(p) else p,
        label_smoothing=options["label_smoothing"],
    )
    # A product of two doubles is exact in two of them.
    products = [two_product(a, b) for a, b in zip(w.tolist(), y.tolist(), strict=True)]
    return {
        "count": [1.0] * len(x),
        "weight": w.tolist(),
        "positive": [part for parts in products for part in parts],
        "loss": np.asarray(twin.value, np.float64).tolist(),
        "bound": np.asarray(4 * (EPS[dtype] * twin.magnitude + LEAST[dtype]), np.float64).tolist(),
    }


def two_product(a: float, b: float) -> list[float]:
    high = a * b
    if not math.isfinite(high) or high == 0:
        return [high]
    return [high, float(np.longdouble(a) * np.longdouble(b) - np.longdouble(high))]


def exact_sum(terms: list[float]) -> float:
    infinite = [term for term in terms if not math.isfinite(term)]
    return sum(infinite) if infinite else math.fsum(terms)


def shaped(values: list[float], axis: Any) -> Any:
    return np.array(values) if axis is not None else values[0]


class Machine(RuleBasedStateMachine):
    """A few objects of one configuration, each with what it must have."""

    objects: list[tuple[RunningLoss, Model]]

    @initialize(
        axis=st.sampled_from([None, 0, (0,), -2]),
        columns=st.integers(1, 3),
        pos_weight=st.sampled_from([None, 0.0, 2.5, "each"]),
        label_smoothing=st.sampled_from([0.0, 0.125, 1.0]),
        ignore_index=st.sampled_from([None, -100, 0]),
        check=st.booleans(),
    )
    def configure(self, axis: Any, columns: int, pos_weight: Any, **options: Any) -> None:
        if pos_weight == "each":
            pos_weight = np.arange(1, columns + 1) / 4
        self.columns = columns
        self.options = {"axis": axis, "pos_weight": pos_weight, **options}
        self.objects = [self.new(), self.new()]

    def new(self) -> tuple[RunningLoss, Model]:
        return RunningLoss(**self.options), Model()

    def pick(self, number: int) -> tuple[RunningLoss, Model]:
        return self.objects[number % len(self.objects)]

    def arrays(self, draw: Any) -> tuple[dict[str, Any], list[Terms]]:
        """Return arguments of an update, and what they add."""
        shape = (draw(st.integers(0, 4)), self.columns)
        size = math.prod(shape)

        def numbers(values: list[float], of: tuple[int, ...] = shape) -> np.ndarray:
            n = math.prod(of)
            drawn = draw(st.lists(st.sampled_from(values), min_size=n, max_size=n))
            return np.array(drawn, float).reshape(of)

        dtype = draw(st.sampled_from(DTYPES))
        with np.errstate(over="ignore"):
            x = numbers(LOGITS if self.options["check"] else [*LOGITS, np.nan]).astype(dtype)
        kind = draw(st.sampled_from(["hard", "soft", "bool", "int8"]))
        y = numbers([0.0, 1.0] if kind != "soft" else [0.0, 0.25, 0.7, 1.0])
        y = y.astype({"bool": bool, "int8": np.int8, "soft": np.float32}.get(kind, dtype))
        ignored = self.options["ignore_index"]
        if ignored is not None and kind in ("int8", "hard") and size:
            y.flat[draw(st.integers(0, size - 1))] = ignored
        weight: Any = None
        if draw(st.booleans()):
            of = draw(st.sampled_from([(), (self.columns,), (shape[0], 1), shape]))
            weight = numbers(WEIGHTS, of).astype(draw(st.sampled_from(DTYPES)))
        where: Any = None
        if draw(st.booleans()):
            where = numbers([0, 1], draw(st.sampled_from([(self.columns,), shape]))).astype(bool)
        meant = (
            x.astype(np.longdouble),
            y.astype(np.float64),
            np.broadcast_to(1.0 if weight is None else weight.astype(float), shape),
            np.broadcast_to(True if where is None else where, shape),
        )
        means = [terms(self.options, column, dtype, *meant) for column in range(self.columns)]
        return {"input": x, "target": y, "weight": weight, "where": where}, means

    @rule(number=st.integers(0, 9), data=st.data())
    def update(self, number: int, data: st.DataObject) -> None:
        running, model = self.pick(number)
        arguments, means = self.arrays(data.draw)
        kept = {name: copy.deepcopy(a) for name, a in arguments.items()}
        running.update(**arguments)
        model.updates.append(means)
        for name, a in arguments.items():  # nothing is written to them, nor kept
            np.testing.assert_array_equal(a, kept[name])
            if a is not None and a.size:
                a[...] = 1

    @rule(number=st.integers(0, 9), other=st.integers(0, 9))
    def merge(self, number: int, other: int) -> None:
        (running, model), (second, seconds) = self.pick(number), self.pick(other)
        before = second.state_dict()
        running.merge(second)
        model.updates = model.updates + seconds.updates
        if second is not running:
            assert second.state_dict() == before

    @rule(number=st.integers(0, 9))
    def reset(self, number: int) -> None:
        running, model = self.pick(number)
        running.reset()
        model.updates = []
        assert running.state_dict() == self.new()[0].state_dict()

    @rule(number=st.integers(0, 9), way=st.sampled_from(["pickle", "json", "copy", "deepcopy"]))
    def is_made_anew(self, number: int, way: str) -> None:
        running, _ = self.pick(number)
        made = {
            "pickle": lambda: pickle.loads(pickle.dumps(running)),
            "json": lambda: RunningLoss.from_state_dict(
                json.loads(json.dumps(running.state_dict(), allow_nan=False))
            ),
            "copy": lambda: copy.copy(running),
            "deepcopy": lambda: copy.deepcopy(running),
        }[way]()
        assert type(made) is RunningLoss
        assert made.state_dict() == running.state_dict()
        i = number % len(self.objects)
        self.objects[i] = made, self.objects[i][1]

    @precondition(lambda self: len(self.objects) < 4)
    @rule(number=st.integers(0, 9), way=st.sampled_from(["new", "copy", "deepcopy"]))
    def another(self, number: int, way: str) -> None:
        """A copy is an object of its own."""
        running, model = self.pick(number)
        made = self.new()
        if way != "new":
            made = getattr(copy, way)(running), Model(list(model.updates))
        self.objects.append(made)

    @rule(number=st.integers(0, 9), data=st.data())
    def an_update_that_raises(self, number: int, data: st.DataObject) -> None:
        """Whatever is wrong with it, the object stays as it was."""
        running, _ = self.pick(number)
        arguments, _ = self.arrays(data.draw)
        x, y = arguments["input"], arguments["target"]
        wrong: dict[str, tuple[dict[str, Any], str]] = {
            "shape": ({"target": y[:, :0]}, "target has shape"),
            "weight": ({"weight": np.ones((2, *x.shape))}, "weight"),
            "where": ({"where": np.ones(x.shape)}, "where has dtype"),
            "dtype": ({"input": x.astype(complex)}, "input has dtype complex"),
        }
        if self.options["check"] and x.size:
            last = y.astype(float)
            last[-1, -1] = data.draw(st.sampled_from([-0.5, 1.5, np.nan]))
            bad = {"target": last, "where": None}
            place = rf"\[{x.shape[0] - 1}, {self.columns - 1}\] is"
            wrong["target"] = (bad, f"target{place}")
            nan = x.copy()
            nan[-1, -1] = np.nan
            half = np.full(x.shape, 0.5, np.float32)
            # A weight of 0 selects 0, and would leave the total a number.
            bad = {"input": nan, "target": half, "weight": None, "where": None}
            wrong["nan"] = (bad, f"input{place} nan")
        if self.options["axis"] == -2:
            flat = {"input": [0.5], "target": [1], "weight": None, "where": None}
            wrong["axis"] = (flat, "axis")
        if running.state_dict()["shape"] and not np.ndim(self.options["pos_weight"]):
            wide = {name: np.zeros((2, self.columns + 1)) for name in ("input", "target")}
            wrong["columns"] = (wide | {"weight": None, "where": None}, "input keeps axes")
        change, message = data.draw(st.sampled_from(sorted(wrong.items())))[1]
        before = running.state_dict()
        with pytest.raises((ValueError, TypeError), match=message):
            running.update(**arguments | change)
        assert running.state_dict() == before

    @rule(number=st.integers(0, 9))
    def a_merge_that_raises(self, number: int) -> None:
        running, _ = self.pick(number)
        before = running.state_dict()
        other = RunningLoss(**self.options | {"label_smoothing": 0.5})
        with pytest.raises(ValueError, match="label_smoothing is"):
            running.merge(other)
        with pytest.raises(TypeError, match="other must be a RunningLoss"):
            running.merge(before)  # type: ignore[arg-type]
        if before["shape"] and not np.ndim(self.options["pos_weight"]):
            other, _ = self.new()
            other.update(np.zeros((1, self.columns + 1)), np.zeros((1, self.columns + 1)))
            with pytest.raises(ValueError, match="other keeps axes"):
                running.merge(other)
        with pytest.raises(ValueError, match="reduction"):
            running.compute("none")
        assert running.state_dict() == before

    @precondition(lambda self: len(self.objects) > 1)
    @rule(order=st.permutations(range(4)))
    def the_order_of_merging_does_not_matter(self, order: list[int]) -> None:
        objects = [running for running, _ in self.objects]

        def merged(some: list[RunningLoss]) -> dict[str, Any]:
            total, _ = self.new()
            for one in some:
                total.merge(one)
            return total.state_dict()

        expected = merged(objects)
        assert merged([objects[i] for i in order if i < len(objects)]) == expected

    @invariant()
    def everything_is_what_the_model_says(self) -> None:
        for running, model in getattr(self, "objects", ()):
            axis = self.options["axis"]
            if running.state_dict()["shape"] is None:
                assert not model.updates
                with pytest.raises(ValueError, match="there was no update yet"):
                    _ = running.count
                continue
            columns = list(range(self.columns))
            of_results = [columns] if axis is None else [[column] for column in columns]
            self.compare(running, [model.sums(some) for some in of_results])

    def compare(self, running: RunningLoss, sums: list[dict[str, float]]) -> None:
        axis = self.options["axis"]
        for name, attribute in (
            *(("count", "count"), ("weight", "weight_sum"), ("positive", "positive_sum")),
        ):
            found = getattr(running, attribute)
            expected = shaped([one[name] for one in sums], axis)
            np.testing.assert_array_equal(found, expected, err_msg=attribute)
        for reduction in REDUCTIONS:
            divisors = [
                {"mean": one["count"], "sum": 1, "weighted_mean": one["weight"]}[reduction]
                for one in sums
            ]
            if not all(divisors):
                with pytest.warns(RuntimeWarning, match="Mean of empty slice|add up to 0"):
                    values = running.compute(reduction)
            else:
                values = running.compute(reduction)
            assert np.shape(values) == (() if axis is None else (self.columns,))
            for value, one, divisor in zip(np.ravel(values), sums, divisors, strict=True):
                if not divisor:
                    assert not math.isfinite(value)
                elif math.isfinite(one["loss"]):
                    bound = one["bound"] / divisor + 2.0**-52 * abs(value) + 2.0**-1074
                    assert abs(value - one["loss"] / divisor) <= bound
                else:
                    np.testing.assert_equal(value, one["loss"])


def test_any_order_of_updates_merges_copies_and_errors() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=50, stateful_step_count=20, deadline=None)
    )
