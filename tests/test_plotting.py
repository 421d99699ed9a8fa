"""The pictures: that they are drawn and not blank, and that they tell what is so."""

import itertools
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from matplotlib.image import imread
from mpi4py import MPI
from support import check, expect_everywhere

from mpi4py_pencil import Pencil, Subcomm
from mpi4py_pencil import arrays as xp
from mpi4py_pencil.plotting import (
    Blocks,
    Layout,
    gather_blocks,
    gather_layout,
    plot_blocks,
    plot_convergence,
    plot_flow,
    plot_owners,
    plot_pencils,
    plot_slice,
    save,
)
from mpi4py_pencil.plotting.paper import rank_color

SLABS = Layout((8, 6, 4), 2, [((0, 0, 0), (4, 6, 4)), ((4, 0, 0), (4, 6, 4)), ((8, 0, 0), (0, 6, 4))])


def texts(axes):
    return [text.get_text() for text in axes.texts]


def check_picture(figure, path):
    """Write a figure and read it back: it must have its size, ink, and white paper around."""
    save(figure, path)
    pixels = imread(path)[..., :3]
    np.testing.assert_allclose(pixels.shape[1::-1], figure.get_size_inches() * 150, atol=1)
    np.testing.assert_equal(pixels[:, 0], 1)
    np.testing.assert_array_less(0.05, pixels.std())


def test_a_flow(tmp_path):
    x = 2 * np.pi * np.arange(48) / 48
    spectrum = np.r_[0, np.arange(1.0, 30) ** (-5 / 3)]
    figure = plot_flow(np.sin(x)[:, None] ** 2 * np.ones(32), spectrum, 24, "A flow", "z = 0", "computed")
    check_picture(figure, tmp_path / "flow.png")
    plane, curves = figure.axes[:2]
    np.testing.assert_equal(figure.get_suptitle(), "A flow")
    np.testing.assert_equal(plane.get_title(), "Vorticity |ω| on the plane z = 0")
    np.testing.assert_equal([label.get_text() for label in plane.get_xticklabels()], ["0", "π/2", "π", "3π/2", "2π"])
    image = plane.images[0]
    drawn = image.get_array()
    np.testing.assert_equal(drawn.shape, (33, 49))  # y upwards, x to the right, the first points again at 2π
    np.testing.assert_allclose(drawn[0], np.sin(np.r_[x, 0]) ** 2, atol=1e-15)
    np.testing.assert_equal(image.origin, "lower")
    energy, guide = (line.get_xydata() for line in curves.lines)
    np.testing.assert_allclose(energy, np.c_[np.arange(1, 25), spectrum[1:25]])
    slopes = np.diff(np.log(guide), axis=0)
    np.testing.assert_allclose(slopes[:, 1] / slopes[:, 0], -5 / 3)


@pytest.mark.parametrize(("size", "shells", "cutoff"), [(1, 1, 0), (2, 2, 0), (8, 7, 3)])
def test_a_flow_at_rest_or_of_few_modes(tmp_path, size, shells, cutoff):
    for spectrum in (np.zeros(shells), np.ones(shells)):
        figure = plot_flow(np.zeros((size, size)), spectrum, cutoff, "Rest", "z = 0")
        check_picture(figure, tmp_path / "rest.png")
        np.testing.assert_equal(len(figure.axes[1].lines), 1)  # too few wavenumbers for a guide


