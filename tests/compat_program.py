"""A program as people write it for mpi4py-fft, which checks what it is given; run by test_compat.py."""

import functools
import importlib
import os
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from mpi4py import MPI
from mpi4py_fft import PFFT, DistArray, HDF5File, NCFile, fftw, generate_xdmf, newDistArray
from mpi4py_fft.distarray import DistArray as OfModule
from mpi4py_fft.fftw import fftw_xfftn
from mpi4py_fft.libfft import FFT, FFTBase
from mpi4py_fft.mpifft import Transform
from mpi4py_fft.pencil import Pencil, Subcomm, Transfer
from support import check, everywhere, gather_global, rng

WORLD = MPI.COMM_WORLD
FUSED = "MPI4PY_PENCIL_COMPAT_FUSED"


def numbers(shape, dtype, *key):
    """Return random numbers, the same on every rank."""
    made = rng(*key).standard_normal((2, *shape))
    return (made[0] + (1j * made[1] if np.dtype(dtype).kind == "c" else 0)).astype(dtype)


def close(a, b, what, scale=1.0):
    """Check that two arrays are equal to rounding, on every rank."""
    tolerance = 50 * np.finfo(b.dtype).eps * scale * np.abs(b).max(initial=1)
    with everywhere():
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=tolerance, err_msg=what)


def whole(fft, array, forward_output):
    """Return the global array."""
    return gather_global(array, fft.local_slice(forward_output), fft.global_shape(forward_output))


def a_plan_owns_its_arrays():
    u = numbers((8, 9, 10), float, 1)
    fft = PFFT(WORLD, u.shape)
    check(fft.forward.output_array is fft.backward.input_array, "modes are not shared")
    check(fft.forward.input_array is fft.backward.output_array, "points are not shared")
    mine = u[fft.local_slice(False)]
    modes = np.fft.rfftn(u) / u.size
    u_hat = fft.forward(mine)
    check(u_hat is fft.forward.output_array, "a call does not return the plan's array")
    close(whole(fft, u_hat, True), modes, "forward")
    fft.backward.output_array.fill(0)
    check(fft.backward() is fft.backward.output_array, "a call without arguments")
    close(fft.backward.output_array, mine, "backward of the plan's own modes")
    out = np.zeros(fft.shape(True), np.complex64)
    check(fft.forward(mine.astype(np.float32), out, normalize=False, normalise_idft=False) is out, "the array given")
    close(out, (modes * u.size)[fft.local_slice(True)].astype(np.complex64), "of other dtypes", 10)
    close(fft.forward(2), np.where(np.indices(modes.shape).any(0), 0, 2 + 0j)[fft.local_slice(True)], "of a number")
    close(fft.backward(modes[fft.local_slice(True)], normalize=True), mine / u.size, "backward that scales")
    fft.forward(mine)
    check(np.array_equal(fft.forward.input_array, mine), "an array given alone is not in the plan's own")
    fft.forward(None, out)
    close(out, fft.forward.output_array.astype(np.complex64), "the result is not in the plan's own array too", 10)
    back = newDistArray(fft, False)
    check(fft.backward(modes[fft.local_slice(True)], back) is back, "the DistArray given")
    close(back, mine, "into a DistArray")
    check(PFFT(WORLD, (4, 6, 8), axes=np.array([0, 2, 1])).axes == ((0,), (2,), (1,)), "axes as an array of numpy's")
    for factor in (0.1, [1, 0.9, 1], np.nan):
        with pytest.raises(ValueError, match=r"padding .* must be 1 or more"):
            PFFT(WORLD, (8, 9, 10), padding=factor)
    with pytest.raises(ValueError, match=r"padding .* must be 1 or more"):
        FFT((8, 9), padding=0.5)
    fft.destroy()


