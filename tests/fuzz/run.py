"""Fuzz for a while, keep a small corpus of what was found, and write the figures into a page.

    python tests/fuzz/run.py [--seconds 3600] [--only core python_api readers] [--report]

The targets run side by side, each with a log and a working corpus in build/. Afterwards the inputs
that reach something new are merged into corpus/, whose files `make test` replays; a target that
found a failure leaves its input in build/ and the exit status 1. --report writes the figures of
the logs that are there, and runs nothing. Of targets without a log the figures on the page stay.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tools.page import Part
from tools.processor import processor

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
CORPUS = HERE / "corpus"
REACHED = "Of the C library, kernels included, the first reaches"
MOST_BYTES, MOST_INPUTS = 65_000, 400  # of each committed corpus

TARGETS = {
    "core": ("functions of the C library", ["-max_len=300"]),
    "python_api": ("functions of the package", ["-max_len=120"]),
    "readers": ("files that the command reads", ["-max_len=3000"]),
}


class Figures(NamedTuple):
    executions: int
    minutes: float
    edges: int
    failures: int


def command(name: str) -> list[str]:
    """Return what runs a target, but for options and corpora."""
    if name == "core":
        return [str(BUILD / "core-fuzzer")]
    return [sys.executable, str(HERE / "with_atheris.py"), name]


def figures(log: str) -> Figures:
    """Return the totals of the sessions in a log of libFuzzer."""
    executions = failures = edges = 0
    seconds = 0.0
    for session in log.split("INFO: Seed:")[1:]:
        runs = [int(n) for n in re.findall(r"^#(\d+)\s", session, re.M)]
        runs += [int(n) for n in re.findall(r"number_of_executed_units: (\d+)", session)]
        executions += max(runs, default=0)
        edges = max([edges, *(int(n) for n in re.findall(r" cov: (\d+)", session))])
        failures += re.search(r"ERROR: \w+: |=== (Uncaught|Timeout)", session) is not None
        if done := re.search(r"Done \d+ runs in (\d+) second", session):
            seconds += int(done[1])
        elif rates := re.findall(r"(?:average_exec_per_sec|exec/s): +(\d+)", session):
            seconds += max(runs, default=0) / max(int(rates[-1]), 1)
    return Figures(executions, seconds / 60, edges, failures)


def fuzz(names: list[str], seconds: int) -> bool:
    """Run targets side by side; return whether none failed."""
    if "core" in names:
        subprocess.run(["make", "-s", "-C", str(HERE), "fuzzer"], check=True)
    running = []
    for name in names:
        work, kept = BUILD / f"corpus-{name}", CORPUS / name
        for folder in (work, kept):
            folder.mkdir(parents=True, exist_ok=True)
        if not any(work.iterdir()):
            shutil.copytree(kept, work, dirs_exist_ok=True)
        options = [*TARGETS[name][1], f"-max_total_time={seconds}", "-len_control=10",
                   "-print_final_stats=1", f"-artifact_prefix={BUILD}/{name}-"]  # fmt: skip
        with open(BUILD / f"{name}.log", "a", encoding="utf-8") as log:
            program = [*command(name), *options, str(work)]
            process = subprocess.Popen(program, stdout=log, stderr=log)
        running.append((name, process))
    succeeded = True
    for name, process in running:
        if process.wait():
            print(f"{name} failed: see {BUILD / name}.log", file=sys.stderr)
            succeeded = False
    return succeeded


def keep(name: str) -> None:
    """Fill the committed corpus with small inputs that reach most of what was reached."""
    found, kept = BUILD / f"corpus-{name}", CORPUS / name
    if name == "core":  # atheris cannot merge: it starts itself by a name that is none
        merged = BUILD / f"merged-{name}"
        shutil.rmtree(merged, ignore_errors=True)
        merged.mkdir()
        options = ["-merge=1", *TARGETS[name][1]]
        subprocess.run([*command(name), *options, str(merged), str(kept), str(found)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        found = merged
    shutil.rmtree(kept)
    kept.mkdir()
    room = MOST_BYTES
    files = sorted(found.iterdir(), key=lambda file: (file.stat().st_size, file.name))
    # Some of every size, for the longest reach what the shortest do not.
    for file in files[:: -(-len(files) // MOST_INPUTS) or 1]:
        room -= file.stat().st_size
        if room < 0:
            break
        shutil.copyfile(file, kept / file.name)


def coverage() -> str:
    """Return how much of the C library the working corpus reaches: lines and branches."""
    subprocess.run(["make", "-s", "-C", str(HERE), "coverage"], check=True)
    program, raw, data = BUILD / "core-coverage", BUILD / "core.profraw", BUILD / "core.profdata"
    inputs = [str(file) for file in sorted((BUILD / "corpus-core").iterdir())]
    subprocess.run([program, *inputs], check=True, env={"LLVM_PROFILE_FILE": str(raw)},
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    subprocess.run(["llvm-profdata", "merge", raw, "-o", data], check=True)
    text = subprocess.run(
        ["llvm-cov", "report", program, f"-instr-profile={data}",
         "-ignore-filename-regex=(core|numbers|replay)[.][ch]$"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    shares = re.findall(r"([\d.]+%)", text.splitlines()[-1])
    return f"lines {shares[2]}, branches {shares[3]}"


def report() -> None:
    """Write the table of the page."""
    table = Part("docs/reliability.md", "fuzz")
    old = table.read().splitlines()
    titles = ("target", "inputs run", "minutes", "edges reached", "inputs kept", "failures")
    lines = [f"| {' | '.join(titles)} |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for name, (what, _) in TARGETS.items():
        log = BUILD / f"{name}.log"
        if not log.exists():
            lines += [line for line in old if f"(`{name}`)" in line]
            continue
        f = figures(log.read_text("utf-8", errors="replace"))
        kept = len(list((CORPUS / name).iterdir()))
        cells = (f"{what} (`{name}`)", f"{f.executions:,}", f"{f.minutes:.0f}", f"{f.edges:,}")
        lines.append(f"| {' | '.join(cells)} | {kept} | {f.failures} |")
    if (BUILD / "corpus-core").is_dir() and shutil.which("llvm-cov"):
        lines += ["", f"{REACHED} {coverage()}."]
    else:
        lines += ["", *(line for line in old if line.startswith(REACHED))]
    lines += ["", f"On {processor()}, {os.cpu_count()} cores."]
    table.write("\n".join(lines))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--report", action="store_true", help="write the figures, run nothing")
    options = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    succeeded = True
    if not options.report:
        succeeded = fuzz(options.only, options.seconds)
        for name in options.only:
            keep(name)
    report()
    return not succeeded


if __name__ == "__main__":
    sys.exit(main())
