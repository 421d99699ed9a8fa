"""Fields over time in HDF5 and NetCDF-4 files, as h5py, netCDF4, xarray, h5dump, ncdump and VTK read them."""

import itertools
import shutil
import subprocess
import sys
from functools import partial

import h5py
import numpy as np
import pytest
from mpi4py import MPI
from oracles import numbered
from shared import files_no_longer_than, names, shared_directory
from support import check, everywhere, expect_everywhere, rng

from mpi4py_pencil import DistArray, Subcomm, files
from mpi4py_pencil.files import chunks
from mpi4py_pencil.files.contents import contents

WORLD = MPI.COMM_WORLD
LAST = WORLD.size - 1
SHAPE = (6, 5, 8)
DOMAIN = [(0.0, 6.0), [0.0, 1.0, 3.0, 4.0, 7.0], (-1.0, 2.0)]
COORDINATES = [np.arange(6.0), np.array(DOMAIN[1]), -1 + np.arange(8) / 4]
SLICE = [slice(None), 4, slice(None)]


def divided(whole, dims, rank=0):
    """Return the distributed array whose blocks are those of a global array."""
    u = DistArray(whole.shape, dims, dtype=whole.dtype, rank=rank)
    u[...] = whole[u.local_slice()]
    return u


def fields(step):
    """Return global arrays that are other ones at each step."""
    u, v = rng(1, step).random(SHAPE), rng(2, step).random((3, *SHAPE))
    return {"u": u, "v": v, "w": rng(3, step).random(SHAPE) + 1j * u}


def write(file, steps, dims):
    """Write fields of some steps, the slices more often than the whole."""
    for step in steps:
        whole = fields(step)
        u, w = divided(whole["u"], dims), divided(whole["w"], dims)
        part = (u, SLICE)
        if step % 2:
            file.write(step, {"u": [part]}, time=step / 4)
        else:
            file.write(step, {"u": [u, part], "v": divided(whole["v"], dims, 1)}, time=step / 4)
            file.write(step, {"w": w}, time=step / 4)


def check_variable(read, single):
    """Raise AssertionError unless `read`, called with the name of a variable, gives what was written."""
    tolerance = {"rtol": 1e-6 if single else 0}
    for name in "uvw":
        whole = np.stack([fields(step)[name] for step in (0, 2, 4)])
        np.testing.assert_allclose(read(name), whole, err_msg=name, **tolerance)
    slices = np.stack([fields(step)["u"][:, 4] for step in range(6)])
    np.testing.assert_allclose(read("u_slice_4_slice"), slices, **tolerance)
    np.testing.assert_array_equal(read("time"), [0, 0.5, 1])
    np.testing.assert_array_equal(read("step"), [0, 2, 4])
    np.testing.assert_array_equal(read("time_slice_4_slice"), np.arange(6) / 4)
    for name, values in zip("xyz", COORDINATES, strict=True):
        np.testing.assert_array_equal(read(name), values)


def values_of(file, name):
    """Return the values of a variable of xarray's, complex ones be they compounds or not."""
    values = file[name].values
    return values["r"] + 1j * values["i"] if values.dtype.names else values


def read_by_others(path, single):
    """Raise AssertionError unless other programs read what was written."""
    import netCDF4  # not on all ranks: each takes its time
    import xarray

    with h5py.File(path) as file:
        check_variable(lambda name: file[name][...], single)
        np.testing.assert_equal((file.attrs["title"], file["u"].attrs["units"]), ("vortex", "m/s"))
    with netCDF4.Dataset(path, auto_complex=True) as file:
        check_variable(lambda name: file[name][...], single)
        np.testing.assert_equal(file["v"].dimensions, ("time", "component", "x", "y", "z"))
        np.testing.assert_equal(file.dimensions["time"].isunlimited(), True)
    for engine in ("h5netcdf", "netcdf4"):
        with xarray.open_dataset(path, engine=engine) as file:
            check_variable(partial(values_of, file), single)
            np.testing.assert_equal(file["u"].sel(time=0.5, x=2.0).dims, ("y", "z"))