def programs_and_stages_agree():
    dct, idct = (functools.partial(f, type=3) for f in (fftw.dctn, fftw.idctn))
    cases = [
        ((7, 8, 9), {"padding": [1.5, 1.5, 1.5]}, "dDf"),
        ((8, 7, 6), {"axes": (2, 0, 1), "padding": [1, 2, 1.5], "grid": (-1,)}, "D"),
        ((6, 9, 8), {"axes": ((0,), (1, 2)), "grid": (-1,)}, "dDg"),
        ((6, 5, 8), {"collapse": True, "backend": "pyfftw"}, "d"),
        ((6, 7, 8), {"transforms": {(1,): (dct, idct), (2,): (fftw.dstn, fftw.idstn)}}, "d"),
        ((5, 4, 3, 6), {"axes": (1, 3)}, "F"),
    ]
    for number, (shape, options, chars) in enumerate(cases):
        for char in chars:
            padding = options.get("padding")
            kept = None if padding is None else list(padding)
            fft = PFFT(WORLD, shape, dtype=char, **options)
            check(padding == kept, "the padding given was changed")
            check(fft.forward._program is not None, f"no program for {options}")
            os.environ[FUSED] = "0"
            staged = PFFT(WORLD, shape, dtype=char, planner_effort="FFTW_ESTIMATE", **options)
            del os.environ[FUSED]
            check(staged.forward._program is None, f"a program for {options}")
            u = numbers(fft.global_shape(), char, 2, number)[fft.local_slice(False)]
            u_hat = numbers(fft.global_shape(True), fft.dtype(True), 3, number)[fft.local_slice(True)]
            close(fft.forward(u), staged.forward(u), f"forward {shape} {options} {char}", 10)
            close(fft.backward(u_hat), staged.backward(u_hat), f"backward {shape} {options} {char}", 10)
            fft.destroy()
            staged.destroy()