def test_convergence(tmp_path):
    sizes = np.array([4, 8, 12, 16])
    curves = {"good": 10.0**-sizes, "better": 10.0 ** (-1.5 * sizes)}
    panels = [("Left", curves, ("theory", 10.0 ** (-2 * sizes))), ("Right", {"bad": 1 / sizes}, ("slow", 2 / sizes))]
    figure = plot_convergence(sizes, panels, "Errors", "by hand")
    check_picture(figure, tmp_path / "errors.png")
    np.testing.assert_equal((figure.get_suptitle(), figure.get_supxlabel()), ("Errors", "by hand"))
    left, right = figure.axes
    np.testing.assert_equal([axes.get_title() for axes in (left, right)], ["Left", "Right"])
    np.testing.assert_equal([text.get_text() for text in left.get_legend().texts], ["good", "better", "theory"])
    for line, values in zip(left.lines, curves.values(), strict=False):
        np.testing.assert_array_equal(line.get_xydata(), np.c_[sizes, values])
    np.testing.assert_array_equal(left.lines[2].get_xdata(), [4, 8, 12])  # the guide ends where the errors do
    np.testing.assert_array_equal(right.lines[1].get_ydata(), 2 / sizes)
    np.testing.assert_equal({axes.get_yscale() for axes in (left, right)}, {"log"})


def test_pencils_by_hand(tmp_path):
    many = [((i, j, 0), (1, 1, 4)) for i in range(8) for j in range(6)]
    figure = plot_pencils([SLABS, Layout((8, 6, 4), 2, many)], ["slabs", "columns"])
    check_picture(figure, tmp_path / "pencils.png")
    slabs, columns = figure.axes
    np.testing.assert_equal((slabs.get_title(), columns.get_title()), ("slabs", "columns"))
    np.testing.assert_equal(sorted(texts(slabs)), ["0", "0", "1", "1", "2"])  # axes 0 1 2, ranks 0 1, 2 has nothing
    np.testing.assert_equal(len(texts(columns)), 48 + 3)
    colors = {tuple(patch.get_facecolor()) for patch in columns.patches}
    np.testing.assert_array_less(3 * 48 - 1, len(colors))  # the three faces of each block


def test_pencils_refused():
    for layouts, titles, match in [
        ([], None, "0 layouts and 0 titles"),
        ([SLABS], ["a", "b"], "1 layouts and 2 titles"),
        ([Layout((8, 6), 0, [((0, 0), (8, 6))])], None, r"shape \(8, 6\); it must have three axes"),
    ]:
        with pytest.raises(ValueError, match=match):
            plot_pencils(layouts, titles)


@pytest.mark.parallel([4])
def test_pencils_of_ranks():
    pencil = Pencil(Subcomm(MPI.COMM_WORLD, [2, 2, 1]), (5, 7, 3), 2)
    layouts = [gather_layout(p, MPI.COMM_WORLD) for p in (pencil, pencil.pencil(1))]
    if MPI.COMM_WORLD.rank != 0:
        np.testing.assert_equal(layouts, [None, None])
        return
    for layout, axis in zip(layouts, (2, 1), strict=True):
        np.testing.assert_equal((layout.shape, layout.axis), ((5, 7, 3), axis))
        owners = np.zeros(layout.shape)
        for start, shape in layout.blocks:
            owners[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))] += 1
        np.testing.assert_equal(owners, 1)
    figure = plot_pencils(layouts)
    np.testing.assert_equal([axes.get_title() for axes in figure.axes], ["aligned in axis 2", "aligned in axis 1"])
    np.testing.assert_equal(sorted(texts(figure.axes[0])), sorted("012" + "0123"))


def owned(d, size):
    """Return for each point the ranks that have it, as a set."""
    found = np.frompyfunc(lambda _: set(), 1, 1)(np.zeros(d.shape))
    for rank in range(size):
        for index in itertools.product(*d.lists(rank) or [[]]):
            found[index].add(rank)
    return found


def number(text):
    """Return the ranks that a text of a picture names."""
    first, _, last = text.partition("–")
    return set(range(int(first), int(last) + 1)) if last else set(map(int, text.split(", ")))


