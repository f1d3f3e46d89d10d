"""Time statements that take turns, and single calls by the percentiles of their times."""

from __future__ import annotations

import gc
import statistics
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, perf_counter_ns
from timeit import Timer
from typing import Any, NamedTuple

# Long enough for the clock, short enough to take turns often.
SAMPLE_SECONDS = 2e-3


class Times(NamedTuple):
    """Seconds of one call, over the rounds."""

    least: float
    median: float
    rounds: int


@dataclass(frozen=True)
class Contest:
    """Statements to time, by the name of who runs them, and the names that they use.

    Statements are compiled into the timing loop itself: no call is added to theirs.
    """

    statements: Mapping[str, str]
    names: Mapping[str, Any]


@dataclass(frozen=True)
class Effort:
    """How long to measure a contest: about so many seconds, within these numbers of rounds.

    The clock is that of the wall, or that of the process: it stands still while others compute.
    """

    seconds: float
    least_rounds: int = 5
    most_rounds: int = 500
    clock: Callable[[], float] = perf_counter


def run_contest(contest: Contest, effort: Effort) -> dict[str, Times]:
    """Time each statement once per round, so that a disturbance of the machine meets all of them.

    Every other round runs them in reverse, lest one always follow the same other.
    """
    timers = {
        name: Timer(statement, timer=effort.clock, globals=dict(contest.names))
        for name, statement in contest.statements.items()
    }
    gc.collect()
    numbers, round_seconds = {}, 0.0
    for name, timer in timers.items():
        numbers[name], seconds = _calibrate(timer)
        round_seconds += seconds
    wanted = int(effort.seconds / round_seconds)
    rounds = min(max(wanted, effort.least_rounds), effort.most_rounds)
    times: dict[str, list[float]] = {name: [] for name in timers}
    order = list(timers)
    for _ in range(rounds):
        for name in order:
            times[name].append(timers[name].timeit(numbers[name]) / numbers[name])  # gc is off
        order.reverse()
    return {name: Times(min(t), statistics.median(t), rounds) for name, t in times.items()}


def _calibrate(timer: Timer) -> tuple[int, float]:
    """Return how many calls make a sample, and how long it takes. The first call compiles."""
    timer.timeit(1)
    number, seconds = 1, timer.timeit(1)
    while seconds < SAMPLE_SECONDS / 2:
        number = max(2 * number, int(number * SAMPLE_SECONDS / max(seconds, 1e-7) / 4))
        seconds = timer.timeit(number)
    number = max(1, round(number * SAMPLE_SECONDS / seconds))
    return number, max(seconds, SAMPLE_SECONDS)


def percentiles(
    calls: Mapping[str, tuple[Callable[[Any, Any], object], Any, Any, int]],
    wanted: Sequence[float] = (0.5, 0.99),
    chunk: int = 2000,
) -> dict[str, list[float]]:
    """Return percentiles, in seconds, of the time of single calls.

    `calls` gives for each name a function, its two arguments, and the number of calls. They take
    turns, a chunk each. The clock's own time, the median of empty measurements, is subtracted.
    """
    times = {name: array("q") for name in calls}
    _sample(lambda x, t: None, None, None, chunk)
    clock = array("q")
    gc.collect()
    gc.disable()
    try:
        for function, x, t, _ in calls.values():
            _sample(function, x, t, min(chunk, 200))
        left = {name: count for name, (_, _, _, count) in calls.items()}
        while any(left.values()):
            clock.extend(_empty(200))
            for name, (function, x, t, _) in calls.items():
                count = min(chunk, left[name])
                times[name].extend(_sample(function, x, t, count))
                left[name] -= count
    finally:
        gc.enable()
    overhead = statistics.median(clock)
    found = {}
    for name, samples in times.items():
        ordered = sorted(samples)
        found[name] = [
            (ordered[min(len(ordered) - 1, int(share * len(ordered)))] - overhead) * 1e-9
            for share in wanted
        ]
    return found


def _sample(function: Callable[[Any, Any], object], x: Any, t: Any, count: int) -> list[int]:
    clock, times = perf_counter_ns, [0] * count
    for i in range(count):
        start = clock()
        function(x, t)
        times[i] = clock() - start
    return times


def _empty(count: int) -> list[int]:
    clock, times = perf_counter_ns, [0] * count
    for i in range(count):
        start = clock()
        times[i] = clock() - start
    return times
