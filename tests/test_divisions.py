"""Files of arrays in every division: lines along the only axis, blocks of any sizes, dealt indices, replicas."""

import itertools

import numpy as np
import pytest
from lockstep import given, settings, st
from mpi4py import MPI
from shared import shared_directory
from spread import arrays, distributions
from support import check, everywhere, expect_everywhere
from test_files import by_numpy

from mpi4py_pencil import FFT1D, PFFT, DistArray, files, newDistArray
from mpi4py_pencil import arrays as xp

WORLD = MPI.COMM_WORLD


@pytest.mark.parallel([1, 4])
def test_any_division_there_and_back():
    """The bytes are numpy's, and onto any other division; also by checkpoints, and over time."""
    with shared_directory() as directory:
        checkpoints = files.Checkpoints(directory / "run", keep=1)
        suffixes = itertools.cycle([".h5", ".nc", ".zarr"])

        @settings(max_examples=8)
        @given(arrays(), st.sampled_from("CF"), st.data())
        def there_and_back(array, order, data):
            g, whole = array
            files.save(directory / "g.npy", g, order)
            with everywhere():
                if whole.dtype.char in "gG":  # of which some bytes are nobody's
                    np.testing.assert_array_equal(np.load(directory / "g.npy"), whole, strict=True)
                else:
                    np.testing.assert_equal((directory / "g.npy").read_bytes() == by_numpy(whole, order), True)
            like = xp.zeros(g.shape, dtype=g.dtype, distribution=data.draw(distributions(g.shape)))
            checkpoints.save(1, {"g": g}, wait=data.draw(st.booleans()))
            found = [
                files.load(directory / "g.npy", like),
                checkpoints.load(like={"g": like}).state["g"],
                checkpoints.load().state["g"],
            ]
            if whole.ndim and whole.size:
                suffix = next(suffixes)
                file = files.File(directory / f"g{suffix}", "w")
                if not (suffix == ".nc" and g.dtype == bool):
                    file.write(1, {"g": [g, (g, -1)] if whole.ndim > 1 else g})
                    found.append(file.read("g", out=like))
                    if whole.ndim > 1:
                        part = xp.zeros(g.shape[1:], dtype=g.dtype, distribution=data.draw(distributions(g.shape[1:])))
                        [name] = {f"g_{g.shape[0] - 1}" + "_slice" * (whole.ndim - 1)}
                        part = file.read(name, out=part).to_numpy()
                        with everywhere():
                            np.testing.assert_array_equal(part, whole[-1])
            for number, back in enumerate(found):
                if number in (0, 1, 3):
                    check(isinstance(back, xp.GlobalArray) and back.distribution == like.distribution, "as like is")
                values = back.as_global() if isinstance(back, DistArray) else back
                values = values.to_numpy()
                with everywhere():
                    np.testing.assert_array_equal(values, whole, strict=True)

        there_and_back()


@pytest.mark.parallel([1, 3])
def test_parts_of_a_line():
    """Without `like` what has one axis is a global array; points and modes of an FFT1D are blocks of one."""
    fft = FFT1D(WORLD, 30, float)
    u, u_hat = xp.zeros(30), xp.zeros(16, dtype=complex)
    u.local[...] = np.random.default_rng(WORLD.rank).random(fft.shape(False))
    fft.forward(u.local, u_hat.local)
    with shared_directory() as directory:
        files.save(directory / "u.npy", u)
        back = files.load(directory / "u.npy", like=u)
        check(np.array_equal(back.local, u.local), "the same line")
        part = files.load(directory / "u.npy", index=slice(3, 20))
        check(type(part) is xp.GlobalArray and bool((part == u[3:20]).all()), "a part of it")
        checkpoints = files.Checkpoints(directory / "run")
        checkpoints.save(1, {"u_hat": u_hat})
        again = fft.backward(checkpoints.load().state["u_hat"].local)
        check(np.allclose(again, u.local), "its modes")
        plane = DistArray((6, 8), [0, 1], val=WORLD.rank)
        files.save(directory / "plane.npy", plane)
        column = files.load(directory / "plane.npy", index=(slice(None), 2))
        check(column.shape == (6,) and bool((column == plane.as_global()[:, 2]).all()), "a column of a plane")


