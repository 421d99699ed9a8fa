"""The pictures: that they are drawn and not blank, and that they tell what is so."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread
from mpi4py import MPI

from mpi4py_pencil import Pencil, Subcomm
from mpi4py_pencil.plotting import Layout, gather_layout, plot_convergence, plot_flow, plot_pencils, save

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
