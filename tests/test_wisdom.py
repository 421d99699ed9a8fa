"""The wisdom file: what is kept is found again, by any number of writers; nothing about the file ends a run."""

import errno
import fcntl
import json
import os
import socket
import warnings

import numpy as np
import pytest
from lockstep import given, settings, st
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


def test_without_a_home(monkeypatch, tmp_path):
    """A home that is named and is not there is told of; without any there is no place, and none is made elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPI4PY_PENCIL_WISDOM", "~nobody-of-this-name/x.json")
    with pytest.warns(RuntimeWarning, match="cannot be read, planning without: there is no home ~nobody-of-this-name"):
        np.testing.assert_equal(recalled("a"), None)
    with pytest.warns(RuntimeWarning, match="cannot be kept in ~nobody-of-this-name/x.json: there is no home"):
        np.testing.assert_equal(wisdom.keep(SELF, "a", {"grid": [1]}), None)
    monkeypatch.delenv("MPI4PY_PENCIL_WISDOM")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    np.testing.assert_equal((recalled("a"), wisdom.keep(SELF, "a", {"grid": [1]})), (None, None))
    np.testing.assert_equal(list(tmp_path.iterdir()), [])


def make_other(file, kind):
    """Make something that is no small regular file; return what keeps it as it is."""
    file.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to(os.devnull)
    elif kind == "directory":
        file.mkdir()
    elif kind == "loop":
        file.symlink_to(file.name)
    elif kind == "huge":
        file.touch()
        os.truncate(file, 1 << 32)
    else:
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(str(file))
        return bound
    return None


OTHERS = ["pipe", "device", "directory", "loop", "huge", "socket"]


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_regular_file_is_neither_read_nor_replaced(file, monkeypatch, kind):
    """As a pipe, which nobody writes to, would be waited for."""
    monkeypatch.chdir(file.parent.parent)
    monkeypatch.setenv("MPI4PY_PENCIL_WISDOM", "cache/wisdom.json")  # names of sockets are short
    monkeypatch.setattr(wisdom, "_replace", lambda *_: pytest.fail("it would be replaced"))
    keeper = make_other(file.relative_to(file.parent.parent), kind)
    before = file.lstat()
    with pytest.warns(RuntimeWarning, match="the wisdom in cache/wisdom.json cannot be read, planning without: "):
        np.testing.assert_equal(recalled("a"), None)
    with pytest.warns(RuntimeWarning, match="the wisdom cannot be kept in cache/wisdom.json: "):
        np.testing.assert_equal(wisdom.keep(SELF, "a", {"grid": [1]}), None)
    after = file.lstat()
    np.testing.assert_equal((after.st_mode, after.st_ino), (before.st_mode, before.st_ino))
    np.testing.assert_equal([path.name for path in file.parent.iterdir()], ["wisdom.json"])
    if keeper is not None:
        keeper.close()


@pytest.mark.parametrize("kind", ["pipe", "device", "directory", "loop"])
def test_a_lock_that_is_no_regular_file(file, kind):
    make_other(file.with_name("wisdom.json.lock"), kind)
    with pytest.warns(RuntimeWarning, match=f"the wisdom cannot be kept in {file}: .*wisdom.json.lock"):
        np.testing.assert_equal(wisdom.keep(SELF, "a", {"grid": [1]}), None)
    np.testing.assert_equal(recalled("a"), None)


def test_a_file_grows_no_larger_than_is_read(file, monkeypatch):
    wisdom.keep(SELF, "a", {"grid": [1]})
    monkeypatch.setattr(wisdom, "MOST_BYTES", file.stat().st_size)
    with pytest.warns(RuntimeWarning, match="it would have .* bytes, expected at most"):
        np.testing.assert_equal(wisdom.keep(SELF, "b", {"grid": [2]}), None)
    np.testing.assert_equal((recalled("a"), recalled("b")), ({"grid": [1]}, None))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "grid"]), inner, max_size=3),
    max_leaves=6,
)


@given(st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=60)
def test_any_contents(tmp_path_factory, contents):
    """They are read as entries, or warned of; what is kept is found again."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = tmp_path_factory.mktemp("wisdom") / "wisdom.json"
        patch.setenv("MPI4PY_PENCIL_WISDOM", str(file))
        file.write_bytes(contents)
        entry = recalled("a")
        check(entry is None or isinstance(entry, dict), repr(entry), SELF)
        np.testing.assert_equal(wisdom.keep(SELF, "b", {"grid": [2]}), file)
        np.testing.assert_equal(recalled("b"), {"grid": [2]})
        check(entry is None or str(recalled("a")) == str(entry), "the other entry is lost", SELF)


@pytest.mark.parallel([1, 2])
def test_an_entry_too_deep_to_be_sent(file):
    """JSON may be nested as deep as Python's stack allows, and what is sent only half as deep."""
    for depth in (2, 100, 400, 500, 600, 700, 800):
        if WORLD.rank == 0:
            file.parent.mkdir(exist_ok=True)
            file.write_text(f'{{"a": {{"grid": {"[" * depth}{"]" * depth}, "method": "auto", "more": {{"b": 1}}}}}}')
        found = recalled("a", WORLD)
        check(found == {"method": "auto"}, f"{depth} deep: {found}")


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
    kind, rank = (RuntimeWarning, "") if WORLD.rank == 0 else (RuntimeError, "on rank 0: RuntimeWarning: ")
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
