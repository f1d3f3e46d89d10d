"""The command ``bcelogits``: scores logged predictions from files.

Nothing here is imported by ``import bcelogits``. pyarrow and rich, the extra ``cli``, are imported
only where a file or a terminal asks for them.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

from bcelogits.cli.arguments import Options, parse_arguments
from bcelogits.cli.atomic import NewFile
from bcelogits.cli.errors import CommandError, one_line
from bcelogits.cli.quiet import quiet

__all__ = ["main"]

_FAILED = 2
_ABOVE = 3
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
        0 on success; 2 after bad arguments or bad input, told in one line on standard error; 3 if
        the mean loss is above what --fail-above allows; 130 after an interrupt; 141 when the reader
        of standard output went away.
    """
    try:
        try:
            options = parse_arguments(argv)
        except SystemExit:  # after --help or --version, printed but maybe not flushed
            _write("")
            return 0
        return _score(options)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return _BROKEN_PIPE
    except CommandError as error:
        return _fail(str(error))
    except MemoryError as error:
        return _fail(f"not enough memory: {error}" if str(error) else "not enough memory")


def _score(options: Options) -> int:
    # imported here, so that --help and bad arguments cost no reader
    from bcelogits.cli.report import render
    from bcelogits.cli.scoring import score
    from bcelogits.cli.state import State

    if options.plot is not None:
        _check_matplotlib()
    with _new_file(options.plot) as picture, _new_file(options.append) as state_file:
        state = None if options.append is None else State(options.append, options)
        report = score(options, None if state is None else state.totals)
        if picture is not None:
            # It logs, for instance, that there was no room for a cache of fonts.
            with quiet("matplotlib"):
                from bcelogits.cli.plot import draw

                picture.write(draw(report))
        if state is not None and state_file is not None:
            state_file.write(state.content(report.totals))
            state.check_unchanged()
        # Whoever does not get the report runs this again: nothing may have been added by then.
        _write(render(report, options.format, sys.stdout))
        _tell_probabilities(report.probabilities)
        if picture is not None:
            picture.commit()
        if state is not None and state_file is not None:
            state_file.commit(state.check_unchanged)
    return _ABOVE if report.is_above else 0


@contextlib.contextmanager
def _new_file(path: str | None) -> Iterator[NewFile | None]:
    if path is None:
        yield None
    else:
        with NewFile(path) as file:
            yield file


def _check_matplotlib() -> None:
    try:
        with quiet("matplotlib"):
            import matplotlib  # noqa: F401
    except ImportError:
        raise CommandError("--plot needs matplotlib: pip install 'bcelogits[plot]'") from None


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


def _tell_probabilities(columns: Sequence[str]) -> None:
    if columns:
        names = ", ".join(map(repr, columns))
        _tell(
            f"note: every value of {names} is in [0, 1]: if these are probabilities p, the figures "
            "are wrong: score the logits log(p) - log1p(-p)"
        )


def _fail(message: str) -> int:
    _tell(message)
    return _FAILED


def _tell(message: str) -> None:
    """Write one line to standard error, if that is there."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(one_line(f"bcelogits: {message}"), file=sys.stderr, flush=True)
