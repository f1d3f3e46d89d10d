"""Parquet."""

import os
from collections.abc import Iterator

import pyarrow.parquet

from bcelogits.cli.readers.arrow import to_chunk
from bcelogits.cli.readers.chunk import Chunk, Wanted, check_columns, reading

# Pages are read through a buffer of this size: without it, whole column chunks are.
_BUFFER_BYTES = 1 << 20

# Rows of a part that is read for itself: opening the file anew costs little beside them.
_PART_ROWS = 1 << 20


def split_parquet(path: str) -> Iterator[range]:
    """Yield ranges of row groups, each of about a million rows or one group."""
    with reading(path), _open(path) as file:
        lengths = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    start, rows = 0, 0
    for i, length in enumerate(lengths):
        rows += length
        if rows >= _PART_ROWS or i == len(lengths) - 1:
            yield range(start, i + 1)
            start, rows = i + 1, 0
    if not lengths:
        yield range(0)  # whoever reads it looks at the columns


def read_parquet(path: str, wanted: Wanted, part: range | None = None) -> Iterator[Chunk]:
    """Read a Parquet file, or some consecutive row groups of it.

    See Also
    --------
    bcelogits.cli.readers.read : parameters, results and errors.
    """
    with reading(path):
        size = os.path.getsize(path)
        file = _open(path)
    with file:
        with reading(path):
            names = file.schema_arrow.names
        check_columns(path, wanted, names)
        total = file.metadata.num_rows
        with reading(path):
            groups = range(file.num_row_groups) if part is None else part
            before = sum(file.metadata.row_group(i).num_rows for i in range(groups.start))
            batches = file.iter_batches(
                wanted.chunk_rows, row_groups=list(groups), columns=list(wanted.columns)
            )
        row = before + 1
        while True:
            with reading(path):
                batch = next(batches, None)
            if batch is None:
                return
            if batch.num_rows:
                done = size * (row - 1 - before + batch.num_rows) // max(total, 1)
                yield to_chunk(path, wanted, batch, row, done)
                row += batch.num_rows


def _open(path: str) -> pyarrow.parquet.ParquetFile:
    return pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
