"""How long Ctrl-C waits for its answer in long calls, as a table: time never decides, it is told.

    python -m benchmarks.interrupts [--times 9] [--write]

Another process sends SIGINT in the middle of a call, and tells when; the answer is the moment at
which KeyboardInterrupt is caught around the call. Calls are endless, on arrays that repeat one
element, or on real ones of several hundred megabytes, again and again. --write puts the table into
docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import bcelogits as bce
from tools.page import Part
from tools.processor import processor

ENDLESS = 2**40
REAL = 2**26  # elements: 256 MB of float32

SENDER = """
import os, signal, sys, time
for line in sys.stdin:
    time.sleep(float(line))
    print(time.monotonic(), flush=True)
    os.kill(os.getppid(), signal.SIGINT)
"""

Call = Callable[[], Any]


def room(*shape: int) -> np.ndarray:
    """Return an endless array all of whose elements are one place in memory, to write to."""
    return np.lib.stride_tricks.as_strided(np.empty(1, np.float32), shape, (0,) * len(shape))


def endless_calls() -> dict[str, Call]:
    n = ENDLESS
    half = np.float32(0.5)
    x, wide, tall = (np.broadcast_to(half, shape) for shape in ((n,), (2, n), (n, 2)))
    y = np.broadcast_to(np.float64(1), (n,))
    rows = np.lib.stride_tricks.as_strided(np.array([1, 2], np.float32), (2, n), (4, 0))
    loss, grad = bce.binary_cross_entropy_with_logits, bce.value_and_grad
    by_all = ("input", "target", "weight", "pos_weight")
    return {
        "mean": lambda: loss(x, x),
        "weighted mean": lambda: loss(x, y, y, reduction="weighted_mean", label_smoothing=0.1),
        "mean of 2 rows": lambda: loss(wide, wide, axis=1),
        "mean of 2 columns": lambda: loss(tall, tall, axis=0),
        "means of endless rows of 2": lambda: loss(tall, tall, axis=1, out=room(n)),
        "losses": lambda: loss(x, x, reduction="none", out=room(n)),
        "`value_and_grad`": lambda: grad(x, x, out=room(n)),
        "gradients by all arguments": lambda: grad(
            x, y, half, pos_weight=half, wrt=by_all, out=(room(n), room(n), None, None)
        ),
        "gradient by 2 weights of rows": lambda: grad(wide, wide, np.ones((2, 1)), wrt="weight"),
        "`grad_and_hess`": lambda: bce.grad_and_hess(x, y, out=(room(n), room(n))),
        "`softplus`": lambda: bce.softplus(x, out=room(n)),
        "`balanced_pos_weight`": lambda: bce.balanced_pos_weight(tall),
        "`RunningLoss.update`": lambda: bce.RunningLoss().update(x, x),
        "`RunningLoss(axis=1).update`": lambda: bce.RunningLoss(axis=1).update(wide, wide),
        "search for a bad target": lambda: loss(wide, rows, axis=0, out=room(n)),
        "check of `pos_weight`": lambda: bce.BCEWithLogitsLoss(pos_weight=x),
    }


def real_calls() -> dict[str, Call]:
    rng = np.random.default_rng(0)
    x = np.tile(3 * rng.standard_normal(2**20, np.float32), REAL // 2**20)
    y = (x > 1).astype(np.float32)
    x64 = x[: REAL // 2].astype(np.float64)
    tiny = 1e-300 * np.abs(x64)
    loss, grad = bce.binary_cross_entropy_with_logits, bce.value_and_grad
    out = np.empty_like(x)
    columns = x.reshape(-1, 8), y.reshape(-1, 8)
    slow = (x64[::2], y[: REAL // 2 : 2].astype(">f8"), tiny[::2])
    most = x64[::2] < 9
    return {
        "mean of 2^26 elements": lambda: loss(x, y),
        "the same of 2^16 rows of 1,024": lambda: loss(
            x.reshape(-1, 1024), y.reshape(-1, 1024), axis=1
        ),
        "the same of 8 columns": lambda: loss(*columns, axis=0),
        "their gradient": lambda: grad(x, y, out=out),
        "their gradient by 8 weights of positives": lambda: grad(
            *columns, pos_weight=np.ones(8), wrt="pos_weight"
        ),
        "`RunningLoss(axis=0).update` with 8 columns": lambda: bce.RunningLoss(axis=0).update(
            *columns
        ),
        "the slowest: scattered, swapped, subnormal": lambda: grad(
            *slow,
            pos_weight=slow[2],
            where=most,
            label_smoothing=0.1,
            wrt=("input", "target", "weight", "pos_weight"),
        ),
    }


def measure(times: int) -> dict[str, list[float]]:
    """Return the seconds from signal to answer, of each call."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sender.stdin is not None
    assert sender.stdout is not None

    def answer(call: Call) -> float:
        print(random.uniform(0.1, 0.4), file=sender.stdin, flush=True)
        try:
            while True:
                call()
        except KeyboardInterrupt:
            heard = time.monotonic()
        return heard - float(sender.stdout.readline())

    found = {}
    for calls in (endless_calls, real_calls):
        for threads in (1, 2):
            bce.set_num_threads(threads)
            for name, call in calls().items():
                label = name if threads == 1 else f"{name}, 2 threads"
                found[label] = [answer(call) for _ in range(times)]
                log(f"{label}: {1e3 * max(found[label]):.0f} ms at most")
    sender.stdin.close()
    sender.wait()
    return found


def log(text: str) -> None:
    print(f"{bce.active_isa()}, {text}", file=sys.stderr, flush=True)


def measure_on(isa: str, times: int) -> dict[str, list[float]]:
    """Measure on an instruction set, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.interrupts", "--measure", "--times", str(times)]
    environment = os.environ | {"BCELOGITS_ISA": isa}
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    found: dict[str, list[float]] = json.loads(output)
    return found


def table(found: dict[str, dict[str, list[float]]], times: int) -> str:
    """Return Markdown; a call and the same with two threads are two rows."""
    isas = list(found)
    titles = ["call", *(f"{isa}, {what}" for isa in isas for what in ("median", "longest"))]
    lines = [f"| {' | '.join(titles)} |", "| --- |" + " ---: |" * (len(titles) - 1)]
    for name in found[isas[0]]:
        cells = [name]
        for isa in isas:
            seconds = found[isa][name]
            cells += [f"{1e3 * s:.1f}" for s in (statistics.median(seconds), max(seconds))]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Milliseconds from signal to exception, of {times} times each: `make soak`. "
        f"On {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--write", action="store_true", help="write the table into the page")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.times)))
        return
    isas = bce.supported_isas()
    found = {isa: measure_on(isa, options.times) for isa in dict.fromkeys((isas[0], isas[-1]))}
    text = table(found, options.times)
    print(text)
    if options.write:
        Part("docs/reliability.md", "interrupts").write(text)


if __name__ == "__main__":
    main()
