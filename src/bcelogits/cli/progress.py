"""The progress bar: on standard error, where that is a terminal."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

_SECONDS = 0.1  # between two drawings of the bar


@contextlib.contextmanager
def progress_bar(total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar while the body runs, and wipe it off at the end.

    Parameters
    ----------
    total : int
        Bytes to read.

    Yields
    ------
    callable
        To be called with the number of bytes read since the last call. Without a terminal, or
        without rich, it does nothing.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda count: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
    except ImportError:
        yield lambda count: None
        return
    console = Console(file=sys.stderr)
    # One thread: an interrupt while another is being started would become another error.
    bar = Progress(
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = bar.add_task("", total=total)
    drawn = time.monotonic()

    def advance(count: int) -> None:
        nonlocal drawn
        bar.update(task, advance=count)
        now = time.monotonic()
        if now - drawn >= _SECONDS:
            bar.refresh()
            drawn = now

    try:
        bar.start()
        try:
            yield advance
        finally:
            bar.stop()
    finally:
        console.show_cursor(True)
