"""Fields over time in Zarr 3, as zarr and xarray read them; no two ranks ever write to the same shard."""

import itertools
import shutil
import sys
import warnings

import numpy as np
import pytest
from lockstep import given, settings, st
from mpi4py import MPI
from shared import files_no_longer_than, names, shared_directory
from support import check, everywhere, expect_everywhere
from test_fields import DOMAIN, SHAPE, check_variable, divided, fields, values_of, write

from mpi4py_pencil import DistArray, files
from mpi4py_pencil import arrays as xp
from mpi4py_pencil.files import zarr3
from mpi4py_pencil.files.contents import contents

zarr = pytest.importorskip("zarr", reason="zarr is not installed")

WORLD = MPI.COMM_WORLD
LAST = WORLD.size - 1
ALONE = MPI.COMM_SELF


def read_by_others(path, single):
    """Raise AssertionError unless zarr and xarray read what was written."""
    import xarray

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata", UserWarning)
        for consolidated in (True, False):
            group = zarr.open_group(path, mode="r", use_consolidated=consolidated)
            check_variable(lambda name, group=group: group[name][...], single)
            np.testing.assert_equal((group.attrs["title"], group["u"].attrs["units"]), ("vortex", "m/s"))
            np.testing.assert_equal(group["v"].metadata.dimension_names, ("time", "component", "x", "y", "z"))
        with xarray.open_zarr(path) as file:
            check_variable(lambda name: values_of(file, name), single)
            np.testing.assert_equal(file["u"].sel(time=0.5, x=2.0).dims, ("y", "z"))