PLANES = [
    ((8, 6), ["block", "cyclic"], [2, 2], None),
    ((7, 5), [2, [4, 1]], [2, 2], None),
    ((5, 4), [None, xp.Unstructured([[0, 3], [1], [2]])], [3], None),
    ((4, 3), [[1, 3], None], [2, 2], None),
    ((3, 3), [None, None], [4], None),
    ((4, 6), ["cyclic", "block"], [2, 2], [1, 3, 0, 6]),
    ((12,), [xp.Unstructured([[0, 5], [1, 2, 3, 4, 11], [6, 7, 8, 9, 10]])], [3], None),
]


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: str(plane[1]))
def test_owners_are_those_that_have_the_points(plane):
    shape, axes, dims, ranks = plane
    d = xp.Distribution.of(shape, axes, dims, ranks=ranks)
    figure = plot_owners(d)
    (panel,) = figure.axes
    np.testing.assert_equal(panel.get_title(), str(d))
    size = 7 if ranks else int(np.prod(dims))
    owners = owned(d, size).reshape((1, *shape)[-2:])
    drawn = np.array(panel.collections[0].get_array())
    named = {tuple(map(float, text.get_position()[::-1])): number(text.get_text()) for text in panel.texts}
    edges = [np.unique(panel.collections[0].get_coordinates()[..., k]) for k in (1, 0)]
    for i, j in np.ndindex(drawn.shape[:2]):
        rows, columns = (range(int(e[k]), int(e[k + 1])) for e, k in zip(edges, (i, j), strict=True))
        ranks_here = owners[rows[0], columns[0]]
        for index in np.ndindex(len(rows), len(columns)):
            np.testing.assert_equal(owners[rows[index[0]], columns[index[1]]], ranks_here)
        middle = float(np.mean(edges[0][i : i + 2])), float(np.mean(edges[1][j : j + 2]))
        np.testing.assert_equal(named[middle], ranks_here)
        np.testing.assert_allclose(drawn[i, j], np.mean([rank_color(r, size) for r in ranks_here], axis=0))


def test_owners_on_the_faces_of_a_cube(tmp_path):
    d = xp.Distribution.of((4, 6, 5), ["cyclic", "block", None], [2, 2])
    figure = plot_owners([d, xp.Distribution.of((4, 6, 5), [None, None, None], [3])], ["dealt", "everywhere"])
    check_picture(figure, tmp_path / "owners.png")
    dealt, everywhere = figure.axes
    # the faces at the ends: axes 1 and 2 of the last index of axis 0, and so on, and the numbers of the axes
    faces = ["2", "3"] + ["1", "3"] * 2 + ["0", "1", "2", "3"] * 2
    np.testing.assert_equal(sorted(texts(dealt)), sorted(faces + ["0", "1", "2"]))
    np.testing.assert_equal(sorted(texts(everywhere)), sorted(["0–2"] * 3 + ["0", "1", "2"]))


def test_distributions_refused():
    line = xp.Distribution.of((8,), ["block"], [2])
    for call, match in [
        (lambda: plot_owners([]), "0 distributions and 0 titles"),
        (lambda: plot_owners(line, ["a", "b"]), "1 distributions and 2 titles"),
        (lambda: plot_owners(xp.Distribution.of((2, 2, 2, 2), [None] * 4, [1])), r"shape \(2, 2, 2, 2\)"),
        (lambda: plot_owners(xp.Distribution.of((0, 2), [None, None], [1])), "must have points"),
        (lambda: plot_owners(xp.Distribution.of((2000,), ["cyclic"], [2])), "axis 0 is of 2000 runs"),
        (lambda: plot_slice(np.zeros((2, 2, 2))), r"\(2, 2, 2\) are no slice"),
        (lambda: plot_slice(np.zeros(9), line), r"of shape \(8,\), the values are of \(9,\)"),
        (lambda: plot_blocks(Blocks(xp.Distribution.of((0,), ["block"], [1]), [np.zeros(0)])), "no points"),
    ]:
        with pytest.raises(ValueError, match=match):
            call()
    whole = xp.Distribution.of((2, 2), [None, None], [1])
    for call in (lambda: plot_blocks(Blocks(whole, [np.ones((2, 2), complex)])), lambda: plot_slice([1j, 2])):
        with pytest.raises(TypeError, match="values are complex128"):
            call()
    g = xp.Context(MPI.COMM_SELF).ones(3)
    for call in (lambda: plot_owners(g), lambda: plot_slice(np.ones(3), g)):
        with pytest.raises(TypeError, match=r"no distribution: pass its \.distribution"):
            call()
    holes = np.arange(24.0).reshape(4, 6)
    holes[1, 2:4] = np.nan, np.inf
    image = plot_slice(holes).axes[0].images[0]
    np.testing.assert_equal((image.norm.vmin, image.norm.vmax), (0, 23))
    truths = plot_blocks(Blocks(whole, [np.eye(2, dtype=bool)]))
    np.testing.assert_equal(texts(truths.axes[0]), ["True", "False", "False", "True"])


