"""A fuzz target: any bytes are a file to score, which the command reads or refuses in one line.

The first byte says what the file is called.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from bcelogits.cli.errors import CommandError
from bcelogits.cli.readers import Wanted, check_file, read

# Imported now, for with_atheris.py to see into them.
for _name in ("csv", "ipc", "npy", "npz", "parquet"):
    importlib.import_module(f"bcelogits.cli.readers.{_name}")

SUFFIXES = (".csv", ".tsv", ".parquet", ".arrow", ".npy", ".npz", ".csv.gz", ".arrows")
COLUMNS = {
    "x": np.array([0.5, -2.0, 3.25]),
    "y": np.array([0, 1, 1], np.int8),
    "g": np.array(["a", "b", "a"]),
}
WANTED = (Wanted(("x", "y")), Wanted(("x", "y"), "g"), Wanted(("0", "1")), Wanted(("x[0]", "x[1]")))


def run(data: bytes) -> None:
    """Read a file of some bytes; raise if that does what it must not."""
    how = data[0] if data else 0
    suffix, wanted = SUFFIXES[how % len(SUFFIXES)], WANTED[how // len(SUFFIXES) % len(WANTED)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file" + suffix)
        Path(path).write_bytes(data[1:])
        row = 1
        try:
            check_file(path)
            for chunk in read(path, wanted):
                assert chunk.first_row == row, f"row {chunk.first_row} after {row - 1}"
                assert chunk.rows > 0
                assert chunk.numbers.keys() == set(wanted.numbers)
                assert all(column.shape == (chunk.rows,) for column in chunk.numbers.values())
                assert all(column.dtype.kind in "biufV" for column in chunk.numbers.values())
                assert (chunk.groups is None) == (wanted.group is None)
                assert chunk.groups is None or chunk.groups.codes.shape == (chunk.rows,)
                row += chunk.rows
        except CommandError as error:
            if path not in str(error):
                raise RuntimeError("no file is named") from error


def seeds() -> Iterator[bytes]:
    """Small files of every format, to begin with."""
    table = pa.table({k: v.tolist() for k, v in COLUMNS.items()})
    array = np.column_stack([COLUMNS["x"], COLUMNS["y"]])
    records = np.rec.fromarrays([COLUMNS["x"], COLUMNS["y"]], names="x,y")
    text = b"x,y,g\n0.5,0,a\n-2,1,b\n3.25,1,a\n"
    files: dict[str, list[bytes]] = {
        ".csv": [
            text,
            b'x,y\n"1",0\n',
            b"\xef\xbb\xbfx,y\r\n1,1\r\n",
            b"x,y\n1,\n",
            b"x,y\n\xff,1\n",
        ],
        ".tsv": [text.replace(b",", b"\t")],
    }
    for suffix, write in {
        ".parquet": lambda file: pa.parquet.write_table(table, file),
        ".arrow": lambda file: pa.feather.write_feather(table, file, compression="uncompressed"),
        ".npy": lambda file: np.save(file, array),
        ".npz": lambda file: np.savez(file, x=COLUMNS["x"], y=COLUMNS["y"]),
    }.items():
        file = io.BytesIO()
        write(file)
        files[suffix] = [file.getvalue()]
    file = io.BytesIO()
    np.save(file, records)
    files[".npy"].append(file.getvalue())
    file = io.BytesIO()
    np.savez_compressed(file, x=COLUMNS["x"].astype(np.float32), y=COLUMNS["y"])
    files[".npz"].append(file.getvalue())
    for suffix, contents in files.items():
        for content in contents:
            for k in range(len(WANTED)):
                yield bytes([SUFFIXES.index(suffix) + len(SUFFIXES) * k]) + content
