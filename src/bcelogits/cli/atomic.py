"""Files that are there as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator

from bcelogits.cli.errors import CommandError


class NewFile:
    """A file that takes its place when everything else has gone well.

    It is a context manager: what is left uncommitted is gone at the end. That a file can be made
    in the folder is found out at the beginning, not after hours.

    Parameters
    ----------
    path : str
        Where it is to be. A link is followed.

    Raises
    ------
    CommandError
        Here and in every method, if the system refuses.
    """

    def __init__(self, path: str) -> None:
        self._shown = path
        self._path = os.path.realpath(path)
        folder, name = os.path.split(self._path)
        self._temporary: str | None = None
        with self._explained():
            if os.path.isdir(self._path):
                raise CommandError(f"{path}: is a directory, not a file")
            if os.path.exists(self._path) and not os.path.isfile(self._path):
                raise CommandError(f"{path}: is not a regular file")  # a device is not replaced
            # In the same folder, so that it can be renamed; the mode is what the umask leaves.
            temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(6)}.tmp")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            self._file = os.fdopen(os.open(temporary, flags, 0o666), "wb")
            self._temporary = temporary
            with contextlib.suppress(OSError):
                os.chmod(temporary, os.stat(self._path).st_mode & 0o7777)

    def write(self, content: bytes) -> None:
        """Write all of it to the disk, under another name."""
        with self._explained():
            self._file.write(content)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def commit(self, check: Callable[[], None] | None = None) -> None:
        """Put it in its place, unless `check` raises.

        Of several processes that do so in one folder, one does both at a time.
        """
        assert self._temporary is not None
        with self._explained(), self._folder():
            if check is not None:
                check()
            os.replace(self._temporary, self._path)
            self._temporary = None

    @contextlib.contextmanager
    def _folder(self) -> Iterator[None]:
        """Lock the folder, and see to it that what happens in it is on the disk."""
        with contextlib.ExitStack() as stack:
            folder = -1
            # Where folders cannot be opened, or not be locked, we do without.
            with contextlib.suppress(OSError, ImportError):
                folder = os.open(os.path.dirname(self._path), os.O_RDONLY)
                stack.callback(os.close, folder)  # unlocks it too
                import fcntl

                fcntl.flock(folder, fcntl.LOCK_EX)
            yield
            if folder >= 0:
                with contextlib.suppress(OSError):
                    os.fsync(folder)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            text = getattr(error, "strerror", None) or str(error)
            raise CommandError(f"cannot write {self._shown}: {text}") from None
