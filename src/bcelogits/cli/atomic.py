"""Files that are there as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets

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

    def commit(self) -> None:
        """Put it in its place."""
        with self._explained():
            assert self._temporary is not None
            os.replace(self._temporary, self._path)
            self._temporary = None
        with contextlib.suppress(OSError):  # where folders cannot be opened, there is no need
            folder = os.open(os.path.dirname(self._path), os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)

    @contextlib.contextmanager
    def _explained(self):  # type: ignore[no-untyped-def]
        try:
            yield
        except (OSError, ValueError) as error:
            text = getattr(error, "strerror", None) or str(error)
            raise CommandError(f"cannot write {self._shown}: {text}") from None
