"""Measurements over a range: sizes, single calls, threads, dtypes.

Each function returns what the report keeps: plain lists and dictionaries. A point of a curve is a
size and the seconds of one call, least and median.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import bcelogits as bce
from bcelogits._threads import all_cores

from . import peers
from .data import available_memory, logits, targets
from .measure import Contest, Effort, Times, percentiles, run_contest

READING = "np.dot"  # reads the same bytes as the mean
Points = dict[str, list[list[float]]]
Log = Callable[[str], None]

# The temporaries of the formula written with arrays, beside its two arguments.
ARRAYS_OF_A_PEER = 8


def sizes_to(largest: int, factor: int = 4) -> list[int]:
    """Return the powers of `factor` up to half of `largest`, and it."""
    found, n = [], 1
    while 2 * n <= largest:
        found.append(n)
        n *= factor
    return [*found, largest]


def over_sizes(
    function: str, dtype: str, sizes: Iterable[int], names: Sequence[str], effort: Effort, log: Log
) -> Points:
    """Time `mean`, `none` or `value_and_grad` of our own and the peers named, over sizes."""
    found: Points = {}
    for n in sizes:
        log(f"{function}, {dtype}, n = {n}")
        if n * np.dtype(dtype).itemsize * ARRAYS_OF_A_PEER > available_memory():
            log("  left out: it takes more memory than there is")
            continue
        for name, times in run_contest(_of_size(function, dtype, n, names), effort).items():
            found.setdefault(name, []).append([n, times.least, times.median])
    return found


def _of_size(function: str, dtype: str, n: int, names: Sequence[str]) -> Contest:
    x, t = logits(n, dtype), targets(n, dtype)
    statements, used = {}, {}
    for i, name in enumerate(names):
        try:
            peer = peers.load(name)
        except peers.MissingPeerError:
            continue
        call = getattr(peer, function)
        if call is None:
            continue
        leaf = function == "value_and_grad" and peer.convert_leaf
        used[f"f{i}"], used[f"t{i}"] = call, peer.convert(t)
        used[f"x{i}"] = (leaf or peer.convert)(x)
        statements[name] = f"f{i}(x{i}, t{i})"
    if function == "mean":
        statements[READING] = "dot(x, t)"
        used.update(dot=np.dot, x=x, t=t)
    return Contest(statements, used)


def flatness(dtype: str, effort: Effort) -> list[list[float]]:
    """Time our mean in cache, from 2^12 to 2^20 elements, all sizes in turn."""
    loss = bce.BCEWithLogitsLoss()
    names: dict[str, Any] = {"loss": loss}
    statements = {}
    for k in range(12, 21):
        names[f"x{k}"], names[f"t{k}"] = logits(2**k, dtype), targets(2**k, dtype)
        statements[str(2**k)] = f"loss(x{k}, t{k})"
    times = run_contest(Contest(statements, names), effort)
    return [[int(n), t.least, t.median] for n, t in times.items()]


def single_calls(
    sizes: Iterable[int], names: Sequence[str], calls: int, calls_of_peers: int, log: Log
) -> Points:
    """Return size, 50th and 99th percentile in seconds and number of calls, in float32."""
    found: Points = {}
    for n in sizes:
        log(f"single calls, n = {n}")
        x, t = logits(n), targets(n)
        contestants: dict[str, Any] = {"np.add": (np.add, x, t, calls)}
        for name in names:
            try:
                peer = peers.load(name)
            except peers.MissingPeerError:
                continue
            count = calls if name == "bcelogits" else calls_of_peers
            contestants[name] = (peer.mean, peer.convert(x), peer.convert(t), count)
        for name, values in percentiles(contestants).items():
            found.setdefault(name, []).append([n, *values, contestants[name][3]])
    return found


def over_threads(sizes: Iterable[int], effort: Effort, log: Log) -> Points:
    """Time our float32 mean by 1 thread, 2, 4, ... and all cores; keys are numbers of threads."""
    numbers = sizes_to(all_cores(), 2)
    losses = {k: bce.BCEWithLogitsLoss(num_threads=k) for k in numbers}
    found: Points = {}
    for n in sizes:
        log(f"threads, n = {n}")
        statements = {str(k): f"loss{k}(x, t)" for k in numbers}
        names = {f"loss{k}": loss for k, loss in losses.items()}
        contest = Contest(statements, names | {"x": logits(n), "t": targets(n)})
        for number, times in run_contest(contest, effort).items():
            found.setdefault(number, []).append([n, times.least, times.median])
    return found


def over_dtypes(n: int, effort: Effort, log: Log) -> list[dict[str, Any]]:
    """Time our mean of every dtype of logits with some of targets."""
    dtypes: dict[str, Any] = {name: name for name in ("float16", "float32", "float64")}
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        log("bfloat16 is left out: ml_dtypes is not installed")
    else:
        dtypes["bfloat16"] = bfloat16
    loss = bce.BCEWithLogitsLoss()
    found = []
    for of_logits, dtype in dtypes.items():
        log(f"dtypes: {of_logits} logits")
        names: dict[str, Any] = {"loss": loss, "x": logits(n, dtype)}
        statements = {}
        same = of_logits if of_logits != "bfloat16" else dtype
        for of_targets in (same, "bool", "uint8", "int64"):
            key = of_logits if of_targets is same else of_targets
            names[f"t_{key}"] = targets(n, of_targets)
            statements[key] = f"loss(x, t_{key})"
        times: dict[str, Times] = run_contest(Contest(statements, names), effort)
        found += [
            {"logits": of_logits, "targets": key, "n": n, "least": t.least, "median": t.median}
            for key, t in times.items()
        ]
    return found