CASES = [
    (".h5", None, False, [0, 1, 1]),
    (".nc", None, False, [0, 0, 1]),
    (".nc", 3, True, [1, 0, 0]),
    (".h5", 1, False, [0, 0, 1]),
    (".h5", {"compression": "gzip"}, False, [0, 1, 1]),
]


@pytest.mark.parallel(4)
def test_other_programs_read_what_was_written(monkeypatch):
    """Whole fields and slices, each as often as it was written, by any division, plain and compressed, in chunks."""
    monkeypatch.setattr(chunks, "_PLAIN_BYTES", 1000)
    monkeypatch.setattr(chunks, "_PACKED_BYTES", 700)
    with shared_directory() as directory:
        for suffix, compression, single, dims in CASES:
            path = directory / f"fields{suffix}"
            write(files.File(path, "w", domain=DOMAIN, compression=compression, single=single), range(3), dims)
            file = files.File(path, "a", compression=9 if compression else None, single=single)
            write(file, range(3, 6), dims)
            file.annotate(title="vortex")
            file.annotate("u", units="m/s")
            if WORLD.rank == 0:
                with everywhere(MPI.COMM_SELF):
                    read_by_others(path, single)
            WORLD.barrier()
            np.testing.assert_equal(file.steps("u_slice_4_slice"), [*range(6)])
            np.testing.assert_equal(file.times("u"), [0.0, 0.5, 1.0])
            other = files.File(path)
            for name, rank in (("u", 0), ("v", 1), ("w", 0)):
                for step, asked in ((4, -1), (2, 2), (0, -3)):
                    whole = fields(step)[name]
                    out = DistArray(whole.shape, [0, 1, 0], dtype=whole.dtype, rank=rank)
                    other.read(name, out, asked)
                    with everywhere():
                        np.testing.assert_allclose(out, whole[out.local_slice()], rtol=1e-6 if single else 0)
        np.testing.assert_equal(names(directory), ["fields.h5", "fields.nc"])


@pytest.mark.parallel(2)
def test_any_number_in_a_file():
    """Those that NetCDF has not are refused there; parts of any kind; fields of two resolutions."""
    whole = numbered((4, 6), float)
    with shared_directory() as directory:
        known = {".h5": ["?", "i1", ">u4", "f2", ">f8", "g", "F", "G"], ".nc": ["i1", ">u4", ">f8", "F"]}
        for suffix, dtypes in known.items():
            file = files.File(directory / f"numbers{suffix}", "w")
            for number, dtype in enumerate(dtypes):
                values = (whole % 2).astype(dtype) if dtype == "?" else whole.astype(dtype)
                u = divided(values, [0, 1])
                name = f"a{number}"
                file.write(0, {name: [u, (u, (slice(1, 3), 2)), (u, -1)]})
                out = DistArray((4, 6), [1, 0], dtype=dtype)
                file.read(name, out)
                with everywhere():
                    np.testing.assert_array_equal(out, values[out.local_slice()])
                    with h5py.File(file.path) as found:
                        np.testing.assert_array_equal(found[f"{name}_1to3_2"][0], values[1:3, 2])
                        np.testing.assert_array_equal(found[f"{name}_3_slice"][0], values[-1])
            fine = divided(numbered((8, 12), float), [0, 1])
            file.write(0, {"fine": fine})
            with everywhere(), h5py.File(file.path) as found:
                np.testing.assert_equal([dim[0].name for dim in found["fine"].dims], ["/time", "/x_8", "/y_12"])
        for dtype, message in (("f2", "has no float16"), ("g", "has no"), ("G", "has no"), ("?", "no number that .nc")):
            u = divided((whole % 2).astype(dtype), [0, 1])
            expect_everywhere(TypeError, message, partial(file.write, 1, {"b": u}))