def padding_interpolates():
    """Their interpolant is another one for real points where n is 0 or 3 modulo 4."""
    for n in range(5, 9):
        fft = PFFT(WORLD, (8, n), padding=[1, 1.5])
        x = np.arange(fft.global_shape()[1]) * 2 * np.pi / fft.global_shape()[1]
        modes = numbers((8, n // 2 + 1), complex, 4, n)
        modes[:, 0] = 0
        if n % 2 == 0:
            modes[:, -1] = modes[:, -1].real
        given = np.fft.fft(modes, axis=0)[fft.local_slice(True)] / 8
        weights = np.where(2 * np.arange(n // 2 + 1) == n, 1, 2)
        field = ((weights * modes) @ np.exp(1j * np.outer(np.arange(n // 2 + 1), x))).real
        u = fft.backward(given)
        close(u, field[fft.local_slice(False)], f"{n} modes", 10)
        close(fft.forward(u.copy()), given, f"{n} modes, back", 10)
    close(
        whole(plan := PFFT(WORLD, (8, 2)), plan.forward(np.ones(plan.shape(False))), True),
        np.array([[1 + 0j, 0]] + 7 * [[0, 0]]),
        "two real points",
    )


def grids_are_theirs():
    size = WORLD.Get_size()
    sizes = [c.Get_size() for c in PFFT(WORLD, (8, 9, 10)).subcomm]
    check(sizes == MPI.Compute_dims(size, [0, 0, 1]), f"the default grid is {sizes}")
    check([c.Get_size() for c in Subcomm(WORLD)] == [size], "one axis")
    cart = WORLD.Create_cart([1, size])
    check([c.Get_size() for c in Subcomm(cart)] == [1, size], "of a Cartesian communicator")
    axes = Subcomm(WORLD, [-1, 1])
    fft = PFFT(tuple(axes), (8, 6))
    check(fft.forward.input_pencil.subcomm == tuple(axes), "a tuple of communicators")
    check(tuple(Subcomm(WORLD, [0, 1])) == tuple(Subcomm(WORLD, [0, 1])), "each has communicators of its own")
    DistArray((4, 4), val=1)
    first, second = Subcomm(cart), Subcomm(cart)
    for _ in range(2):
        first.destroy()
    check(not any(first) and all(second), "those of a Cartesian communicator are each one's own")
    made = Subcomm(WORLD, [0, 1])
    made.destroy()
    check(all(made) and tuple(made) == tuple(Subcomm(WORLD, [0, 1])), "others stay for the next")
    for line in Subcomm(WORLD, [0, 1]):
        line.Free()
    check([c.Get_size() for c in Subcomm(WORLD, [0, 1])] == [size, 1], "made anew where a caller has freed some")
    cart.Free()
    check(not any(second), "they go with it")


def redistributions():
    n = 6 + WORLD.Get_size()
    pencil = Pencil(Subcomm(WORLD, 1), (5, n, 7))
    check(pencil.subshape[1:] == (n, 7), "communicators of the first axes only")
    u = numbers((5, n, 7), "F", 5)
    start = Pencil(Subcomm(WORLD, [0, 0, 1]), u.shape)
    for axis in (0, 1, -2):
        other = start.pencil(axis)
        transfer = start.transfer(other, "F")
        a = np.asfortranarray(u[tuple(map(slice, start.substart, np.add(start.substart, start.subshape)))])
        b = np.zeros(other.subshape, "F", order="F")
        transfer.forward(a, b)
        close(b, u[tuple(map(slice, other.substart, np.add(other.substart, other.subshape)))], "forward")
        transfer.backward(b, again := np.zeros_like(a))
        close(again, a, "backward")
        transfer.destroy()
    swapped = start.pencil(0)
    direct = Transfer(start.subcomm[0], (5, *start.subshape[1:]), "F", start.subshape, 2, swapped.subshape, 0)
    direct.backward(np.zeros(swapped.subshape, "F"), back := np.ones(start.subshape, "F"))
    check(not back.any(), "a Transfer of its own")


def arrays_keep_their_class():
    check(OfModule is DistArray, "the name of a module has another class")
    u = DistArray((3, 8, 8, 6), val=1, rank=1, alignment=1)
    kinds = [type(x) is DistArray for x in (u, u + 1, u[0], u[0:2], u.copy(), np.sin(u), u.T, u[0][0], u[:, 0], u.v)]
    check(kinds == [True] * 7 + [False] * 3, f"{kinds}")
    check(
        (u[1].rank, u[0:2].rank, u.alignment, u.dimensions, u.global_shape) == (0, 1, 1, 3, (3, 8, 8, 6)), "its facts"
    )
    filled = numbers(u.global_shape, float, 6)
    u[:] = filled[u.local_slice()]
    check(u.redistribute(1) is u, "an array that is aligned already is given back")
    moved = u.redistribute(2) if u.commsizes[3] > 1 else u.redistribute(0)
    close(moved, filled[moved.local_slice()], "redistributed")
    check(moved.redistribute(out=u) is u, "out is given back")
    close(last := u.redistribute(-1), filled[last.local_slice()], "by an axis counted from the end")
    close(u, filled[u.local_slice()], "and back")
    part = u.get((1, slice(None), 3, slice(None)))
    check((part is None) == (WORLD.rank > 0), "get gives the part to rank 0 alone")
    if part is not None:
        np.testing.assert_array_equal(part, filled[1, :, 3])
    fortran = np.asfortranarray(filled[u.local_slice()])
    close(DistArray(u.global_shape, u.subcomm[1:], buffer=fortran, rank=1, alignment=1), u, "a buffer in Fortran order")
    check(DistArray((5,), val=2)[1] == 2, "one axis")
    check(Subcomm(WORLD, np.array([0, 1]))[1].Get_size() == 1, "dimensions as an array of numpy's")


def transforms_are_subclassed():
    said = []

    class Stage:
        input_array = output_array = np.zeros((4, 4))

        def __call__(self, **kw):
            said.append(kw)

    class Doubled(Transform):
        def __call__(self, input_array=None, output_array=None, **kw):
            return 2 * super().__call__(input_array, output_array, **kw)

    pencil = Pencil(Subcomm(MPI.COMM_SELF, [1, 1]), (4, 4))

    class Space(PFFT):
        def __init__(self):
            self.pencil = [pencil, pencil]
            self.forward = Doubled([Stage()], [], self.pencil)

    space = Space()
    result = space.forward(np.ones((4, 4)), kind="fast", mesh=None)
    check(said == [{"kind": "fast", "mesh": None}] and result[0, 0] == 2, f"{said}")
    check((space.shape(False), space.global_shape(), space.dimensions) == ((4, 4), (4, 4), 2), "facts of the space")
    padded = Space()  # shenfun's padded spaces have another pencil there
    padded.forward._pencil = pencil, Pencil(Subcomm(MPI.COMM_SELF, [1, 1]), (6, 4))
    check(padded.shape() == (4, 4), "the shape of the output is not that of its array")
    check(newDistArray(space, rank=1).shape == (2, 4, 4), "an array of the space")


class Basis:
    """A basis of Fourier's, as far as a stage of shenfun's knows it."""

    dealias_direct = False

    def __init__(self, axis, plan):
        self._planned_axes, self.axis, self._plan = [axis], axis, plan
        self.N = plan.forward.output_array.shape[axis]

    def stage(self, name):
        """Return a stage that calls a method of this basis."""
        arrays = self._plan.backward if name == "backward" else self._plan.forward
        stage = type("Stage", (), {"__call__": lambda _, **kw: arrays()})()
        stage.func, stage.input_array, stage.output_array = getattr(self, name), arrays.input_array, arrays.output_array
        return stage

    def forward(self):
        """Give the stage its name."""

    def backward(self):
        """Give the stage its name."""

    def scalar_product(self):
        """Give the stage its name."""


class Polynomials(Basis):
    """A basis of Legendre's, as far as a stage of shenfun's knows it."""

    is_padded = False
    vandermonde = staticmethod(lambda x: np.polynomial.legendre.legvander(x, len(x) - 1))

    def mesh(self, *_):
        """Return the points."""
        return self.points_and_weights(self.N)[0]

    def points_and_weights(self, n):
        """Return those of Gauss."""
        return np.polynomial.legendre.leggauss(n)

    def l2_norm_sq(self):
        """Return the squared norms."""
        return 1 / (np.arange(self.N) + 0.5)


def spaces_of_others_are_programs():
    """Transforms as shenfun has them, of complex points: a program, and their own stages where it is switched off."""
    called = []

    def call(self, input_array=None, output_array=None, kind=None, **kw):
        called.append(kind)
        return Transform.__call__(self, input_array, output_array, **kw)

    names = {"__module__": "shenfun.tensorproductspace", "__call__": call, "_get_kind": lambda *_: "fast"}
    theirs = type("ForwardTransform", (Transform,), names)
    known = type("C2C", (Basis,), {"__module__": "shenfun.fourier.bases"})
    fft = PFFT(WORLD, (6, 8, 9), dtype=complex)
    space = type("Space", (), {})()
    space.coors = type("Coordinates", (), {"is_cartesian": True})
    bases = [known(axis, plan) for axis, plan in zip((2, 1, 0), fft.xfftn, strict=True)]
    for basis in bases:
        basis.tensorproductspace = space
    transfers = [each.forward for each in fft.transfer], [each.backward for each in reversed(fft.transfer)]
    forward = theirs([basis.stage("forward") for basis in bases], transfers[0], fft.pencil)
    backward = theirs([basis.stage("backward") for basis in reversed(bases)], transfers[1], fft.pencil[::-1])
    u = numbers(fft.shape(False), complex, 11, WORLD.rank)
    expected = fft.forward(u).copy()
    close(forward(u), expected, "forward as a program")
    close(backward(expected, out := np.zeros_like(u)), u, "backward as a program")
    check(not called and out.any(), "their own call was made")
    forward(u, normalize=True)
    os.environ[FUSED] = "0"
    staged = theirs(forward._xfftn, transfers[0], fft.pencil), theirs(backward._xfftn, transfers[1], fft.pencil[::-1])
    close(staged[0](u, kind="fast"), expected, "forward by its stages")
    close(staged[1](expected), u, "backward by its stages")
    del os.environ[FUSED]
    check(called == [None, "fast", None], f"{called}")

    polynomials = type("Orthogonal", (Polynomials,), {"__module__": "shenfun.legendre.bases"})(0, fft.xfftn[-1])
    bases[-1] = polynomials
    mixed = type("Space", (), {"coors": space.coors})()
    for basis in bases:
        basis.tensorproductspace = mixed
    called.clear()
    forward = theirs([basis.stage("forward") for basis in bases], transfers[0], fft.pencil)
    backward = theirs([basis.stage("backward") for basis in reversed(bases)], transfers[1], fft.pencil[::-1])
    modes = numbers(fft.global_shape(True), complex, 12)
    matrix = polynomials.vandermonde(polynomials.mesh())
    points = 72 * np.fft.ifft2(np.tensordot(matrix, modes, 1), axes=(1, 2))
    close(backward(modes[fft.local_slice(True)]), points[fft.local_slice(False)], "series of Legendre's")
    close(forward(points[fft.local_slice(False)]), modes[fft.local_slice(True)], "coefficients of Legendre's", 10)
    check(not called, "their own call was made")
    backward(modes[fft.local_slice(True)], mesh="uniform")
    forward(u, kind={"legendre": "vandermonde"})
    check(called == [None, {"legendre": "vandermonde"}], f"{called}")
    theirs([b.stage("scalar_product") for b in bases], transfers[0], fft.pencil)(u)
    check(len(called) == 3, "a scalar product was taken for a transform")


def serial_transforms():
    fftw.rfftn.opts = {"threads": 1}
    for kind, dtype in product((1, 2, 3, 4), "fdg"):
        a = fftw.aligned((6, 5), dtype=dtype)
        x = numbers(a.shape, dtype, 7, kind)
        for name in ("dct", "dst"):
            plan = getattr(fftw, f"{name}n")(a, axes=(0, 1), type=kind, flags=(fftw.FFTW_ESTIMATE,))
            back = getattr(fftw, f"i{name}n")(plan.output_array, axes=(0, 1), type=kind, flags=fftw.FFTW_ESTIMATE)
            b = plan(x)
            close(b, getattr(scipy.fft, f"{name}n")(x, type=kind), f"{name} {kind}", 10)
            close(back(b.copy(), implicit=False, normalize=True), x, f"inverse {name} {kind}", 10)
    a = fftw.aligned((4, 7), dtype="d")
    flags = (fftw.FFTW_ESTIMATE, fftw.FFTW_PRESERVE_INPUT)
    plan = fftw.rfftn(a, None, (1,), 1, flags)
    odd = fftw.irfftn(plan.output_array, (7,), (1,))
    a[...] = x = numbers(a.shape, float, 8)
    check(plan() is plan.output_array and a is plan.input_array, "the plan's arrays")
    close(odd(plan().copy(), out := fftw.aligned((4, 7)), normalize=True), x, "an odd length, into an array")
    check(fftw.fftlib["D"] is fftw_xfftn and issubclass(FFT, FFTBase), "names that programs import")
    check(fftw.get_alignment(out) == 32 and fftw.flag_dict["FFTW_MEASURE"] == 0, "alignment and flags")
    for backend, dtype in product(("fftw", "pyfftw", "numpy", "scipy"), "dD"):
        for axes in (None, (1,), (0, 1)):
            fft = FFT((6, 8), axes, dtype, backend=backend, planner_effort="FFTW_ESTIMATE")
            x = numbers((6, 8), dtype, 9)
            u_hat = fft.forward(x).copy()
            full = np.fft.fftn(x, axes=axes) / np.prod(np.take((6, 8), axes or (0, 1)))
            close(u_hat, full[:, : u_hat.shape[1]], f"{backend} {axes}", 10)
            close(fft.backward(u_hat), x.astype(fft.forward.input_array.dtype), f"{backend} {axes}, back", 10)


def files():
    where = WORLD.bcast(tempfile.mkdtemp() if WORLD.rank == 0 else None)
    fft = PFFT(WORLD, (6, 8, 10))
    u = newDistArray(fft, False, rank=1)
    filled = numbers(u.global_shape, float, 10)
    u[:] = filled[u.local_slice()]
    file, netcdf = HDF5File(f"{where}/u.h5", mode="w"), NCFile(f"{where}/u.nc", domain=[(0, 1)] * 3, mode="w")
    for step in (0, 5, 5):  # written twice
        file.write(step, {"u": [u, (u, [slice(None), np.int64(4), slice(None)])], "v": [u[0]]})
        parts = [(u[0], [slice(at, at + 4), 3, slice(None)]) for at in (0, 2)]  # of one shape
        for each in (file, netcdf):
            each.write(step, {"p": parts})
        netcdf.write(step, {"u": [u, (u, [slice(None), 4, 3])]}, forward_output=False)
    u.write(f"{where}/u.h5", "w", 1, as_scalar=True)
    for name in ("u.h5", "u.nc"):
        again = newDistArray(fft, False, rank=1)
        again.read(f"{where}/{name}", "u", 5 if name == "u.h5" else 1)
        close(again, u, name)
    with pytest.raises(ValueError, match="has the shape"):
        DistArray((4, 8, 10)).read(f"{where}/u.h5", "v", 5)
    if WORLD.rank == 0:
        generate_xdmf(f"{where}/u.h5")
        texts = ["u.xdmf", "u_0to4_3_slice.xdmf", "u_2to6_3_slice.xdmf"]
        planes = [filled[0, at : at + 4, 3] for at in (0, 2)]
        with importlib.import_module("h5py").File(f"{where}/u.h5") as h5:
            np.testing.assert_array_equal(h5["u/2D/slice_4_slice/5"], filled[:, :, 4])
            np.testing.assert_array_equal(h5["w2/3D/1"], filled[2])
            np.testing.assert_array_equal([h5[f"p/2D/{at}to{at + 4}_3_slice/5"] for at in (0, 2)], planes)
            text = Path(f"{where}/u_2to6_3_slice.xdmf").read_text(encoding="utf-8")
            np.testing.assert_equal([text.count('="4 1 10" '), text.count('="4 1 10">u.h5:/p/2D/2to6_3')], [2, 2], text)
        with importlib.import_module("netCDF4").Dataset(f"{where}/u.nc") as nc:
            np.testing.assert_array_equal([nc[f"p_{at}to{at + 4}_3_slice"][1] for at in (0, 2)], planes)
            np.testing.assert_array_equal(nc["x_2to6"][:], nc["x"][2:])
            np.testing.assert_array_equal(nc["u"][:], [filled] * 2)
            np.testing.assert_array_equal(nc["u_slice_4_3"][1], filled[:, :, 4, 3])
            np.testing.assert_equal(nc["u"].dimensions, ("time", "i", "x", "y", "z"))
            np.testing.assert_equal(nc["u"].chunking(), [1, *u.global_shape])
        np.testing.assert_equal(sorted(p.name for p in Path(where).glob("*.xdmf")), texts)


if __name__ == "__main__":
    for step in (
        a_plan_owns_its_arrays,
        programs_and_stages_agree,
        padding_interpolates,
        grids_are_theirs,
        redistributions,
        arrays_keep_their_class,
        transforms_are_subclassed,
        spaces_of_others_are_programs,
        serial_transforms,
        files,
    ):
        step()
    if WORLD.rank == 0:
        print(*sys.argv[1:], "on", WORLD.size)