@pytest.mark.parallel(4)
def test_other_programs_read_what_was_written(monkeypatch):
    """Also what one rank has begun, and another number of them goes on with; in shards of many chunks, and of one."""
    with shared_directory() as directory:
        for compression, single, dims, chunk in [
            (3, True, [0, 0, 1], 10**6),
            ({"compressors": [zarr.codecs.GzipCodec(level=1)]}, False, [1, 0, 1], 250),
        ]:
            monkeypatch.setattr(zarr3, "_CHUNK_BYTES", chunk)
            path = directory / "fields.zarr"
            how = {"compression": compression, "single": single}
            write(files.File(path, "w", domain=DOMAIN, **how), range(3), dims)
            file = files.File(path, "a", **how)
            write(file, range(3, 6), dims)
            file.annotate(title="vortex")
            file.annotate("u", units="m/s")
            if WORLD.rank == 0:
                with everywhere(ALONE):
                    read_by_others(path, single)
                    np.testing.assert_equal(zarr.open_group(path)["u"].shards is not None, chunk < 10**6)
            WORLD.barrier()
            np.testing.assert_equal(file.steps("u_slice_4_slice"), [*range(6)])
            np.testing.assert_equal(file.times("u"), [0.0, 0.5, 1.0])
            if WORLD.rank == 0:
                alone = files.File(path, "a", comm=ALONE, **how)
                whole = xp.Context(ALONE).asarray(fields(6)["u"])
                alone.write(6, {"u": whole, "v": alone.read("v", xp.Context(ALONE).zeros((3, *SHAPE)))})
            WORLD.barrier()
            for name, rank, step in (("u", 0, 6), ("u", 0, 2), ("v", 1, 0), ("w", 0, 4)):
                whole = fields(step)[name]
                out = DistArray(whole.shape, [0, 1, 0], dtype=whole.dtype, rank=rank)
                file.read(name, out, step)
                with everywhere():
                    np.testing.assert_allclose(out, whole[out.local_slice()], rtol=1e-6 if single else 0)
        np.testing.assert_equal(names(directory), ["fields.zarr"])


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4).map(tuple),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(8, 3000),
    st.integers(8, 9000),
)
def test_each_shard_lies_on_one_rank(shape, first, ranks, chunk, shard):
    """Of a variable that so many ranks have made, and others write; a shard has whole chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zarr3, "_CHUNK_BYTES", chunk)
        patch.setattr(zarr3, "_SHARD_BYTES", shard)
        chunks, shards = zarr3.units(shape, 8, first)
    check(all(s % c == 0 for s, c in zip(shards, chunks, strict=True)), f"{chunks} in {shards}", ALONE)
    distribution = zarr3.aligned(shape, shards, ranks)
    owners = {}
    points = 0
    for rank in range(ranks):
        lists = distribution.lists(rank)
        if lists is not None and all(found.size for found in lists):
            points += np.prod([found.size for found in lists])
            for shard_of in itertools.product(*(set(found // s) for found, s in zip(lists, shards, strict=True))):
                check(owners.setdefault(shard_of, rank) == rank, f"{shard_of} of two ranks", ALONE)
    np.testing.assert_equal(points, np.prod(shape))


@pytest.mark.parallel([1, 4])
def test_what_cannot_be_written_or_read():
    """No hang; the step is not there, and the next one goes where it would have been."""
    u = divided(np.random.default_rng(1).random((30, 40, 50)), [0, 1, 1])
    with shared_directory() as directory:
        path = directory / "fields.zarr"
        file = files.File(path, "w")
        file.write(3, {"u": u})
        if WORLD.rank == 0:
            (directory / "folder.zarr").mkdir()
            (directory / "text.zarr").write_text("nothing of the kind")
            zarr.create_group(directory / "other.zarr")
            shutil.copytree(path, directory / "damaged.zarr")
            (directory / "damaged.zarr" / "zarr.json").write_text('{"zarr_format": 3,')
        WORLD.barrier()
        other = DistArray((30, 40, 51), [0, 1, 1])
        before = names(directory)
        for call, exception, message in [
            (lambda: files.File(directory / "none" / "u.zarr", "w"), FileNotFoundError, "No such file"),
            (lambda: files.File(directory / "none.zarr"), FileNotFoundError, "No such file"),
            (lambda: files.File(directory / "text.zarr"), NotADirectoryError, "Not a directory"),
            (lambda: files.File(directory / "folder.zarr"), ValueError, "no group of Zarr 3"),
            (lambda: files.File(directory / "other.zarr"), ValueError, "no group of Zarr 3"),
            (lambda: files.File(directory / "damaged.zarr"), ValueError, "no group of Zarr 3"),
            (lambda: files.File(directory / "folder.zarr", "w"), ValueError, "no group of Zarr's: it is not replaced"),
            (lambda: files.File(directory / "text.zarr", "w"), ValueError, "no group of Zarr's: it is not replaced"),
            (lambda: files.File(path, "w", compression=10), ValueError, "compression must be 1 to 9"),
            (lambda: file.write(2, {"u": u}), ValueError, "step 2 comes before the last one"),
            (lambda: file.write(3, {"u": u}), ValueError, "has this step of 'u' already"),
            (lambda: file.write(4, {"u": other}), ValueError, r"'u' has the shape \(30, 40, 51\)"),
            (lambda: file.write(4, {"new": u}), ValueError, "has 1 steps before this one, but 0 of 'new'"),
            (lambda: file.write(4, {"b": u.astype("g")}), TypeError, "float128 is no number that .zarr"),
            (lambda: file.read("step", u), ValueError, r"has no field 'step', but \['u'\]"),
            (lambda: file.read("u", other), ValueError, r"of shape \(30, 40, 50\), out has \(30, 40, 51\)"),
            (lambda: file.annotate(domain="x"), ValueError, "the file's own"),
            (lambda: file.xdmf(), ValueError, "no HDF5 file"),
        ]:
            expect_everywhere(exception, message, call)
            np.testing.assert_equal(names(directory), before)
        for rank in {0, LAST}:
            with files_no_longer_than(10_000, rank):
                expect_everywhere(OSError, "File too large", lambda: file.write(4, {"u": u}))
                file.write(4, {"u": u}, wait=False)
                expect_everywhere(OSError, "File too large", file.wait)
            np.testing.assert_equal(file.steps("u"), [3])
        if WORLD.rank == 0:
            for name, gone in (("gone", "u/zarr.json"), ("cut", None), ("odd", "time/zarr.json")):
                shutil.copytree(path, directory / f"{name}.zarr")
                if gone:
                    (directory / f"{name}.zarr" / gone).unlink()
            for each in (directory / "cut.zarr" / "u" / "c").rglob("*"):
                if each.is_file():
                    each.write_bytes(each.read_bytes()[:50])
        WORLD.barrier()
        for name, message in (("gone", r"damaged: the arrays \['u'\]"), ("odd", r"damaged: the arrays \['time'\]")):
            damaged = files.File(directory / f"{name}.zarr", "a")
            expect_everywhere(ValueError, message, lambda: damaged.write(4, {"u": u}))  # noqa: B023
        damaged = files.File(directory / "cut.zarr")
        expect_everywhere(ValueError, "cut.zarr/u is damaged", lambda: damaged.read("u", u.copy()))
        if WORLD.rank == 0:  # as a program that is killed leaves it
            group = zarr.open_group(path, mode="r+", use_consolidated=False)
            group["u"].resize((3, 30, 40, 50))
            group["time"].resize((2,))
        WORLD.barrier()
        np.testing.assert_equal(file.steps("u"), [3])
        file.write(5, {"u": -u}, wait=False)
        np.testing.assert_equal(file.steps("u"), [3, 5])
        for step, expected in ((3, u), (5, -u)):
            check(np.array_equal(file.read("u", u.copy(), step), expected), f"step {step}")
        with everywhere():
            np.testing.assert_equal(len(list((path / "u" / "c").iterdir())), 2)
            lines = list(contents(path))
            np.testing.assert_equal(
                (lines[0], lines[-1]), (f"{path}: Zarr 3", "    u(time, x, y, z): 2 x 30 x 40 x 50 float64")
            )
        files.File(path, "w")
        expect_everywhere(ValueError, r"has no field 'u', but \[\]", lambda: file.steps("u"))


def test_without_zarr(monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImportError, match=r"this file needs zarr: pip install 'mpi4py-pencil\[zarr\]'"):
        files.File("u.zarr", "w")


@pytest.mark.parallel([1, 2])
def test_names_and_types_of_all_kinds():
    """Names that begin like those of times and steps; the other byte order."""
    g = xp.asarray(np.arange(12.0).reshape(3, 4).astype(">f8"))
    with shared_directory() as directory:
        file = files.File(directory / "u.zarr", "w")
        for step in (0, 1):
            file.write(step, {"timescale": g, "steps": g + step})
        found = file.read("steps", out=xp.zeros((3, 4))).to_numpy()
        with everywhere():
            np.testing.assert_equal(file.steps("timescale"), [0, 1])
            np.testing.assert_array_equal(found, np.arange(12.0).reshape(3, 4) + 1)
        out = xp.zeros((3, 4))
        out.local.flags.writeable = MPI.COMM_WORLD.rank > 0
        expect_everywhere(ValueError, "out is read-only", lambda: file.read("steps", out=out))
