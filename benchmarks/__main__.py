"""The command: measures, prints the table of goals, and writes JSON, Markdown and plots."""

from __future__ import annotations

import argparse
import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from . import boosting_rows, cases, curves, machine, peers, report, torch_rows
from .measure import Effort, run_contest

HERE = Path(__file__).resolve().parent
ENTRY_POINTS = HERE / "c" / "build" / "entry_points"
MAIN_PEERS = (
    "bcelogits",
    "NumPy",
    "SciPy",
    "PyTorch",
    "torch.compile",
    "Numba",
    "JAX",
    "scikit-learn",
)
FEW_PEERS = ("bcelogits", "NumPy", "PyTorch", "JAX")

_started = perf_counter()


def log(text: str) -> None:
    """Say on standard error how far we are."""
    print(f"{perf_counter() - _started:6.1f} s  {text}", file=sys.stderr, flush=True)


def measure_cases(found: list[cases.Case], effort: Effort, runs: int) -> list[dict[str, Any]]:
    """Measure cases, all of them once per run."""
    results: list[dict[str, Any]] = [
        {"name": c.name, "against": c.against, "must": c.must, "aim": c.aim, "runs": []}
        for c in found
    ]
    for run in range(runs):
        for case, result in zip(found, results, strict=True):
            log(f"{case.name}, against {case.against}" + (f", run {run + 1}" if runs > 1 else ""))
            try:
                contest = case.make()
            except peers.MissingPeerError as error:
                result["missing"] = str(error)
                continue
            times = run_contest(
                contest, replace(effort, clock=perf_counter) if case.threads else effort
            )
            ours, theirs = times[cases.OURS], times[cases.THEIRS]
            result["statements"] = list(contest.statements.values())
            result["runs"].append({"ours": ours[:2], "theirs": theirs[:2], "rounds": ours.rounds})
    return results


def measure_entry_points() -> list[dict[str, Any]]:
    """Run the C program, on the instruction set that is in use here."""
    if not ENTRY_POINTS.exists():
        peers.leave_out("C entry points", f"make -C {ENTRY_POINTS.parent.parent.name} builds them")
        return []
    log("C entry points")
    command = [str(ENTRY_POINTS), machine.bce.active_isa()]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [
        {
            "call": row["call"],
            "dtype": row["dtype"],
            "n": int(row["n"]),
            "least": float(row["least"]),
            "median": float(row["median"]),
        }
        for row in csv.DictReader(io.StringIO(output), delimiter="\t")
    ]


def measure_curves(results: report.Results, quick: bool, clock: Callable[[], float]) -> None:
    """Measure everything that is drawn."""
    brief = Effort(0.05 if quick else 0.8, least_rounds=3, most_rounds=200, clock=clock)
    sizes = curves.sizes_to(2**20, 16) if quick else curves.sizes_to(10**8)
    found = results["curves"] = {}
    for dtype in ("float32", "float64"):
        names = MAIN_PEERS if dtype == "float32" else FEW_PEERS
        found[f"mean, {dtype}"] = curves.over_sizes("mean", dtype, sizes, names, brief, log)
    middle = [n for n in curves.sizes_to(2**16 if quick else 2**24, 16 if quick else 4) if n >= 256]
    for function, names in (("none", MAIN_PEERS), ("value_and_grad", MAIN_PEERS)):
        found[f"{function}, float32"] = curves.over_sizes(
            function, "float32", middle, names, brief, log
        )
    few, fewer = (20_000, 1_000) if quick else (1_000_000, 20_000)
    small = (1, 16, 64, 256, 1024) if quick else (1, 4, 16, 64, 256, 1024)
    results["latency"] = curves.single_calls(small, MAIN_PEERS, few, fewer, log)
    of_threads = [2**k for k in range(12, 21 if quick else 25, 2)]
    on_the_wall = replace(brief, clock=perf_counter)
    results["threads"] = curves.over_threads(of_threads, on_the_wall, log)
    results["dtypes"] = curves.over_dtypes(2**20, brief, log)


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough run within a minute")
    parser.add_argument("--rows-only", action="store_true", help="the table of goals alone")
    parser.add_argument(
        "--adapters",
        action="store_true",
        help="PyTorch and gradient boosting alone, into files of their own: NAME-adapters",
    )
    parser.add_argument("--runs", type=int, default=1, help="runs of the goals in a row")
    parser.add_argument("--only", metavar="TEXT", help="rows whose name holds TEXT")
    parser.add_argument("--seconds", type=float, help="time for each goal; default 3, quick 0.3")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="time by the process's clock, which a busy machine disturbs less",
    )
    parser.add_argument("--name", help="of the files; by default the machine's")
    parser.add_argument("--folder", type=Path, default=HERE / "results", help="where they go")
    parser.add_argument(
        "--redraw", action="store_true", help="only draw and report NAME.json again"
    )
    return parser.parse_args()


def run(options: argparse.Namespace, name: str) -> report.Results:
    """Measure what the options ask for."""
    clock = process_time if options.cpu_time else perf_counter
    seconds = options.seconds or (0.25 if options.quick else 3.0)
    effort = Effort(seconds, least_rounds=3 if options.quick else 7, clock=clock)
    if options.quick:
        peers.leave_out("torch.compile", "compiling takes longer than a quick run")
    settings = " ".join(sys.argv[1:]) or "defaults"
    results: report.Results = {"name": name, "settings": settings, "machine": machine.describe()}

    def chosen(found: list[cases.Case]) -> list[cases.Case]:
        return [c for c in found if not options.only or options.only in f"{c.name}, {c.against}"]

    brief = replace(effort, seconds=effort.seconds / 2)
    if not options.adapters:
        results["entry_points"] = [] if options.only else measure_entry_points()
        results["goals"] = measure_cases(chosen(cases.goals()), effort, options.runs)
    if not options.rows_only:
        if not options.adapters:
            results["shapes"] = measure_cases(chosen(cases.shapes()), brief, 1)
        results["boosting"] = measure_cases(chosen(boosting_rows.cases()), brief, 1)
        results["torch"] = measure_cases(chosen(torch_rows.cases()), brief, 1)
    if not (options.rows_only or options.only or options.adapters):
        log("cost per element in cache")
        results["flat"] = {d: curves.flatness(d, effort) for d in ("float32", "float64")}
        measure_curves(results, options.quick, clock)
    results["machine"]["load_after"] = machine.load()
    results["missing"] = peers.missing
    return results


def main() -> None:
    """Measure, or read an earlier run; print, write and draw."""
    os.chdir(HERE.parent)
    options = arguments()
    name = options.name or machine.slug() + ("-adapters" if options.adapters else "")
    file = options.folder / f"{name}.json"
    results = report.read_json(file) if options.redraw else run(options, name)
    print(report.machine(results), end="\n\n")
    for table in ("goals", "shapes", "boosting", "torch"):
        found = results.get(table)
        if found:
            print(report.cases(found), end="\n\n")
    for part in (report.entry_point(results), report.missing(results)):
        print(part, end="\n" if part else "")
    if options.rows_only or options.only:
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    report.write_json(results, file)
    try:
        from . import plots
    except ImportError as error:
        print(f"no plots: {error}")
        pictures = {}
    else:
        pictures = plots.draw(results, options.folder)
    page = options.folder / f"{name}.md"
    page.write_text(report.markdown(results, pictures), "utf-8")
    log(f"wrote {page}")


if __name__ == "__main__":
    main()
