"""Checkpoints: whole or not there, on any number of ranks, and at another resolution."""

import contextlib
import itertools
import os
import shutil
import subprocess
import zlib

import numpy as np
import pytest
from mpi4py import MPI
from oracles import numbered
from shared import as_nobody, files_no_longer_than, names, shared_directory
from support import check, everywhere, expect_everywhere, rng

from mpi4py_pencil import (
    DCT,
    DST,
    PFFT,
    Chebyshev,
    DistArray,
    Fourier,
    Hartley,
    Legendre,
    LinearMap,
    Pencil,
    Subcomm,
    files,
    newDistArray,
)
from mpi4py_pencil.files import checksums
from mpi4py_pencil.files.checksums import Sums, joined

WORLD = MPI.COMM_WORLD
LAST = WORLD.size - 1
ALONE = MPI.COMM_SELF

# What a series along an axis is made of: functions of the points, by how many of them.
FUNCTIONS = {
    DCT(1): lambda x, n: np.cos(np.outer(x, np.arange(n))),
    DCT(2): lambda x, n: np.cos(np.outer(x, np.arange(n))),
    DCT(3): lambda x, n: np.cos(np.outer(x, np.arange(n) + 0.5)),
    DCT(4): lambda x, n: np.cos(np.outer(x, np.arange(n) + 0.5)),
    DST(1): lambda x, n: np.sin(np.outer(x, np.arange(n) + 1)),
    DST(2): lambda x, n: np.sin(np.outer(x, np.arange(n) + 1)),
    DST(3): lambda x, n: np.sin(np.outer(x, np.arange(n) + 0.5)),
    DST(4): lambda x, n: np.sin(np.outer(x, np.arange(n) + 0.5)),
    Chebyshev(): lambda x, n: np.polynomial.chebyshev.chebvander(x, n - 1),
    Chebyshev("lobatto"): lambda x, n: np.polynomial.chebyshev.chebvander(x, n - 1),
    Legendre(): lambda x, n: np.polynomial.legendre.legvander(x, n - 1),
}


