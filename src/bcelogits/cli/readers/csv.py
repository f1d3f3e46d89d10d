"""CSV and TSV, plain or compressed."""

import os
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.csv

from bcelogits.cli.errors import CommandError, DataError, shown
from bcelogits.cli.readers.arrow import to_chunk
from bcelogits.cli.readers.chunk import Chunk, Wanted, check_columns, describe, reading
from bcelogits.cli.readers.quotes import check_quotes

_CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # what such a file begins with

# A row has to fit; large enough for rows with an embedding or a long text in them.
_BLOCK_BYTES = 1 << 22

# The reader names column and row in its messages when it parses with one thread. Its rows count
# the header, and leave blank lines out.
_CONVERSION = re.compile(r"In CSV column #(\d+): Row #(\d+): CSV conversion error to (.*)", re.S)
_PARSE = re.compile(r"CSV parse error: Row #(\d+): Expected (\d+) columns, got (\d+)", re.S)


def read_csv(path: str, wanted: Wanted) -> Iterator[Chunk]:
    """Read a CSV or TSV file with a header.

    Numbers are read as double precision, except that a column of true and false stays one.
    Groups are read as text.

    See Also
    --------
    bcelogits.cli.readers.read : parameters, results and errors.
    """
    header = _header(path)
    with reading(f"{path}: header"):
        names = header.names
    check_columns(path, wanted, names)
    types = {name: pa.string() for name in wanted.columns}
    for name in wanted.numbers:
        is_bool = pa.types.is_boolean(header.field(name).type)
        types[name] = pa.bool_() if is_bool else pa.float64()
    reader, file = _open(path, types, names)
    with file, reader:
        row = 1
        for batch in _batches(path, reader, names):
            for start in range(0, batch.num_rows, wanted.chunk_rows):
                part = batch.slice(start, wanted.chunk_rows)
                yield to_chunk(path, wanted, part, row, file.tell())
                row += part.num_rows
    _check_quotes(path)


def _batches(
    path: str, reader: pyarrow.csv.CSVStreamingReader, names: list[str]
) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _explain(path, error, names) from None
        yield batch


def _header(path: str) -> pa.Schema:
    """Return the columns, and the types that the first block suggests.

    It is read here, and not by Arrow, whose thread may still be reading ahead when the file is
    closed and opened again.
    """
    try:
        with pa.input_stream(path, compression=_codec(path)) as stream:
            start = stream.read(3 * _BLOCK_BYTES)  # a row too long for one ends in none of these
        if start.startswith(_UTF_16):
            raise CommandError(f"{path}: is encoded in UTF-16, not in UTF-8")
        with _reader(path, pa.BufferReader(start), {}) as reader:
            return reader.schema
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _explain(path, error, None) from None


def _check_quotes(path: str) -> None:
    """Check what the parser cannot be asked for: that no text has swallowed rows."""
    try:
        with pa.input_stream(path, compression=_codec(path)) as stream:
            check_quotes(stream, _delimiter(path).encode())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _explain(path, error, None) from None


def _open(
    path: str, types: dict[str, pa.DataType], names: list[str]
) -> tuple[pyarrow.csv.CSVStreamingReader, pa.NativeFile]:
    """Open the file; the second result is the file itself, whose position tells the progress."""
    codec = _codec(path)
    try:
        file = pa.OSFile(path)
        stream = pa.CompressedInputStream(file, codec) if codec else file
        return _reader(path, stream, types), file
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _explain(path, error, names) from None


def _codec(path: str) -> str | None:
    return _CODECS.get(os.path.splitext(path.lower())[1])


def _delimiter(path: str) -> str:
    stem, suffix = os.path.splitext(path.lower())
    tabs = os.path.splitext(stem)[1] == ".tsv" if suffix in _CODECS else suffix == ".tsv"
    return "\t" if tabs else ","


def _reader(
    path: str, stream: pa.NativeFile, types: dict[str, pa.DataType]
) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types)),
    )


def _explain(path: str, error: Exception, names: list[str] | None) -> CommandError:
    text = describe(error)
    conversion = _CONVERSION.fullmatch(text)
    if conversion and names:
        column, row, problem = conversion.groups()
        value = re.fullmatch(r"\w+: invalid value '(.*)'", problem, re.S)
        if value:
            problem = f"text {shown(value[1])} where a number should be"
        return DataError(path, names[int(column)], int(row) - 1, problem)
    parse = _PARSE.match(text)
    if parse:
        row, expected, got = (int(part) for part in parse.groups())
        problem = f"expected {expected} columns, got {got}"
        if expected == 1:
            problem += ": fields are separated by commas in .csv, by tabs in .tsv"
        elif row == 2 and got == expected + 1:
            problem += (
                ": one more than the header has: row names, as R writes them (write.table needs "
                "row.names=FALSE or col.names=NA), or a delimiter at the end of a row"
            )
        return CommandError(f"{path}: data row {row - 1}: {problem}")
    if "straddling object" in text:
        return CommandError(f"{path}: a row is longer than {_BLOCK_BYTES >> 20} MiB")
    return CommandError(f"{path}: {text}")
