"""Arrays in numpy's files: the bytes are those of ``numpy.save``, and what cannot be written or read says so."""

import io
import itertools
import os
from functools import partial

import numpy as np
import pytest
from lockstep import given, settings, st
from mpi4py import MPI
from oracles import numbered
from shared import files_no_longer_than, names, shared_directory
from support import check, everywhere, expect_everywhere, rng

from mpi4py_pencil import PFFT, DistArray, Pencil, Subcomm, files, newDistArray
from mpi4py_pencil.files.disk import read_block, unseen, write_block

WORLD = MPI.COMM_WORLD
LAST = WORLD.size - 1
RECORD = np.dtype([("mass", "<f4"), ("name", "S3"), ("größe ∇", ">i8")])
DTYPES = ["?", "i1", "<u2", ">i4", "f2", "<f4", ">f8", "g", "F", "D", "G", "M8[ns]", "m8[s]", "S5", "<U3", "V7", RECORD]


def content(shape, dtype):
    """Return an array of numbers that differ, as this dtype has them."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape))
    if dtype.char in "gG":
        return numbered(shape, dtype)
    bits = rng(size).integers(0, 2 if dtype.kind == "b" else 128, size * dtype.itemsize, np.uint8)
    return bits.view(dtype).reshape(shape)


def by_numpy(whole, order):
    """Return the bytes that numpy.save writes of an array in this order."""
    file = io.BytesIO()
    np.save(file, np.asarray(whole, order=order))
    return file.getvalue()


def divided(whole, dims, alignment=None, rank=0):
    """Return the distributed array whose blocks are those of a global array."""
    pencil = DistArray(whole.shape, dims, alignment=alignment, rank=rank).pencil
    u = DistArray.of(pencil, whole.dtype, rank)
    np.asarray(u)[...] = whole[u.local_slice()]
    return u


@st.composite
def arrays(draw):
    """Draw a shape, component axes, the processes along each axis, an alignment, and an order."""
    ndim = draw(st.integers(2, 3))
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=ndim, max_size=ndim)))
    alignment = draw(st.integers(0, ndim - 1))
    dims = [1 if k == alignment else 0 for k in range(ndim)]
    components = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    return components + shape, len(components), dims, alignment, draw(st.sampled_from("CF"))


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
@pytest.mark.parallel([1, 4])
def test_any_array_there_and_back():
    """The same bytes as numpy's, onto another pencil, and parts of it."""
    with shared_directory() as directory:

        @settings(max_examples=10)
        @given(arrays(), st.sampled_from(DTYPES), st.data())
        def there_and_back(array, dtype, data):
            shape, rank, dims, alignment, order = array
            whole = content(shape, dtype)
            u = divided(whole, dims, alignment, rank)
            path = directory / "u.npy"
            files.save(path, u, order)
            if np.dtype(dtype).char not in "gG":  # whose bytes have gaps
                with everywhere():
                    np.testing.assert_equal(path.read_bytes() == by_numpy(whole, order), True)
            with everywhere():
                np.testing.assert_array_equal(np.load(path, mmap_mode="r"), whole)
            for like in (u, u.redistribute(data.draw(st.integers(0, len(dims) - 1))), u.pencil):
                found = files.load(path, like)
                pencil = like if isinstance(like, Pencil) else like.pencil
                with everywhere():
                    np.testing.assert_array_equal(np.asarray(found), whole[pencil.local_slice()])
                    np.testing.assert_equal((found.dtype, found.global_shape), (whole.dtype, shape))
            index = [slice(0, 1)] * len(shape)
            for k, n in enumerate(shape):
                start = data.draw(st.integers(0, n - 1))
                ends = st.builds(slice, st.just(start), st.integers(start + 1, n))
                index[k] = data.draw(ends if k >= len(shape) - 2 else ends | st.integers(-n, n - 1))
            found = files.load(path, index=tuple(index))
            with everywhere():
                part = whole[tuple(index)]
                np.testing.assert_equal(found.global_shape, part.shape)
                np.testing.assert_array_equal(np.asarray(found), part[found.local_slice()])

        there_and_back()
        np.testing.assert_equal(names(directory), ["u.npy"])