@pytest.mark.parallel([1, 3])
def test_what_cannot_be_written_or_read():
    """No hang; the step is not there, and the next one goes where it would have been."""
    u = divided(numbered(SHAPE, float), [0, 1, 1])
    v = divided(numbered((64, 64, 8), float), [0, 1, 1])
    with shared_directory() as directory:
        path = directory / "fields.nc"
        file = files.File(path, "w")
        file.write(3, {"u": u, "v": v})
        if WORLD.rank == 0:
            (directory / "foreign.h5").write_bytes(b"nothing of the kind")
            (directory / "cut.h5").write_bytes(path.read_bytes()[:3000])
            with h5py.File(directory / "other.h5", "w") as other:
                other["u"] = 1
        other = DistArray((6, 5, 7), [0, 1, 1])
        alone = DistArray(SHAPE, Subcomm(MPI.COMM_SELF, [1] * 3))
        read = files.File(path)
        for call, exception, message in [
            (lambda: files.File(directory / "u.npy", "w"), ValueError, "must end in"),
            (lambda: files.File(path, "x"), ValueError, "mode must be 'r', 'w' or 'a', not 'x'"),
            (lambda: files.File(directory / "none" / "u.h5", "w"), FileNotFoundError, "No such file"),
            (lambda: files.File(directory / "none.h5"), FileNotFoundError, "No such file|nable to"),
            (lambda: files.File(directory / "foreign.h5"), OSError, "signature"),
            (lambda: files.File(directory / "cut.h5", "a"), OSError, "truncated"),
            (lambda: files.File(directory / "other.h5"), ValueError, "other.h5 was not written by"),
            (lambda: files.File(path, "w", compression=10), ValueError, "compression must be 1 to 9"),
            (lambda: files.File(path, "w", domain=[(0, np.inf)]), ValueError, "domain must have the coordinates"),
            (lambda: files.File(path, "w", domain=3), TypeError, "domain must have the coordinates"),
            (lambda: files.File(path, "w", single=1), TypeError, "single must be True or False"),
            (lambda: read.write(4, {"u": u}), ValueError, "was opened with mode 'r'"),
            (lambda: file.write(-1, {"u": u}), ValueError, "step must be a whole number"),
            (lambda: file.write(4, u), TypeError, "fields must be a dict"),
            (lambda: file.write(4, {"u": []}), ValueError, r"fields has no arrays: \{'u': \[\]\}"),
            (lambda: file.write(4, {"u": u}, time="now"), ValueError, "time must be a finite number, not 'now'"),
            (lambda: file.write(4, {"u": u}, time=np.nan), ValueError, "time must be a finite number, not nan"),
            (lambda: file.write(4, {"u": [u, u]}), ValueError, "the same variable twice"),
            (lambda: file.write(4, {"u": np.ones(3)}), TypeError, r"fields\['u'\] must be a DistArray"),
            (lambda: file.write(4, {"u": (u, [9])}), ValueError, "the part of 'u' 9 is out of axis 0"),
            (lambda: file.write(4, {"time": u}), ValueError, "as a dimension of the file is called"),
            (lambda: file.write(4, {"a b": u}), ValueError, "must be of letters"),
            (lambda: file.write(2, {"u": u}), ValueError, "step 2 comes before the last one .*, 3"),
            (lambda: file.write(3, {"u": u}), ValueError, "has this step of 'u' already"),
            (lambda: file.write(4, {"u": other}), ValueError, r"'u' has the shape \(6, 5, 7\) and dtype"),
            (lambda: file.write(4, {"u": u.astype("f4")}), ValueError, "'u' has the shape .* float32, in"),
            (lambda: file.write(4, {"new": u}), ValueError, "has 1 steps before this one, but 0 of 'new'"),
            (lambda: file.read("w", u), ValueError, r"has no field 'w', but \['u', 'v'\]"),
            (lambda: file.read("u", u, 2), ValueError, r"has no step 2 of 'u': there are \[3\]"),
            (lambda: file.read("u", u, -2), ValueError, "has no step -2"),
            (lambda: file.read("u", u, "1"), TypeError, "step must be a whole number"),
            (lambda: file.read("u", other), ValueError, r"of shape \(6, 5, 8\), out has \(6, 5, 7\)"),
            (lambda: file.read("u", u.astype("f4")), ValueError, "of dtype float64, which out, of float32"),
            (lambda: file.annotate("u", steps=3), ValueError, "the attribute 'steps' is the file's own"),
            *[
                (lambda: file.write(4 + WORLD.rank, {"u": u}), ValueError, "the ranks disagree on step"),
                (lambda: file.read("u", u, WORLD.rank), ValueError, "the ranks disagree on step"),
                (lambda: file.write(4, {f"u{WORLD.rank}": u}), ValueError, r"disagree on fields: rank 0 has \['u0'\]"),
                (lambda: file.write(4, {"u": u.astype(["f4", "f8"][WORLD.rank % 2])}), ValueError, "on dtypes"),
                (lambda: files.File(path, "w", single=WORLD.rank == 0), ValueError, "the ranks disagree on single"),
                (lambda: file.write(4, {"u": alone}), ValueError, "other ranks"),
            ][: 6 * (WORLD.size > 1)],
        ]:
            expect_everywhere(exception, message, call)
        for rank in {0, LAST}:
            with files_no_longer_than(300_000, rank):
                expect_everywhere(OSError, "File too large", partial(file.write, 4, {"u": u, "v": v}))
        with everywhere(), h5py.File(path) as found:
            np.testing.assert_equal([len(found[name]) for name in ("u", "v", "step", "time")], [1] * 4)
        file.write(5, {"u": -u, "v": -v})
        np.testing.assert_equal(file.steps("v"), [3, 5])
        check(np.array_equal(file.read("v", v.copy(), 3), v), "the first step is as it was")
        check(np.array_equal(file.read("v", v.copy(), 5), -v), "and so is the next")
        before = path.read_bytes()
        with files_no_longer_than(100, 0):
            expect_everywhere(OSError, "", partial(files.File, path, "w"))
        with everywhere():
            np.testing.assert_equal(path.read_bytes() == before, True)
        np.testing.assert_equal(names(directory), ["cut.h5", "fields.nc", "foreign.h5", "other.h5"])


