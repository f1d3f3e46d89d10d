"""Files that take their place as a whole: who may put one there, and what failures leave."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from bcelogits.cli.atomic import NewFile
from bcelogits.cli.errors import CommandError

fcntl = pytest.importorskip("fcntl", reason="this system locks files otherwise, or not at all")


def is_locked(folder: Path) -> bool:
    """Whether somebody holds the lock that a commit takes."""
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(number)
    return False


def test_the_folder_is_locked_from_the_check_until_the_file_is_there(tmp_path: Path) -> None:
    """Or two runs could both find the file unchanged, and the first to write would be lost."""
    seen = []
    with NewFile(str(tmp_path / "a")) as file:
        file.write(b"new")
        assert not is_locked(tmp_path)
        file.commit(lambda: seen.append(is_locked(tmp_path)))
    assert seen == [True]
    assert not is_locked(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_commit_waits_for_the_other(tmp_path: Path) -> None:
    """The second begins its check when the first file is in its place."""
    path = tmp_path / "a"
    order: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def check_first() -> None:
        begun.set()
        assert go_on.wait(60)
        order.append("first checked")

    def check_second() -> None:
        order.append(f"second finds {path.read_text()}")

    def second() -> None:
        with NewFile(str(path)) as file:
            file.write(b"second")
            file.commit(check_second)

    path.write_text("nothing")
    thread = threading.Thread(target=second)
    with NewFile(str(path)) as file:
        file.write(b"first")
        first = threading.Thread(target=file.commit, args=(check_first,))
        first.start()
        assert begun.wait(60)
        thread.start()
        go_on.set()
        first.join()
    thread.join()
    assert order == ["first checked", "second finds first"]
    assert path.read_text() == "second"


def test_a_check_that_raises_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def refuse() -> None:
        raise CommandError("changed")

    with NewFile(str(path)) as file:
        file.write(b"new")
        with pytest.raises(CommandError, match="changed"):
            file.commit(refuse)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert not is_locked(tmp_path)


def test_the_mode_of_the_file_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    for mode in (0o600, 0o640, 0o444):
        path.chmod(mode)
        with NewFile(str(path)) as file:
            file.write(b"new")
            file.commit()
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_mode_of_a_new_file_is_what_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with NewFile(str(tmp_path / "a")) as file:
            file.write(b"new")
            file.commit()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_it_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its name is on the disk before the command says that it went well."""
    happened: list[str] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(number: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "content"
        happened.append(kind)
        fsync(number)

    def watched_replace(old: str, new: str) -> None:
        assert Path(old).read_bytes() == b"new"
        happened.append("name")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    with NewFile(str(tmp_path / "a")) as file:
        file.write(b"new")
        file.commit()
    assert happened == ["content", "name", "folder"]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "a")
    with NewFile(str(tmp_path / "link")) as file:
        file.write(b"new")
        file.commit()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "a").read_bytes() == b"new"


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CommandError, match="pipe: is not a regular file"):
        NewFile(str(tmp_path / "pipe"))
    with pytest.raises(CommandError, match="is a directory, not a file"):
        NewFile(str(tmp_path))
    with pytest.raises(CommandError, match=r"cannot write .*/none/a: No such file or directory"):
        NewFile(str(tmp_path / "none" / "a"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]
