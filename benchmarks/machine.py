"""What a run was measured on: processor, memory, compiler, versions, date and load."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bcelogits as bce
from tools.processor import processor

from .peers import PACKAGES, installed_version

ROOT = Path(__file__).resolve().parent.parent


def describe() -> dict[str, Any]:
    """Return the description, ready for JSON."""
    versions = {"bcelogits": bce.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        versions[package] = installed_version(package) or "not installed"
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "caches": _caches(),
        "memory_gib": _memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "compiler": _first_line_of(os.environ.get("CC", "cc"), "--version"),
        "instruction_set": bce.active_isa(),
        "instruction_sets": list(bce.supported_isas()),
        "versions": versions,
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load_before": load(),
    }


def slug() -> str:
    """Return a short name for this machine and the instruction set in use: amd-epyc-avx2."""
    name = re.sub(r"\(.*?\)|@.*|\b(CPU|Processor|\d+-Core)\b", " ", processor(), flags=re.I)
    return "-".join(re.findall(r"[a-z0-9]+", f"{name} {bce.active_isa()}".lower()))


def load() -> list[float]:
    """Return the load of the last minute and five."""
    return [round(value, 2) for value in os.getloadavg()[:2]] if hasattr(os, "getloadavg") else []


def _caches() -> list[str]:
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (
            "".join(_lines(str(index / name))).strip() for name in ("level", "type", "size")
        )
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return found


def _memory() -> float | None:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 2**20, 1)
    return None


def _commit() -> str | None:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        return None
    return _first_line_of("git", "-C", str(ROOT), "describe", "--always", "--dirty")


def _first_line_of(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return (done.stdout.splitlines() or [None])[0]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