@pytest.mark.parallel(2)
def test_what_a_killed_program_has_left_is_not_there():
    """Rows that were begun are overwritten by the next step."""
    u = divided(numbered(SHAPE, float), [0, 1, 1])
    with shared_directory() as directory:
        file = files.File(directory / "fields.h5", "w")
        file.write(0, {"u": u})
        if WORLD.rank == 0:
            with h5py.File(file.path, "r+") as left:
                left["u"].resize(3, 0)
        WORLD.barrier()
        np.testing.assert_equal(file.steps("u"), [0])
        file.write(1, {"u": 2 * u})
        check(np.array_equal(file.read("u", u.copy()), 2 * u), "the last step")
        with everywhere(), h5py.File(file.path) as found:
            np.testing.assert_equal(len(found["u"]), 2)


def test_without_h5py(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"this file needs h5py: pip install 'mpi4py-pencil\[hdf5\]'"):
        files.File("u.h5", "w")


def test_filters_of_hdf5plugin(tmp_path):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    whole = numbered(SHAPE, float)
    file = files.File(tmp_path / "u.h5", "w", compression=hdf5plugin.Zstd())
    file.write(0, {"u": divided(whole, [1, 1, 1])})
    with h5py.File(file.path) as found:
        np.testing.assert_array_equal(found["u"][0], whole)
        np.testing.assert_equal("32015" in found["u"]._filters, True)


