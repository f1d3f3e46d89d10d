"""Files for the tests of the command: the same columns in every format, and plain figures of them.

Imports pyarrow: a test file asks ``pytest.importorskip`` before it imports this one.
"""

from __future__ import annotations

import gzip
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

Columns = dict[str, np.ndarray]

LOGIT, TARGET = ["--logit", "logit"], ["--target", "late"]


def flights(rows: int = 1000, seed: int = 7) -> Columns:
    """Return logits, hard and soft targets, weights and groups; every float is short decimal."""
    rng = np.random.default_rng(seed)
    logit = np.round(rng.normal(-1.0, 2.0, rows), 3)
    return {
        "logit": logit,
        "late": (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int64),
        "very": np.round(rng.random(rows), 3),
        "other": np.round(rng.normal(1.0, 1.0, rows), 3),
        "w": np.round(rng.random(rows) * 3, 3) * (rng.random(rows) < 0.9),
        "carrier": rng.choice(["AA", "B6", "DL", "ÜX"], rows),
        "month": rng.integers(1, 13, rows),
    }


def write_csv(path: Path, columns: Columns, delimiter: str = ",") -> None:
    options = pyarrow.csv.WriteOptions(delimiter=delimiter)
    pyarrow.csv.write_csv(pa.table(columns), path, options)


def write_csv_gz(path: Path, columns: Columns) -> None:
    plain = path.with_suffix("")
    write_csv(plain, columns)
    path.write_bytes(gzip.compress(plain.read_bytes()))


def write_tsv(path: Path, columns: Columns) -> None:
    write_csv(path, columns, "\t")


def write_parquet(path: Path, columns: Columns, **options: Any) -> None:
    pyarrow.parquet.write_table(pa.table(columns), path, row_group_size=300, **options)


def write_feather(path: Path, columns: Columns) -> None:
    pyarrow.feather.write_feather(pa.table(columns), str(path), compression="lz4", chunksize=300)


def write_ipc(path: Path, columns: Columns) -> None:
    table = pa.table(columns)
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table, 300)


def write_stream(path: Path, columns: Columns) -> None:
    table = pa.table(columns)
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table, 300)


def write_npy(path: Path, columns: Columns) -> None:
    np.save(path, structured(columns))


def write_npz(path: Path, columns: Columns) -> None:
    np.savez(path, **columns)


def write_npz_compressed(path: Path, columns: Columns) -> None:
    np.savez_compressed(path, **columns)


def structured(columns: Columns) -> np.ndarray:
    """Return the columns as a structured array, its fields neither aligned nor contiguous."""
    rows = len(next(iter(columns.values())))
    array = np.empty(rows, [("pad", "i1"), *((name, v.dtype) for name, v in columns.items())])
    array["pad"] = 0
    for name, values in columns.items():
        array[name] = values
    return array


Writer = Callable[[Path, Columns], None]

WRITERS: dict[str, tuple[str, Writer]] = {
    "csv": ("flights.csv", write_csv),
    "csv.gz": ("flights.csv.gz", write_csv_gz),
    "tsv": ("flights.tsv", write_tsv),
    "parquet": ("flights.parquet", write_parquet),
    "feather": ("flights.feather", write_feather),
    "ipc": ("flights.arrow", write_ipc),
    "stream": ("flights.arrows", write_stream),
    "stream named .arrow": ("flights.arrow", write_stream),
    "npy": ("flights.npy", write_npy),
    "npz": ("flights.npz", write_npz),
    "npz compressed": ("flights.npz", write_npz_compressed),
}


def figures(
    logit: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    pos_weight: float | np.ndarray = 1.0,
    label_smoothing: float = 0.0,
) -> dict[str, float]:
    """Return what the report should say of some values, by the formulas as they are written."""
    x, y = logit.astype(np.longdouble), target.astype(np.longdouble)
    w = np.ones_like(x) if weight is None else weight.astype(np.longdouble)
    smooth = y * (1 - np.longdouble(label_smoothing)) + np.longdouble(label_smoothing) / 2
    loss = pos_weight * smooth * np.logaddexp(0, -x) + (1 - smooth) * np.logaddexp(0, x)
    rate = (w * y).sum() / w.sum()
    mean_loss = (w * loss).sum() / w.sum()
    mean_prediction = (w / (1 + np.exp(-x))).sum() / w.sum()
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)) if 0 < rate < 1 else math.nan
    return {
        "count": x.size,
        "weight_sum": float(w.sum()),
        "positives": float((w * y).sum()),
        "base_rate": float(rate),
        "mean_prediction": float(mean_prediction),
        "mean_loss": float(mean_loss),
        "normalized_entropy": float(mean_loss / entropy),
        "calibration": float(mean_prediction / rate) if rate else math.nan,
    }


def write_endless(path: Path) -> None:
    """Write a sparse .npy file of 2^33 rows of two bytes: nobody waits for its end."""
    header = {"descr": "|i1", "fortran_order": False, "shape": (1 << 33, 2)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        try:
            file.truncate(file.tell() + (1 << 34))
        except OSError as error:
            pytest.skip(f"the file system has no sparse files: {error}")


def terminal_environment() -> dict[str, str]:
    return os.environ | {"TERM": "xterm", "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"}


def read_terminal(descriptor: int) -> str:
    """Return all that was written to the other end, until that is closed."""
    parts = []
    while True:
        try:
            part = os.read(descriptor, 1 << 16)
        except OSError:  # how Linux tells the end
            break
        if not part:
            break
        parts.append(part)
    os.close(descriptor)
    return b"".join(parts).decode()


def run_and_tell_peak(reader: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Score in a process whose last line is by how many MiB its memory grew, at its peak.

    That is not what getrusage tells: its peak begins with that of the process that forked this one.
    """
    code = (
        f"import pathlib, re, sys, pyarrow.{reader}, bcelogits.cli.scoring\n"
        "from bcelogits.cli import main\n"
        "def peak():\n"
        "    status = pathlib.Path('/proc/self/status').read_text()\n"
        "    return int(re.search(r'VmHWM:\\s*(\\d+) kB', status)[1])\n"
        "before = peak()\n"
        "status = main(['score', *sys.argv[1:]])\n"
        "print((peak() - before) >> 10)\n"
        "sys.exit(status)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def run_with_small_files(
    *arguments: str | Path, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """Score in a process whose files have at most 1,000 bytes: what needs no disk that is full."""
    code = (
        "import resource, sys\n"
        "from bcelogits.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "sys.exit(main(['score', *sys.argv[1:]]))"
    )
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, check=False, **options)