@pytest.mark.parallel([3])
def test_blocks_of_ranks(tmp_path):
    g = xp.reshape(xp.arange(35), (5, 7)).redistribute(["cyclic", None])
    blocks = gather_blocks(g)
    expect_everywhere(ValueError, "3 axes has no flat blocks", lambda: gather_blocks(xp.zeros((2, 2, 2))))
    if MPI.COMM_WORLD.rank:
        np.testing.assert_equal(blocks, None)
        return
    figure = plot_blocks(blocks)
    check_picture(figure, tmp_path / "blocks.png")
    whole = np.arange(35).reshape(5, 7)
    for rank, axes in enumerate(figure.axes[:3]):
        mine = whole[rank::3]
        np.testing.assert_equal(axes.get_title(), f"rank {rank}: {mine.shape[0]} × 7")
        np.testing.assert_equal(np.array(axes.images[0].get_array()), mine)
        np.testing.assert_equal([t.get_text() for t in axes.get_yticklabels()], list(map(str, range(rank, 5, 3))))
        np.testing.assert_equal(texts(axes), [str(value) for value in mine.ravel()])


@pytest.mark.parallel([2])
def test_a_slice_is_all_that_is_gathered(tmp_path):
    g = xp.fromfunction(lambda i, j, k: np.sin(0.1 * i) + j - k, (64, 48, 40), distribution=["cyclic", None, None])
    tracemalloc.start()
    plane = g[:, :, 7]
    values = plane.to_numpy(root=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    check(peak < 4 * plane.nbytes, f"{peak} bytes for a slice of {plane.nbytes}")
    if MPI.COMM_WORLD.rank == 0:
        expected = np.sin(0.1 * np.arange(64))[:, None] + np.arange(48) - 7
        field = plot_slice(values, plane.distribution, "A slice")
        check_picture(field, tmp_path / "slice.png")
        np.testing.assert_allclose(field.axes[0].images[0].get_array(), expected.T)
        blocks = xp.Distribution.of((64,), [[40, 24]], [2])
        line = plot_slice(values[:, 3], blocks, "A line")
        np.testing.assert_allclose(line.axes[0].lines[0].get_ydata(), expected[:, 3])
        np.testing.assert_equal((texts(line.axes[0]), line.axes[0].lines[1].get_xdata()), (["0", "1"], [39.5, 39.5]))


def test_no_global_state_and_no_display():
    code = (
        "import sys; from mpi4py_pencil.plotting import plot_flow, save; "
        "save(plot_flow([[1]], [0], 0, '', ''), sys.argv[1]); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, "/dev/null"], check=True, timeout=60)


def test_without_matplotlib():
    code = "import sys; sys.modules['matplotlib'] = None; import mpi4py_pencil.plotting"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    np.testing.assert_equal(
        done.stderr.splitlines()[-1],
        "ModuleNotFoundError: mpi4py_pencil.plotting needs matplotlib: pip install 'mpi4py-pencil[cli]'",
    )