@pytest.mark.parametrize("program", ["h5dump", "ncdump"])
def test_dumps(tmp_path, program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    write(files.File(tmp_path / "u.nc", "w", domain=DOMAIN), range(3), [1, 1, 1])
    done = subprocess.run([program, str(tmp_path / "u.nc")], capture_output=True, text=True, timeout=60)
    np.testing.assert_equal((done.returncode, done.stderr), (0, ""))
    check("u_slice_4_slice" in done.stdout, done.stdout[:1000])


@pytest.mark.parametrize("suffix", [".h5", ".nc"])
def test_xdmf_as_vtk_reads_it(tmp_path, suffix):
    """The points and values of the real fields at each step; the last axis is VTK's x, also of vectors."""
    pytest.importorskip("vtkmodules", reason="vtk is not installed")
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXdmf2 import vtkXdmfReader

    file = files.File(tmp_path / f"u{suffix}", "w", domain=DOMAIN)
    write(file, range(5), [1, 1, 1])
    np.testing.assert_equal(file.xdmf(), tmp_path / "u.xdmf")
    reader = vtkXdmfReader()
    reader.SetFileName(str(tmp_path / "u.xdmf"))
    reader.UpdateInformation()
    information = reader.GetOutputInformation(0)
    times = [information.Get(reader.GetExecutive().TIME_STEPS(), k) for k in range(3)]
    np.testing.assert_array_equal(times, [0, 0.5, 1])
    for step, time in zip((0, 2, 4), times, strict=True):
        reader.UpdateTimeStep(time)
        grid = reader.GetOutputDataObject(0)
        while grid.IsA("vtkMultiBlockDataSet"):
            grid = grid.GetBlock(0)
        np.testing.assert_equal(grid.GetDimensions(), SHAPE[::-1])
        for k, name in enumerate("ZYX"):
            np.testing.assert_array_equal(vtk_to_numpy(getattr(grid, f"Get{name}Coordinates")()), COORDINATES[k])
        u, v = (vtk_to_numpy(grid.GetPointData().GetArray(name)) for name in "uv")
        np.testing.assert_array_equal(u.reshape(SHAPE), fields(step)["u"])
        np.testing.assert_array_equal(np.moveaxis(v.reshape(*SHAPE, 3), -1, 0)[::-1], fields(step)["v"])


def test_chunks():
    """Below their limit, whole lines where that is possible; together they are the variable."""
    for shape in [(7,), (5, 6), (3, 4, 5), (2, 3, 4, 5)]:
        for packed in (False, True):
            chunk = chunks.chunk_of(shape, 8, chunks.most_bytes(packed))
            np.testing.assert_equal(chunk, shape)
    np.testing.assert_equal(chunks.chunk_of((1024, 1024, 1024), 8, 1024**3), (128, 1024, 1024))
    np.testing.assert_equal(chunks.chunk_of((64, 1024, 1024), 8, 2 * 1024**2), (1, 256, 1024))
    starts = list(chunks.starts((5, 3), (2, 2)))
    np.testing.assert_equal(starts, list(itertools.product((0, 2, 4), (0, 2))))


def test_what_a_file_is_told_to_hold(tmp_path):
    for suffix, kind in ((".h5", "HDF5"), (".nc", "NetCDF-4")):
        path = tmp_path / f"u{suffix}"
        write(files.File(path, "w", compression=1), range(2), [1, 1, 1])
        title, *lines = contents(path)
        np.testing.assert_equal(title, f"{path}: {kind}")
        for line in (
            "    u(time, x, y, z): 1 x 6 x 5 x 8 float64, compressed",
            "    u_slice_4_slice(time_slice_4_slice, x, z): 2 x 6 x 8 float64, compressed",
            "    w(time, x, y, z): 1 x 6 x 5 x 8 complex128, compressed",
            "    step(time): 1 int64",
        ):
            np.testing.assert_equal(line in lines, True, "\n".join(lines))