@pytest.mark.parallel(2)
def test_files_of_numpys_own():
    """Of any version and order; numbers in the other order of bytes become those of `like`."""
    whole = numbered((6, 5, 4), ">f8")
    fft = PFFT(WORLD, (6, 5, 4))
    with shared_directory() as directory:
        for version, order in itertools.product([(1, 0), (2, 0), (3, 0)], "CF"):
            path = directory / "u"  # a name is a name
            if WORLD.rank == 0:
                with path.open("wb") as file:
                    np.lib.format.write_array(file, np.asarray(whole, order=order), version)
            WORLD.barrier()
            native, stored = files.load(path, fft.input), files.load(path)
            vector = files.load(path, Pencil(Subcomm(WORLD, [0, 1]), (5, 4)))
            with everywhere():
                np.testing.assert_equal((native.dtype.str, stored.dtype.str, vector.rank), ("<f8", ">f8", 1))
                for u in (native, stored, vector):
                    np.testing.assert_array_equal(u, whole[u.local_slice()])


@pytest.mark.parallel([1, 3])
def test_pencils_without_a_grid():
    """Of communicators that are no grid's, as long as they tell who has the array."""
    whole = numbered((7, 6), float)
    u = DistArray.of(Pencil([WORLD, MPI.COMM_SELF], (7, 6)), float)
    u[...] = whole[u.local_slice()]
    with shared_directory() as directory:
        for order in "CF":
            files.save(directory / "u.npy", u, order)
            with everywhere():
                np.testing.assert_equal((directory / "u.npy").read_bytes() == by_numpy(whole, order), True)


def test_blocks_of_any_strides(tmp_path):
    """Pieces larger than what is copied at once, backwards, transposed and with gaps."""
    whole = rng(1).random((40, 50, 300))
    layouts = [whole, whole[::-1], np.asfortranarray(whole), np.repeat(whole, 2, axis=2)[..., ::2]]
    wide = np.repeat(rng(2).random((2, 400_000)), 2, axis=1)[:, ::2]
    for block in [*layouts, wide]:
        shape = tuple(n + 3 for n in block.shape)
        start = (1, 2, 3)[: block.ndim]
        file = np.zeros(shape)
        inner = tuple(slice(s, s + n) for s, n in zip(start, block.shape, strict=True))
        with (tmp_path / "block").open("w+b") as stream:
            stream.write(bytes(16) + file.tobytes())
            stream.flush()
            write_block(stream.fileno(), 16, shape, start, block, unseen)
            file[inner] = block
            stream.seek(16)
            np.testing.assert_equal(stream.read() == file.tobytes(), True)
            target = np.zeros_like(block)[::-1]
            read_block(stream.fileno(), 16, shape, start, target)
            np.testing.assert_array_equal(target, block)


