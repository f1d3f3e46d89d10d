"""Parquet."""

import os
from collections.abc import Iterator

import pyarrow.parquet

from bcelogits.cli.readers.arrow import to_chunk
from bcelogits.cli.readers.chunk import Chunk, Wanted, check_columns, reading

# Pages are read through a buffer of this size: without it, whole column chunks are.
_BUFFER_BYTES = 1 << 20


def read_parquet(path: str, wanted: Wanted) -> Iterator[Chunk]:
    """Read a Parquet file.

    See Also
    --------
    bcelogits.cli.readers.read : parameters, results and errors.
    """
    with reading(path):
        size = os.path.getsize(path)
        file = pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    with file:
        with reading(path):
            names = file.schema_arrow.names
        check_columns(path, wanted, names)
        total = file.metadata.num_rows
        with reading(path):
            batches = file.iter_batches(wanted.chunk_rows, columns=list(wanted.columns))
        row = 1
        while True:
            with reading(path):
                batch = next(batches, None)
            if batch is None:
                return
            if batch.num_rows:
                done = size * (row - 1 + batch.num_rows) // max(total, 1)
                yield to_chunk(path, wanted, batch, row, done)
                row += batch.num_rows