def waves(n, m):
    """Return the matrix from values at n points of a period to those at m of their trigonometric interpolant.

    Where there are fewer, of its waves that as many points know; the highest is what all points see of both its signs.
    """
    least = min(n, m)
    k = np.arange(-(least // 2), least // 2 + 1)
    weight = np.where((2 * abs(k) == n) & (n <= m), 0.5, 1.0)
    there, back = (np.exp(2j * np.pi * np.outer(np.arange(p), k) / p) for p in (m, n))
    return ((there * weight) @ back.conj().T / n).real  # of symmetric sums


def resampled(family, n, m):
    """Return the matrix from values at n points to those at m of the series that they are, cut or extended."""
    if isinstance(family, (Fourier, Hartley)):
        return np.eye(n) if n == m else waves(n, m)
    x, y = (PFFT(ALONE, (p, 1), axes=0, transforms={0: family}).local_mesh(np.pi)[0].ravel() for p in (n, m))
    functions = FUNCTIONS[family]
    least = min(n, m)
    return functions(y, m)[:, :least] @ np.linalg.inv(functions(x, n))[:least]


def modes_elsewhere(whole, families, shape, plan):
    """Return the modes, by a plan on one rank, of global values at the points of another resolution."""
    for axis, family in families.items():
        matrix = resampled(family, whole.shape[-len(shape) :][axis], shape[axis])
        whole = np.moveaxis(np.tensordot(matrix, whole, (1, axis - len(shape))), 0, axis - len(shape))
    return np.asarray(plan.forward(np.ascontiguousarray(whole.astype(plan.dtype(False)))))


FOURIER = {0: Fourier(), 1: Fourier(), 2: Fourier()}
RESOLUTIONS = [
    *[(FOURIER, *case) for case in itertools.product("dD", [(4, 6, 8)], [(6, 8, 10), (4, 4, 6), (5, 7, 5), (6, 4, 6)])],
    *[(FOURIER, *case) for case in itertools.product("dF", [(5, 7, 9)], [(4, 6, 8), (4, 9, 10), (8, 4, 9)])],
    ({0: DCT(1), 1: DST(2), 2: Fourier()}, "d", (5, 6, 8), (7, 4, 6)),
    ({0: DCT(1), 1: DST(2), 2: Fourier()}, "d", (7, 4, 5), (5, 6, 4)),
    ({0: Hartley(), 1: DCT(2), 2: Fourier()}, "d", (6, 5, 6), (4, 7, 4)),
    ({0: Hartley(), 1: Fourier(), 2: DCT(3)}, "d", (4, 7, 6), (7, 4, 5)),
    ({0: Chebyshev(), 1: Chebyshev("lobatto"), 2: Legendre()}, "d", (4, 7, 5), (6, 5, 7)),
    ({0: DCT(4), 1: DST(1), 2: DST(3)}, "d", (4, 7, 5), (6, 5, 7)),
    ({0: DST(4), 1: Fourier(), 2: Chebyshev("lobatto")}, "D", (4, 8, 5), (6, 6, 7)),
]


@pytest.mark.parallel([1, 4])
def test_modes_at_another_resolution():
    """What they are of the series through the points, whatever is odd and even, whatever the scale."""
    with shared_directory() as directory:
        checkpoints = files.Checkpoints(directory, keep=1)
        for number, (families, dtype, old, new) in enumerate(RESOLUTIONS if WORLD.size == 1 else RESOLUTIONS[::3]):
            fixed = any(isinstance(family, Chebyshev) for family in families.values())
            norm = ("forward", "backward") if fixed else ("forward", "backward", "ortho")
            weighted = {DCT(1), DCT(3), DST(3)} & set(families.values())
            norm = norm[number % len(norm)] if not weighted else norm[number % 2]
            grid = [[0, 1, 1], [0, 0, 1]][number % 2]
            plans = [
                PFFT(comm, shape, dtype=dtype, transforms=families, norm=norm, grid=dims)
                for shape in (old, new)
                for comm, dims in ((WORLD, grid), (ALONE, None))
            ]
            coarse, _, fine, alone = plans
            whole = rng(number).random((2, *old)).astype(dtype)
            if dtype in "FD":
                whole = whole * (1 + 0.5j)
            u_hat = coarse.forward(whole[(slice(None), *coarse.local_slice(False))])
            checkpoints.save(number, {"u_hat": (u_hat, coarse.output)})
            found = checkpoints.load(like={"u_hat": fine.output}).state["u_hat"]
            expected = modes_elsewhere(whole, families, new, alone)
            scale = abs(expected).max() * np.finfo(dtype).eps
            with everywhere():
                np.testing.assert_equal(found.rank, 1)
                mine = expected[(slice(None), *fine.local_slice())]
                np.testing.assert_allclose(np.asarray(found), mine, rtol=0, atol=60 * scale, err_msg=f"{families}")


def test_orthonormal_sines_at_another_resolution():
    """Their highest is smaller by the root of two where it stands for itself alone."""
    with shared_directory(ALONE) as directory:
        checkpoints = files.Checkpoints(directory, comm=ALONE)
        for n, m in ((4, 7), (7, 4)):
            families = {0: DST(2), 1: DCT(2)}
            coarse, fine = (PFFT(ALONE, (p, 5), transforms=families, norm="ortho", backend="scipy") for p in (n, m))
            u = rng(n).random((n, 5))
            checkpoints.save(1, {"u_hat": (coarse.forward(u), coarse.output)})
            found = checkpoints.load(like={"u_hat": fine.output}).state["u_hat"]
            expected = modes_elsewhere(u, {0: DST(2)}, (m, 5), fine)
            np.testing.assert_allclose(np.asarray(found), expected, atol=1e-14)


@pytest.mark.parallel([1, 3])
def test_several_arrays_on_other_ranks():
    """From all ranks to each alone, and back; onto other pencils; attributes as they were."""
    fft = PFFT(WORLD, (6, 8, 5), grid=[0, 1, 1])
    scalar, vector = numbered((6, 8, 5), float), numbered((3, 6, 8, 3), "G")
    with shared_directory() as directory:
        state = {"p": newDistArray(fft, False), "u_hat": DistArray.of(fft.output.pencil.with_components((3,)), "G", 1)}
        state["p"][...] = scalar[state["p"].local_slice()]
        state["u_hat"][...] = vector[state["u_hat"].local_slice()]
        attrs = {"time": np.float64(0.1), "n": np.int64(3), "name": "ü", "list": [1, 2.5, None], "box": np.ones(3)}
        plain = {"time": 0.1, "n": 3, "name": "ü", "list": [1, 2.5, None], "box": [1.0] * 3}
        files.Checkpoints(directory / "new" / "run").save(7, state, **attrs)
        for comm in (WORLD, ALONE):
            checkpoints = files.Checkpoints(directory / "new" / "run", comm=comm)
            np.testing.assert_equal(checkpoints.latest(), 7)
            step, found, read = checkpoints.load(7)
            with everywhere():
                np.testing.assert_equal((step, read), (7, plain))
                np.testing.assert_equal([u.rank for u in found.values()], [0, 1])
                for name, whole in (("p", scalar), ("u_hat", vector)):
                    np.testing.assert_array_equal(found[name], whole[found[name].local_slice()])
        back = files.Checkpoints(directory / str(WORLD.rank), comm=ALONE)
        back.save(8, found, **read)
        for like in (state["p"].redistribute(0), Pencil(Subcomm(WORLD, [1, 0, 1]), (6, 8, 5))):
            again = files.Checkpoints(directory / "0").load(like={"p": like}).state
            with everywhere():
                np.testing.assert_equal([*again], ["p"])
                np.testing.assert_array_equal(again["p"], scalar[again["p"].local_slice()])


def damage(path, how):
    """Damage a checkpoint."""
    array, manifest = path / "u.npy", path / "manifest.json"
    if how == "a bit":
        data = bytearray(array.read_bytes())
        data[-9] ^= 4
        array.write_bytes(data)
    elif how == "cut":
        array.write_bytes(array.read_bytes()[:-1])
    elif how == "gone":
        array.unlink()
    elif how == "another array":
        np.save(array, np.ones(3))
    elif how == "the manifest":
        manifest.write_text(manifest.read_text().replace('"time": 2', '"time": 3'))
    elif how == "no manifest":
        manifest.unlink()
    else:
        shutil.rmtree(path)
        path.mkdir()


def warned(text):
    """Expect a warning of rank 0, and of no other."""
    return pytest.warns(RuntimeWarning, match=text) if WORLD.rank == 0 else contextlib.nullcontext()


@pytest.mark.parallel(2)
def test_a_damaged_one_is_passed_over():
    """With a warning by rank 0; where its step is asked for, and nothing else has that, it is an error."""
    fft = PFFT(WORLD, (6, 8))
    with shared_directory() as directory:
        checkpoints = files.Checkpoints(directory, keep=2)
        for how in ("a bit", "cut", "gone", "another array", "the manifest", "no manifest", "empty"):
            for step in (1, 2):
                checkpoints.save(step, {"u": newDistArray(fft, False, val=step)}, time=step)
            last = names(directory)[-1]
            if WORLD.rank == 0:
                damage(directory / last, how)
            WORLD.barrier()
            warned = (
                pytest.warns(RuntimeWarning, match=f"{last} cannot be used: ") if WORLD.rank == 0 else everywhere(ALONE)
            )
            with warned:
                step, state, attrs = checkpoints.load(like={"u": fft.input})
            with everywhere():
                np.testing.assert_equal((step, attrs, np.unique(state["u"])), (1, {"time": 1}, [1.0]), how)
            warned = pytest.warns(RuntimeWarning) if WORLD.rank == 0 else everywhere(ALONE)
            with warned:
                expect_everywhere(
                    (OSError, ValueError), "damaged|No such file|no whole file", lambda: checkpoints.load(2)
                )


@pytest.mark.parallel(2)
def test_which_are_kept():
    """The last that were saved, whatever their steps; what killed jobs have left is removed, what others do is not."""
    fft = PFFT(WORLD, (6, 8))
    u = newDistArray(fft, False)
    with shared_directory() as directory:
        checkpoints = files.Checkpoints(directory, keep=2)
        np.testing.assert_equal(checkpoints.latest(), None)
        expect_everywhere(FileNotFoundError, f"there is no checkpoint in {directory}", checkpoints.load)
        if WORLD.rank == 0:
            (directory / ".left.part").mkdir()
            (directory / ".left.part" / "u.npy").touch()
        for step in (5, 10, 10, 3):
            u[...] = u + 1
            checkpoints.save(step, {"u": u})
        np.testing.assert_equal(names(directory), ["000003-step-10", "000004-step-3"])
        np.testing.assert_equal((checkpoints.latest(), checkpoints.load().step), (3, 3))
        check(np.all(checkpoints.load(10).state["u"] == 3), "the last of this step")
        other = files.Checkpoints(directory, keep=2)
        other.save(20, {"u": u}, wait=False)
        checkpoints.save(30, {"u": u})
        np.testing.assert_equal([other.latest(), checkpoints.latest()], [20, 20])
        np.testing.assert_equal(names(directory), ["000005-step-30", "000006-step-20"])
        expect_everywhere(FileNotFoundError, "there is no checkpoint of step 4 in", lambda: checkpoints.load(4))


@pytest.mark.parallel([1, 3])
def test_what_is_written_while_the_solver_goes_on():
    """A snapshot; it is there at the next call, and so are the errors, on every rank."""
    fft = PFFT(WORLD, (64, 80))
    u = newDistArray(fft, False, val=1)
    with shared_directory() as directory:
        with files.Checkpoints(directory) as checkpoints:
            for step in range(3):
                checkpoints.save(step, {"u": u, "v": u.redistribute(0)}, wait=False)
                u += 1
        with everywhere():
            np.testing.assert_equal(len(list(directory.iterdir())), 3)
        for step in range(3):
            state = checkpoints.load(step, {"u": u, "v": u}).state
            check(np.all(state["u"] == step + 1) and np.all(state["v"] == step + 1), f"step {step}")
        before = names(directory)
        with files_no_longer_than(2000, LAST):
            if WORLD.size > 1:
                checkpoints.save(3, {"u": u}, wait=False)
                expect_everywhere(OSError, "File too large", checkpoints.wait)
            expect_everywhere(OSError, "File too large", lambda: checkpoints.save(3, {"u": u}))
        np.testing.assert_equal(names(directory), before)
        checkpoints.wait()
        np.testing.assert_equal(checkpoints.load().step, 2)


@pytest.mark.parallel(2)
def test_what_cannot_be_saved_or_loaded():
    maps = LinearMap(np.eye(8), np.eye(8))
    fft, other = PFFT(WORLD, (6, 8)), PFFT(WORLD, (6, 10))
    mapped = PFFT(WORLD, (6, 8), transforms={0: LinearMap(np.eye(6), np.eye(6))})
    ortho = [PFFT(WORLD, (n, 8), transforms={0: DCT(1)}, norm="ortho") for n in (6, 8)]
    sines = PFFT(WORLD, (8, 8), transforms={0: DST(1)}, norm="ortho")
    eight = PFFT(WORLD, (8, 8), transforms={0: maps})
    u, u_hat = newDistArray(fft, False), newDistArray(fft)
    seen = u.as_global()
    with shared_directory() as directory:
        checkpoints = files.Checkpoints(directory / "run")
        save, load = checkpoints.save, checkpoints.load
        pairs = {"u_hat": (u_hat, fft.output), "m": (newDistArray(mapped), mapped.output)}
        save(1, {"u": u, **pairs, "o": (newDistArray(ortho[0]), ortho[0].output)})
        before = names(directory / "run")
        for call, exception, message in [
            (
                lambda: files.Checkpoints(directory / "run", keep=0),
                ValueError,
                "keep must be a whole number",
            ),
            (lambda: files.Checkpoints(3), TypeError, "path|int"),
            (lambda: files.Checkpoints("/proc/run"), OSError, "No such file|permitted|denied"),
            (lambda: save(-1, {"u": u}), ValueError, "step must be a whole number, 0 or more, not -1"),
            (lambda: save(1.0, {"u": u}), ValueError, "step must be a whole number"),
            (lambda: save(1, u), TypeError, r"state must be a dict .* not DistArray of shape \(.*\)$"),
            (lambda: save(1, {"u": (u, u)}), TypeError, r"; not DistArray of shape \(.*\)$"),
            (lambda: save(u, 1), TypeError, "state must be a dict"),
            (lambda: save(u, {"u": u}), ValueError, r"step must be .* not DistArray of shape \(.*\)$"),
            (lambda: save(1, {"u": np.ones(3)}), TypeError, r"state\['u'\] must be a DistArray"),
            (lambda: save(1, {"../u": u}), ValueError, "name '../u': it must be of letters"),
            (lambda: save(1, {"u": (u, fft.input)}), TypeError, "must be an array, or an array and its Spec"),
            (lambda: save(1, {"u": (u, fft.output)}), ValueError, "not one of its Spec"),
            (lambda: save(1, {"u": u.astype(object)}), TypeError, "dtype object"),
            (lambda: save(1, {"u": u}, f=len), TypeError, "attrs must be numbers, texts"),
            (lambda: save(1, {"u": u}, wait=1), TypeError, "wait must be True or False"),
            (lambda: load(like={"v": u}), ValueError, r"has no array 'v', but \['m', 'o', 'u', 'u_hat'\]"),
            (lambda: load(like=u), TypeError, r"like must be a dict .* not DistArray of shape \(.*\)$"),
            (lambda: load(like=fft.output), TypeError, r"like must be a dict .* not Spec of shape \(.*\)$"),
            (lambda: load("1"), ValueError, "step must be a whole number"),
            (lambda: load(like={"u": other.input}), ValueError, r"shape \(6, 8\), like has \(6, 10\): modes can be"),
            (lambda: load(like={"u_hat": newDistArray(other)}), ValueError, r"\(6, 5\), like has \(6, 6\)$"),
            (lambda: load(like={"u": u.astype("f4")}), ValueError, "has an array of dtype float64, like has float32"),
            (lambda: load(like={"u": PFFT(WORLD, (6, 8, 2)).input}), ValueError, "like has 3 axes"),
            (lambda: load(like={"u_hat": mapped.output}), ValueError, "axis 0: .* saved of the transform Fourier"),
            (lambda: load(like={"m": eight.output}), ValueError, "axis 0: .* LinearMap"),
            (lambda: load(like={"o": ortho[1].output}), ValueError, r"axis 0: .* DCT\(type=1\) with norm='ortho'"),
            (lambda: load(like={"o": sines.output}), ValueError, "axis 0: .* saved of the transform DCT"),
            (lambda: load(like={"u_hat": PFFT(WORLD, (6, 8), norm="ortho").output}), ValueError, "norm='forward'"),
            *[
                (lambda: save(1, {"u": seen if WORLD.rank else u}), ValueError, "disagree on the arrays"),
                (lambda: save(WORLD.rank, {"u": u}), ValueError, "the ranks disagree on what is saved"),
                (lambda: load(like={"u": DistArray((6, 8), Subcomm(ALONE, [1, 1]))}), ValueError, "of other ranks"),
                (lambda: save(1, {"u": DistArray((6, 8), Subcomm(ALONE, [1, 1]))}), ValueError, "of other ranks"),
            ][: 4 * (WORLD.size > 1)],
        ]:
            expect_everywhere(exception, message, call)
            np.testing.assert_equal(names(directory / "run"), before)


def test_checksums_of_parts(monkeypatch):
    """Whichever runs the bytes of a slab are written in; bytes that are missing or there twice are found."""
    monkeypatch.setattr(checksums, "SLAB", 100)
    data = rng(4).integers(0, 256, 1234, np.uint8)
    expected = [zlib.crc32(data[k : k + 100]) for k in range(0, 1234, 100)]
    for seed in range(5):
        cuts = [0, *np.sort(rng(5, seed).choice(1233, 20, replace=False) + 1), 1234]
        sums = Sums()
        for a, b in rng(6, seed).permutation(list(itertools.pairwise(cuts))):
            sums(a, data[a:b])
        np.testing.assert_equal(joined(sums.runs, 1234), expected)
        for wrong in (sums.runs[1:], [*sums.runs, sums.runs[0]]):
            with pytest.raises(ValueError, match="the ranks have written"):
                joined(wrong, 1234)


@pytest.mark.parallel(4)
def test_a_disk_that_is_full():
    """All ranks say so; what was saved is there, what was begun is not, and when there is room again it is used."""
    fft = PFFT(WORLD, (32, 64, 64))
    u = newDistArray(fft, False, val=1)
    with shared_directory() as directory, small_disk(directory, "2600k"):
        checkpoints = files.Checkpoints(directory / "run")
        fields = files.File(directory / "u.h5", "w")
        checkpoints.save(1, {"u": u})
        fields.write(1, {"u": (u, 1)})
        before = names(directory / "run")
        for call in (
            lambda: checkpoints.save(2, {"u": u, "v": u}),
            lambda: checkpoints.save(2, {"u": u, "v": u}, wait=False),
            lambda: files.save(directory / "u.npy", u.astype(complex)),
            lambda: fields.write(2, {"u": [u.astype(complex), (u, 1)]}),
            lambda: files.File(directory / "v.h5", "w", compression=1).write(2, {"u": noise(u)}),
            lambda: files.File(directory / "v.zarr", "w").write(2, {"u": noise(u).astype(complex)}),
        ):
            expect_everywhere(OSError, "No space left on device", call)
            np.testing.assert_equal(names(directory / "run"), before)
        np.testing.assert_equal([fields.steps("u_1_slice_slice"), checkpoints.load().step], [[1], 1])
        np.testing.assert_equal(set(names(directory)) - {"v.h5", "v.zarr"}, {"run", "u.h5"})
        if WORLD.rank == 0:
            (directory / "v.h5").unlink()
            shutil.rmtree(directory / "v.zarr")
        WORLD.barrier()
        fields.write(2, {"u": (2 * u, 1)})
        plane = DistArray((64, 64), [0, 1])
        check((fields.read("u_1_slice_slice", plane) == 2).all(), "it is there")


@pytest.mark.parallel(4)
def test_without_the_rights():
    """What must not be read or written is as it was, and all ranks say so, also where one alone may not."""
    u = newDistArray(PFFT(WORLD, (12, 8)), False, val=1)
    suffixes = ["npy", "h5", "nc", "zarr"]
    with shared_directory() as directory:
        run, fields = files.Checkpoints(directory / "run"), {}
        run.save(1, {"u": u})
        files.save(directory / "u.npy", u)
        files.save(directory / "hidden.npy", u)
        for suffix in suffixes[1:]:
            fields[suffix] = files.File(directory / f"u.{suffix}", "w")
            fields[suffix].write(1, {"u": u})
        if WORLD.rank == 0:
            directory.chmod(0o755)
            (directory / "hidden.npy").chmod(0o000 if os.geteuid() else 0o600)
            if os.geteuid():
                directory.chmod(0o555)
        WORLD.barrier()
        before = names(directory), names(directory / "run")
        calls = [
            lambda: files.save(directory / "u.npy", 2 * u),
            lambda: files.save(directory / "new.npy", u),
            lambda: run.save(2, {"u": u}),
            *[lambda suffix=suffix: fields[suffix].write(2, {"u": u}) for suffix in suffixes[1:]],
        ]
        with as_nobody():
            for call in [
                *calls,
                lambda: run.save(2, {"u": u}, wait=False),
                lambda: files.Checkpoints(directory / "other"),
                lambda: files.load(directory / "hidden.npy"),
                *[lambda suffix=suffix: files.File(directory / f"new.{suffix}", "w") for suffix in suffixes[1:]],
            ]:
                expect_everywhere(PermissionError, "Permission denied", call)
                np.testing.assert_equal((names(directory), names(directory / "run")), before)
            found = [run.load().state["u"], files.load(directory / "u.npy", u)]
            found += [files.File(directory / f"u.{suffix}").read("u", u.copy()) for suffix in suffixes[1:]]
            check(all(np.array_equal(each, u) for each in found), "what may be read is read")
        if WORLD.allreduce(os.geteuid()) == 0:  # one rank cannot have other rights than the others else
            with as_nobody(LAST):
                for call in calls:
                    expect_everywhere(PermissionError, "Permission denied", call)
                    np.testing.assert_equal((names(directory), names(directory / "run")), before)
        if WORLD.rank == 0:
            directory.chmod(0o755)


@pytest.mark.parallel(4)
def test_two_jobs_at_once():
    """Write to one directory, and to one file: all is whole, and nothing is left over."""
    job = WORLD.rank % 2
    comm = WORLD.Split(job, WORLD.rank)
    u = newDistArray(PFFT(comm, (40, 60)), False)
    with shared_directory() as directory:
        checkpoints = files.Checkpoints(directory / "run", keep=2, comm=comm)
        for step in range(6):
            u[...] = 10 * job + step
            checkpoints.save(step, {"u": u}, wait=bool(step % 2), value=10 * job + step)
            files.save(directory / "u.npy", u)
        checkpoints.wait()
        WORLD.barrier()
        last = files.Checkpoints(directory / "run").load()
        check(np.all(last.state["u"] == last.attrs["value"]) and last.step == 5, f"{last.attrs}")
        np.testing.assert_equal(len(names(directory / "run")), 2)
        np.testing.assert_equal(names(directory), ["run", "u.npy"])
        with everywhere():
            np.testing.assert_equal(np.unique(np.load(directory / "u.npy")) % 10, [5])
    comm.Free()


def noise(u):
    """Return an array like `u` that cannot be compressed."""
    return DistArray.of(u.pencil, u.dtype, 0, rng(7, WORLD.rank).random(u.shape))


@contextlib.contextmanager
def small_disk(directory, size):
    """Put a file system in memory of so many bytes in place of a directory, where that is allowed."""
    done = None
    if WORLD.rank == 0:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
        done = subprocess.run(command, capture_output=True).returncode
    if WORLD.bcast(done):
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        WORLD.barrier()
        if WORLD.rank == 0:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)
        WORLD.barrier()