def refused(directory, u):
    """Return calls that cannot be carried out, and what is said about them."""
    there = directory / "old.npy"
    other = DistArray(u.global_shape, u.subcomm, dtype="f4", alignment=u.alignment)
    objects = DistArray(u.global_shape, u.subcomm, alignment=u.alignment).astype(object)
    shorter = Pencil(u.subcomm, (8, 7), u.alignment)
    none, same = "None", "the ranks disagree on"
    return [
        (lambda: files.save(directory / "none" / "u.npy", u), FileNotFoundError, "No such file or directory"),
        (lambda: files.save(there / "u.npy", u), NotADirectoryError, "Not a directory"),
        (lambda: files.save(directory / "directory.npy", u), IsADirectoryError, "Is a directory"),
        (lambda: files.save(directory / "pipe.npy", u), ValueError, "no ordinary file"),
        (lambda: files.save("/proc/self/u.npy", u), OSError, "No such file|not permitted|denied"),
        (lambda: files.save(directory / "u.dat", u), ValueError, "path .*u.dat' must end in .npy"),
        (lambda: files.save(directory / "u.npy", u, "A"), ValueError, "order must be 'C' or 'F', not 'A'"),
        (lambda: files.save(directory / "u.npy", objects), TypeError, "u has dtype object"),
        (lambda: files.save(directory / "u.npy", np.ones(3)), TypeError, "u must be a DistArray, .* nobody's block"),
        (lambda: files.save(directory / "u.npy", u[1:]), TypeError, "u must be a DistArray, .* nobody's block"),
        (lambda: files.save(directory / "u.npy", None), TypeError, f"u must be a DistArray, .* not {none}"),
        (lambda: files.load(directory / "u.npy"), FileNotFoundError, "No such file or directory"),
        (lambda: files.load(directory), IsADirectoryError, "Is a directory"),
        (lambda: files.load(directory / "foreign.npy"), ValueError, "foreign.npy is no whole file of numpy's"),
        (lambda: files.load(directory / "cut.npy"), ValueError, "cut.npy is no whole file of numpy's"),
        (lambda: files.load(directory / "less.npy"), ValueError, "less.npy is no whole file of numpy's"),
        (lambda: files.load(directory / "odd.npy"), ValueError, "odd.npy is no whole file of numpy's"),
        (lambda: files.load(directory / "objects.npy"), ValueError, "objects.npy is no whole file of numpy's"),
        (lambda: files.load(there, other), ValueError, "old.npy has an array of dtype float64, like has float32"),
        (lambda: files.load(there, shorter), ValueError, r"old.npy has an array of shape \(8, 6\), like has \(8, 7\)"),
        (
            lambda: files.load(there, shorter, index=0),
            ValueError,
            r"like has 2 axes, .* the shape \(6,\)",
        ),
        (lambda: files.load(there, (8, 6)), TypeError, "like must be a DistArray, a GlobalArray, a Pencil or a Spec"),
        (lambda: files.load(there, u, WORLD), TypeError, "like and comm both say"),
        (lambda: files.load(there, index=(0, 0, 0)), ValueError, "index .* has 3 entries, the array has 2 axes"),
        (lambda: files.load(there, index=(..., ...)), ValueError, "more than one Ellipsis"),
        (lambda: files.load(there, index=(1, 2)), ValueError, "leaves no axis"),
        (lambda: files.load(there, index=8), ValueError, "index 8 is out of axis 0, which has 8 items"),
        (lambda: files.load(there, index=slice(3, 3)), ValueError, "index leaves nothing of axis 0"),
        (lambda: files.load(there, index=slice(None, None, 2)), ValueError, "a step of 2 along axis 0"),
        (lambda: files.load(there, index=2.0), TypeError, "index must have ints and slices, not 2.0"),
        (lambda: files.load(there, index=True), TypeError, "index must have ints and slices, not True"),
        *[
            (lambda: files.save(directory / f"{WORLD.rank}.npy", u), ValueError, f"{same} path"),
            (lambda: files.load(there, index=slice(WORLD.rank, None)), ValueError, f"{same} index"),
        ][: 2 * (WORLD.size > 1)],
    ]


@pytest.mark.parallel([1, 3])
def test_what_is_refused_is_refused_by_all():
    """No hang, nothing left, and what was there is as it was."""
    whole = numbered((8, 6), float)
    u = divided(whole, [0, 1])
    with shared_directory() as directory:
        files.save(directory / "old.npy", u)
        if WORLD.rank == 0:
            old = (directory / "old.npy").read_bytes()
            (directory / "foreign.npy").write_bytes(bytes(500))
            (directory / "cut.npy").write_bytes(old[:-1])
            (directory / "less.npy").write_bytes(old.replace(b"(8, 6)", b"(-8,6)"))
            (directory / "odd.npy").write_bytes(old.replace(b"(8, 6), }", b"(8, 6, } "))
            np.save(directory / "objects.npy", np.array([{}, None]), allow_pickle=True)
            (directory / "directory.npy").mkdir()
            os.mkfifo(directory / "pipe.npy")
        before = names(directory)
        for call, exception, message in refused(directory, u):
            expect_everywhere(exception, message, call)
            np.testing.assert_equal(names(directory), before)
        for rank in {0, LAST}:
            with files_no_longer_than(300, rank):
                expect_everywhere(OSError, "File too large", partial(files.save, directory / "old.npy", -u))
            np.testing.assert_equal(names(directory), before)
        found = files.load(directory / "old.npy", u)
        check(np.array_equal(found, u), "the old file is as it was")


@pytest.mark.parallel(2)
def test_what_is_replaced():
    """A link leads to what is replaced, which keeps its rights."""
    fft = PFFT(WORLD, (8, 6))
    u = newDistArray(fft, False, val=1)
    with shared_directory() as directory:
        if WORLD.rank == 0:
            (directory / "file.npy").touch(0o600)
            (directory / "link.npy").symlink_to("file.npy")
        files.save(directory / "link.npy", u)
        with everywhere():
            np.testing.assert_equal((directory / "link.npy").is_symlink(), True)
            np.testing.assert_equal((directory / "file.npy").stat().st_mode & 0o777, 0o600)
            np.testing.assert_array_equal(np.load(directory / "file.npy"), np.ones((8, 6)))
