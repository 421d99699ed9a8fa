"""The wisdom file: what is kept is found again, by any number of writers; nothing about the file ends a run."""

import errno
import fcntl
import json
import os

import numpy as np
import pytest
from mpi4py import MPI
from support import check, everywhere, expect_everywhere, same_everywhere

from mpi4py_pencil.plan import wisdom

WORLD = MPI.COMM_WORLD
SELF = MPI.COMM_SELF


def recalled(name, comm=SELF):
    return wisdom.recall(comm, lambda: name)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Return where this rank keeps its wisdom, in a directory that is not there yet."""
    path = tmp_path / "cache" / "wisdom.json"
    monkeypatch.setenv("MPI4PY_PENCIL_WISDOM", str(path))
    return path


def test_the_place(monkeypatch, tmp_path):
    np.testing.assert_equal(wisdom.wisdom_file(), None)  # as the tests are run
    monkeypatch.setenv("MPI4PY_PENCIL_WISDOM", "~/x.json")
    monkeypatch.setenv("HOME", str(tmp_path))
    np.testing.assert_equal(wisdom.wisdom_file(), tmp_path / "x.json")
    monkeypatch.delenv("MPI4PY_PENCIL_WISDOM")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    np.testing.assert_equal(wisdom.wisdom_file(), tmp_path / "xdg" / "mpi4py-pencil" / "wisdom.json")
    for unset in ("", None):
        monkeypatch.setenv("XDG_CACHE_HOME", "") if unset == "" else monkeypatch.delenv("XDG_CACHE_HOME")
        np.testing.assert_equal(wisdom.wisdom_file(), tmp_path / ".cache" / "mpi4py-pencil" / "wisdom.json")


def test_nothing_is_kept_without_a_place():
    np.testing.assert_equal(wisdom.keep(SELF, "a", {"grid": [1]}), None)
    np.testing.assert_equal(recalled("a"), None)


def test_what_is_kept_is_found_again(file):
    np.testing.assert_equal(recalled("a"), None)
    np.testing.assert_equal(wisdom.keep(SELF, "a", {"grid": [1, 2]}), file)
    np.testing.assert_equal((recalled("a"), recalled("b")), ({"grid": [1, 2]}, None))
    wisdom.keep(SELF, "b", {"grid": [3]})
    wisdom.keep(SELF, "a", {"grid": [2, 1]})
    np.testing.assert_equal((recalled("a"), recalled("b")), ({"grid": [2, 1]}, {"grid": [3]}))
    np.testing.assert_equal(json.loads(file.read_text()), {"a": {"grid": [2, 1]}, "b": {"grid": [3]}})
    np.testing.assert_equal(sorted(path.name for path in file.parent.iterdir()), ["wisdom.json", "wisdom.json.lock"])


def test_a_file_is_read_when_it_has_changed_and_only_then(file, monkeypatch):
    wisdom.keep(SELF, "a", {"grid": [1]})
    recalled("a")
    read, entries = [], wisdom._entries
    monkeypatch.setattr(wisdom, "_entries", lambda path: read.append(path) or entries(path))
    np.testing.assert_equal((recalled("a"), recalled("a"), len(read)), ({"grid": [1]}, {"grid": [1]}, 0))
    other = file.with_name("other")  # of the same length, and as old
    other.write_text(file.read_text().replace("1", "2"))
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    other.replace(file)
    np.testing.assert_equal((recalled("a"), len(read)), ({"grid": [2]}, 1))


def test_a_link_stays_one(file, tmp_path):
    target = tmp_path / "target.json"
    file.parent.mkdir()
    file.symlink_to(target)
    wisdom.keep(SELF, "a", {"grid": [1]})
    np.testing.assert_equal((file.is_symlink(), target.is_file(), recalled("a")), (True, True, {"grid": [1]}))


BROKEN = [b"", b"{", b"[]", b'{"a": 3}', b'{"a": {"grid": [1]}} x', b"\xff\xfe", b"[" * 100_000, b"\0" * 10]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_told_of_and_replaced(file, text):
    file.parent.mkdir()
    file.write_bytes(text)
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match=f"the wisdom in {file} cannot be read, planning without: "):
            np.testing.assert_equal(recalled("a"), None)
    wisdom.keep(SELF, "a", {"grid": [2]})
    np.testing.assert_equal(recalled("a"), {"grid": [2]})


def unwritable(file, how):
    """Make a place where nothing can be written."""
    if how == "below a file":
        file.parent.write_text("")
    elif how == "a directory":
        file.mkdir(parents=True)
    else:
        file.parent.mkdir(mode=0o500)
        if os.access(file.parent, os.W_OK):
            pytest.skip("the superuser may write anywhere")


@pytest.mark.parametrize("how", ["below a file", "a directory", "read-only"])
def test_where_nothing_can_be_written(file, how):
    unwritable(file, how)
    with pytest.warns(RuntimeWarning, match=f"the wisdom cannot be kept in {file}: "):
        np.testing.assert_equal(wisdom.keep(SELF, "a", {"grid": [1]}), None)
    if how == "read-only":
        np.testing.assert_equal(recalled("a"), None)
    else:
        with pytest.warns(RuntimeWarning, match="cannot be read"):
            np.testing.assert_equal(recalled("a"), None)


def test_a_full_disk_leaves_what_was_there(file, monkeypatch):
    wisdom.keep(SELF, "a", {"grid": [1]})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match="no space left"):
        np.testing.assert_equal(wisdom.keep(SELF, "b", {"grid": [2]}), None)
    np.testing.assert_equal((recalled("a"), recalled("b")), ({"grid": [1]}, None))
    np.testing.assert_equal(len(list(file.parent.iterdir())), 2)


def test_a_lock_that_is_never_given_back(file, monkeypatch):
    monkeypatch.setattr(wisdom, "LOCK_SECONDS", 0.05)
    wisdom.keep(SELF, "a", {"grid": [1]})
    with file.with_name("wisdom.json.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wisdom.keep(SELF, "b", {"grid": [2]})
    np.testing.assert_equal(recalled("b"), {"grid": [2]})


def test_a_file_system_without_locks(file, monkeypatch):
    def missing(descriptor, operation):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", missing)
    wisdom.keep(SELF, "a", {"grid": [1]})
    np.testing.assert_equal(recalled("a"), {"grid": [1]})


@pytest.mark.parallel([4])
def test_many_writers_lose_nothing(file, monkeypatch):
    """Each rank is a job of its own; all write into the file of rank 0, at the same time."""
    file = WORLD.bcast(file)
    monkeypatch.setenv("MPI4PY_PENCIL_WISDOM", str(file))
    monkeypatch.setattr(wisdom, "LOCK_SECONDS", 60)
    with everywhere():
        for k in range(25):
            wisdom.keep(SELF, f"{WORLD.rank} {k}", {"grid": [WORLD.rank, k]})
            np.testing.assert_equal(recalled(f"{WORLD.rank} {k}"), {"grid": [WORLD.rank, k]})
    expected = {f"{rank} {k}": {"grid": [rank, k]} for rank in range(WORLD.size) for k in range(25)}
    with everywhere():
        np.testing.assert_equal(json.loads(file.read_text()), expected)


@pytest.mark.parallel([2, 3])
def test_rank_0_alone_reads_and_writes(file):
    """The others have paths of their own, at which nothing appears."""
    wisdom.keep(WORLD, "a", {"grid": [WORLD.size]})
    with everywhere():
        np.testing.assert_equal(recalled("a", WORLD), {"grid": [WORLD.size]})
        np.testing.assert_equal(file.exists(), WORLD.rank == 0)
        if WORLD.rank:
            np.testing.assert_equal(recalled("a"), None)


@pytest.mark.parallel([1, 2])
def test_where_there_is_none_nothing_is_described(file):
    with everywhere():
        np.testing.assert_equal(wisdom.recall(WORLD, lambda: check(False, "described")), None)


@pytest.mark.parallel([1, 3])
def test_a_warning_that_is_an_error_is_everyone_s(file):
    """As pytest makes them; rank 0 alone knows of the file."""
    if WORLD.rank == 0:
        file.parent.mkdir()
        file.write_text("{")
    kind, rank = (RuntimeWarning, "") if WORLD.rank == 0 else (RuntimeError, "on rank 0: ")
    expect_everywhere(kind, f"^{rank}the wisdom in .* cannot be read", lambda: recalled("a", WORLD))
    file.unlink(missing_ok=True)
    with everywhere():
        np.testing.assert_equal(recalled("a", WORLD), None)


@pytest.mark.parallel([1, 2, 4])
def test_the_machine():
    words = same_everywhere(wisdom.machine(WORLD))
    with everywhere():
        np.testing.assert_equal(words.endswith(f"; 1 x {WORLD.size} ranks"), True, words)
        np.testing.assert_equal("MPI" in words, True, words)
        np.testing.assert_equal(wisdom.machine(SELF), words.replace(f"1 x {WORLD.size} ranks", "1 x 1 ranks"))
