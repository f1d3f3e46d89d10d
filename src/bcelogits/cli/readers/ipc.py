"""Arrow IPC: files (also called Feather, version 2) and streams."""

import os
from collections.abc import Iterator

import pyarrow as pa

from bcelogits.cli.errors import CommandError
from bcelogits.cli.readers.arrow import to_chunk
from bcelogits.cli.readers.chunk import Chunk, Wanted, changed, check_columns, reading

_FILE_MAGIC = b"ARROW1"
_FEATHER_1_MAGIC = b"FEA1"


def read_ipc(path: str, wanted: Wanted) -> Iterator[Chunk]:
    """Read an Arrow IPC file or stream; the first bytes tell which.

    The file is mapped into memory: a batch may be much larger than a chunk, and is not copied
    unless it is compressed. To touch what was cut off a mapped file ends the process by a signal,
    so its size is looked at between chunks; a moment remains.

    See Also
    --------
    bcelogits.cli.readers.read : parameters, results and errors.
    """
    with reading(path):
        with open(path, "rb") as file:
            magic = file.read(len(_FILE_MAGIC))
        if magic.startswith(_FEATHER_1_MAGIC):
            raise CommandError(f"{path}: Feather version 1 is not supported: write it as version 2")
        size = os.path.getsize(path)
        source = pa.memory_map(path)
    batches = _file_batches if magic == _FILE_MAGIC else _stream_batches
    row = 1
    with source:
        for batch, begin, end in batches(path, wanted, source):
            for start in range(0, batch.num_rows, wanted.chunk_rows):
                part = batch.slice(start, wanted.chunk_rows)
                done = begin + (end - begin) * (start + part.num_rows) // batch.num_rows
                yield to_chunk(path, wanted, part, row, done)
                row += part.num_rows
                with reading(path):
                    if os.path.getsize(path) < size:
                        raise changed(path)


# Each of these yields batches, with the bytes of the file before and after them. They are
# validated: offsets and indices of a corrupt file would be followed out of bounds.


def _file_batches(
    path: str, wanted: Wanted, source: pa.MemoryMappedFile
) -> Iterator[tuple[pa.RecordBatch, int, int]]:
    with reading(path):
        size = os.path.getsize(path)
        start = source.read_buffer(1).address
        mapped = range(start, start + size)
        reader = pa.ipc.open_file(source)
        options = _projection(path, wanted, reader.schema)
        count = reader.num_record_batches
    reads_all = True
    for index in range(count):
        with reading(path):
            batch = reader.get_batch(index).select(wanted.columns)
            # To leave columns out copies the others, and pays only if all would be decompressed.
            if reads_all and not _is_within(batch, mapped):
                reads_all = False
                reader = pa.ipc.open_file(source, options=options)
                batch = reader.get_batch(index).select(wanted.columns)
        _validate(path, batch)
        yield batch, size * index // count, size * (index + 1) // count


def _is_within(batch: pa.RecordBatch, addresses: range) -> bool:
    buffers = (buffer for column in batch.columns for buffer in column.buffers())
    return all(buffer.address in addresses for buffer in buffers if buffer and buffer.size)


def _stream_batches(
    path: str, wanted: Wanted, source: pa.MemoryMappedFile
) -> Iterator[tuple[pa.RecordBatch, int, int]]:
    with reading(path):
        schema = pa.ipc.open_stream(source).schema
        options = _projection(path, wanted, schema)
        source.seek(0)
        reader = pa.ipc.open_stream(source, options=options)
    end = 0
    while True:
        with reading(path):
            batch = next(reader, None)
            if batch is None:
                return
            begin, end = end, source.tell()
        _validate(path, batch)
        yield batch, begin, end


def _validate(path: str, batch: pa.RecordBatch) -> None:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        with reading(f"{path}: column {name!r} (type {column.type}) is damaged"):
            column.validate(full=True)


def _projection(path: str, wanted: Wanted, schema: pa.Schema) -> pa.ipc.IpcReadOptions:
    check_columns(path, wanted, schema.names)
    fields = sorted(schema.get_field_index(name) for name in wanted.columns)
    return pa.ipc.IpcReadOptions(included_fields=fields)
