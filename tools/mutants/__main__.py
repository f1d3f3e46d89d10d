"""Try mutants, print those that no test notices, and write docs/mutants.md.

    python -m tools.mutants [--count N] [--seed S] [--jobs J] [--seconds T] [--only PREFIX]

Verdicts are kept in build/mutants/verdicts.json: what was killed stays so while its file is the
same, what lived while the tests are the same too. So a run that was interrupted, or had no more
time, goes on where it was. The exit status is 1 if a mutant lives that explained.toml does not
explain, or if an explanation there is of no mutant.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tools.mutants.mutant import Mutant, chosen
from tools.mutants.trials import (
    REACHED,
    FailedError,
    Trials,
    Verdict,
    mutants_of,
    sources,
    tests_of,
)
from tools.page import ROOT, Part

EXPLAINED = Path(__file__).parent / "explained.toml"
WORK = ROOT / "build/mutants"
RESULT = Part("docs/mutants.md", "mutants")

Explanation = dict[str, str]


def explanations() -> list[Explanation]:
    """Return the tables of explained.toml."""
    return list(tomllib.loads(EXPLAINED.read_text("utf-8")).get("mutant", []))


def explains(explanation: Explanation, mutant: Mutant) -> bool:
    """Whether an explanation is of this mutant: what it leaves out may be anything."""
    own = {**asdict(mutant)}
    names = ("file", "function", "line", "change", "number")
    return all(own[n] == explanation[n] for n in names if n in explanation)


def stale(mutants: list[Mutant]) -> list[Explanation]:
    """Return the explanations of no mutant."""
    return [e for e in explanations() if not any(explains(e, m) for m in mutants)]


class _Verdicts:
    """What is known from earlier runs."""

    def __init__(self) -> None:
        self.path = WORK / "verdicts.json"
        self.known = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.lock = threading.Lock()
        tests = [*sorted((ROOT / "tests").rglob("*.py"))]
        tests += sorted((ROOT / "tests/c").glob("*.[ch]"))
        self.tests = _digest(tests)

    def get(self, mutant: Mutant) -> Verdict | None:
        found = self.known.get(mutant.name)
        if found is None or found["file"] != _digest([ROOT / mutant.file]):
            return None
        if found["outcome"] == "lived" and found["tests"] != self.tests:
            return None
        return Verdict(found["outcome"], found["by"], found["seconds"])

    def put(self, mutant: Mutant, verdict: Verdict) -> None:
        digests = {"file": _digest([ROOT / mutant.file]), "tests": self.tests}
        with self.lock:
            self.known[mutant.name] = asdict(verdict) | digests
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps(self.known, indent=1))
            new.replace(self.path)


def _digest(paths: list[Path]) -> str:
    content = hashlib.sha256()
    for path in paths:
        content.update(path.read_bytes())
    return content.hexdigest()[:16]


def _limits(trials: Trials, mutants: list[Mutant]) -> dict[str, float]:
    """Run without a mutant what will be run: it must pass, and tells how long it takes."""
    path = WORK / "limits.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    limits: dict[str, float] = {}

    def limit(name: str, source: Path, run: Callable[[], None]) -> None:
        digest = _digest([source])
        if known.get(name, [None])[0] != digest:
            start = time.monotonic()
            try:
                run()
            except FailedError as failed:
                raise SystemExit(f"without a mutant {name} fails: {failed.output}") from None
            known[name] = digest, time.monotonic() - start
            path.write_text(json.dumps(known))
            print(f"without a mutant: {name}: {known[name][1]:.0f} s", flush=True)
        limits[name] = 5 * known[name][1] + 30

    for name in sorted({name for m in mutants for name in tests_of(m.file)}):
        limit(name, ROOT / f"tests/test_{name}.py", partial(trials.run_tests, [name], 3600))
    if any(not m.file.endswith(".py") for m in mutants):
        base = trials.build_base()
        for name in REACHED["c"]["programs"]:
            source = ROOT / f"tests/c/{name}.c"
            limit(name, source, partial(trials.run_program, base, name, 3600))
    return limits


def _try_all(mutants: list[Mutant], jobs: int, end: float) -> dict[Mutant, Verdict]:
    verdicts = _Verdicts()
    found = {m: v for m in mutants if (v := verdicts.get(m)) is not None}
    left = [m for m in mutants if m not in found]
    if not left or time.monotonic() >= end:
        return found
    places = [Trials(WORK / f"place{i}") for i in range(jobs)]
    limits = _limits(places[0], left)
    limits["python"] = sum(limits[name] for name in REACHED["c"]["python"] if name in limits)
    lock, queue = threading.Lock(), iter(left)

    def work(place: Trials) -> None:
        while time.monotonic() < end:
            with lock:
                mutant = next(queue, None)
            if mutant is None:
                return
            if mutant.file.endswith(".py"):
                seconds = sum(limits[name] for name in tests_of(mutant.file))
                verdict = place.try_python(mutant, seconds)
            else:
                verdict = place.try_c(mutant, limits)
            verdicts.put(mutant, verdict)
            with lock:
                found[mutant] = verdict
                by = f" by {verdict.by}" if verdict.by else ""
                done = f"{len(found)}/{len(mutants)} {verdict.outcome}{by}"
                print(f"{done}, {verdict.seconds:.0f} s: {mutant.name}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        for future in [pool.submit(work, place) for place in places]:
            future.result()
    return found


def _layer(mutant: Mutant) -> str:
    return "Python" if mutant.file.endswith(".py") else "C"


def page(found: dict[Mutant, Verdict], total: Counter[str], seed: int) -> str:
    """Return the part of the page: a table, and the mutants that live."""
    rows = ["| layer | mutants | tried | noticed | not in time | live |", "| --- |" + " --- |" * 5]
    for layer in ("Python", "C"):
        outcomes = Counter(v.outcome for m, v in found.items() if _layer(m) == layer)
        tried = sum(outcomes.values()) - outcomes["not compiled"]
        rows.append(
            f"| {layer} | {total[layer]:,} | {tried} | {outcomes['killed']} | "
            f"{outcomes['timeout']} | {outcomes['lived']} |"
        )
    known = explanations()
    lines = []
    for mutant, verdict in sorted(found.items(), key=lambda item: item[0].key):
        if verdict.outcome == "lived":
            reasons = [e["reason"] for e in known if explains(e, mutant)]
            reason = reasons[0] if reasons else "**not explained**"
            place = f"`{mutant.file}`" + (f", `{mutant.function}`" if mutant.function else "")
            again = f" (number {mutant.number})" if mutant.number > 1 else ""
            lines.append(f"- {place}: `` {mutant.line} ``: {mutant.change}{again}. {reason}")
    head = f"Seed {seed}. Mutants that do not compile are not counted as tried."
    lives = "\n".join(lines) or "None lives."
    return "\n".join([head, "", *rows, "", "Those that live:", "", lives])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--count", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="which (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time (default: 1)")
    parser.add_argument("--seconds", type=float, default=36000, help="begin none after so long")
    parser.add_argument("--only", default="", help="of files whose path begins like this")
    parser.add_argument("--list", action="store_true", help="list them, and try none")
    given = parser.parse_args()
    import bcelogits

    every = [m for path in sources(bcelogits.supported_isas()) for m in mutants_of(path)]
    total = Counter(map(_layer, every))
    some = [m for m in every if m.file.startswith(given.only)]
    mutants = chosen(some, given.count, given.seed)
    if given.list:
        print(*(m.name for m in mutants), sep="\n")
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    found = _try_all(mutants, given.jobs, time.monotonic() + given.seconds)
    text = page(found, total, given.seed)
    print(text)
    if not given.only:
        RESULT.write(text)
    status = int("**not explained**" in text)
    for explanation in stale(every):
        print(f"explained.toml: of no mutant: {explanation}")
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
