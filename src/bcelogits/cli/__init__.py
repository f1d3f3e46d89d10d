"""The command ``bcelogits``: scores logged predictions from files.

Nothing here is imported by ``import bcelogits``. pyarrow and rich, the extra ``cli``, are imported
only where a file or a terminal asks for them.
"""

import contextlib
import os
import sys
from collections.abc import Sequence

from bcelogits.cli.arguments import Options, parse_arguments
from bcelogits.cli.errors import CommandError, one_line

__all__ = ["main"]

_FAILED = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments without the program's name. Default: those of the process.

    Returns
    -------
    int
        0 on success; 2 after bad arguments or bad input, told in one line on standard error;
        130 after an interrupt; 141 when the reader of standard output went away.
    """
    try:
        try:
            text = _score(parse_arguments(argv))
        except SystemExit:  # after --help or --version, printed but maybe not flushed
            text = ""
        _write(text)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return _BROKEN_PIPE
    except CommandError as error:
        return _fail(str(error))
    except MemoryError as error:
        return _fail(f"not enough memory: {error}" if str(error) else "not enough memory")
    return 0


def _score(options: Options) -> str:
    # imported here, so that --help and bad arguments cost neither NumPy nor a reader
    from bcelogits.cli.report import render
    from bcelogits.cli.scoring import score

    return render(score(options), options.format, sys.stdout)


def _write(text: str) -> None:
    stream = sys.stdout
    if stream is None:
        raise CommandError("standard output is closed")
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard_output()
        raise CommandError(f"cannot write the report: {error.strerror or error}") from None


def _discard_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush cannot fail."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _fail(message: str) -> int:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(one_line(f"bcelogits: {message}"), file=sys.stderr, flush=True)
    return _FAILED