@pytest.mark.parallel(3)
def test_modes_of_a_truncated_spectrum_as_global_arrays():
    """Blocks of a padded plan are of uneven sizes; a global array of them has a Spec as a DistArray has."""
    coarse, fine = PFFT(WORLD, (8, 6), padding=1.5), PFFT(WORLD, (12, 9))
    u_hat = newDistArray(coarse)
    u_hat[...] = np.random.default_rng(WORLD.rank).random(u_hat.shape)
    with shared_directory() as directory:
        checkpoints = files.Checkpoints(directory)
        found = []
        for step, u in enumerate((u_hat, u_hat.as_global())):
            checkpoints.save(step, {"u_hat": (u, coarse.output)})
            found.append(checkpoints.load(like={"u_hat": fine.output}).state["u_hat"])
        check(np.array_equal(*found), "the same modes")
        check(WORLD.allreduce(abs(found[0]).sum()) > 0, "and there are some")


@pytest.mark.parallel(4)
def test_what_a_file_over_time_cannot_have():
    with shared_directory() as directory:
        for suffix in (".h5", ".zarr"):
            file = files.File(directory / f"u{suffix}", "w")
            for nothing in (xp.zeros(()), xp.zeros((0, 3))):
                expect_everywhere(ValueError, "there is nothing to be written", lambda: file.write(1, {"u": nothing}))  # noqa: B023
            g = xp.zeros((3, 4))
            for call in (lambda: file.write({"g": g}, 2), lambda: file.write({"g": g.as_local()}, 2)):  # noqa: B023
                expect_everywhere(ValueError, r"not \{'g': \w+ of shape \(\d, \d\)\}$", call)
            expect_everywhere(TypeError, r"not GlobalArray of shape \(3, 4\)$", lambda: file.write(2, g))  # noqa: B023


@pytest.mark.parallel(3)
def test_modes_of_a_line_at_another_resolution():
    """Of real and complex points, of a scalar and of components, by all scales; they are those of a plan of PFFT."""
    with shared_directory() as directory:
        checkpoints = files.Checkpoints(directory, keep=1)
        norms = itertools.cycle(["forward", "ortho", "backward", "forward"])
        for (dtype, n, m), norm in zip(itertools.product("dF", (12, 15), (8, 21)), norms, strict=False):
            coarse, fine = (FFT1D(WORLD, k, dtype, norm=norm, padding=1.5) for k in (n, m))
            alone = [PFFT(MPI.COMM_SELF, (k, 1), axes=0, dtype=dtype, norm=norm, padding=[1.5, 1]) for k in (n, m)]
            u_hat = xp.zeros((2, *coarse.global_shape(True)), dtype=coarse.dtype(True), distribution=[None, "block"])
            values = np.random.default_rng(n).random((2, coarse.points)).astype(dtype)
            u_hat.local[...] = coarse.forward(np.ascontiguousarray(values[:, coarse.local_slice(False)[0]]))
            whole = alone[0].forward(values[..., None])
            checkpoints.save(1, {"u_hat": (u_hat, coarse.output), "line": (u_hat[0], coarse.output)})
            found = checkpoints.load(like={"u_hat": fine.output, "line": fine.output}).state
            other = files.Checkpoints(directory / str(WORLD.rank), comm=MPI.COMM_SELF)
            other.save(1, {"u_hat": (whole, alone[0].output)})
            expected = np.asarray(other.load(like={"u_hat": alone[1].output}).state["u_hat"])[..., 0]
            both = found["u_hat"].to_numpy(), found["line"].to_numpy()
            with everywhere():
                np.testing.assert_equal(found["line"].local.shape, fine.shape(True))
                for mine, modes in zip(both, (expected, expected[0]), strict=True):
                    np.testing.assert_allclose(mine, modes, rtol=0, atol=30 * np.finfo(dtype).eps * abs(modes).max())
        files.save(directory / "u.npy", u_hat)
        like = coarse.output
        back = files.load(directory / "u.npy", like=like)
        check(np.array_equal(back.local, u_hat.local), "a line as the transform takes it")
        for wrong, message in ((fine.output, r"\(2, 15\), like has \(2, 21\)"), (coarse.input, r"like has \(2, 22\)")):
            expect_everywhere(ValueError, message, lambda: files.load(directory / "u.npy", like=wrong))  # noqa: B023
        dup = WORLD.Dup()
        found = checkpoints.load(like={"line": FFT1D(dup, m, dtype, norm=norm, padding=1.5).output}).state["line"]
        check(np.array_equal(found.to_numpy(), both[1]), "by another communicator of the same ranks")
        dup.Free()
