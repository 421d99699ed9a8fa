"""The programs with global arrays, against loops in Python, serial solvers in long double and scipy's."""

from itertools import islice

import numpy as np
import pytest
from mpi4py import MPI
from scipy.sparse.linalg import LinearOperator, cg
from support import check, everywhere, same_everywhere

from mpi4py_pencil import arrays as xp
from mpi4py_pencil.examples import conjugate_gradients, julia, partitions

COMM = MPI.COMM_WORLD


def escape(z, most):
    """Return after how many steps a point has left the circle."""
    for k in range(most):
        if abs(z) > 2:
            return k
        z = z * z + julia.C
    return most


@pytest.mark.parallel([4])
def test_the_julia_set_is_the_same_in_all_distributions():
    n, most = 20, 40
    grid = (np.arange(n) + 0.5) / n - 0.5
    expected = [[escape(julia.CENTRE + julia.WIDTH * complex(x, -y), most) for x in grid] for y in grid]
    work = {}
    for kind in julia.KINDS:
        g, seconds = julia.julia(xp.Context(COMM), kind, n, most)
        same_everywhere(seconds)
        whole = g.to_numpy()
        with everywhere():
            np.testing.assert_array_equal(whole, expected)
            np.testing.assert_equal(len(seconds), COMM.size)
        work[kind] = COMM.allgather(int(g.local.sum()))
    # the share of the busiest rank, in steps: dealt in turn it is nearly that of all
    share = {kind: max(steps) * COMM.size / sum(steps) for kind, steps in work.items()}
    check(max(share["c-n"], share["c-c"]) < 1.25 < min(share["b-n"], share["b-b"]), f"{share}")


def serial(matrix, b, iterations):
    """Return the norms of the residuals of the classical method, in long double, so to speak without rounding."""
    a, r = matrix.astype(np.longdouble), b.astype(np.longdouble)
    p, norms = r, [np.sqrt(r @ r)]
    for _ in range(iterations):
        alpha = (r @ r) / (p @ a @ p)
        after = r - alpha * (a @ p)
        p = after + (after @ after) / (r @ r) * p
        r = after
        norms.append(np.sqrt(r @ r))
    return np.array(norms, float)


@pytest.mark.parallel([1, 2])
def test_residuals_of_the_model_problem_are_those_of_a_serial_solver():
    n = 48
    a, b = conjugate_gradients.dense_problem(xp.Context(COMM), n)
    matrix, right = a.matrix.to_numpy(), b.to_numpy()
    values = conjugate_gradients.eigenvalues(n)
    with everywhere():
        np.testing.assert_allclose((values[0], values[-1]), (1e-6, 1), rtol=1e-12)
        np.testing.assert_allclose(np.linalg.eigvalsh(matrix), values, rtol=1e-6, atol=1e-14)
        np.testing.assert_allclose(abs(np.linalg.eigh(matrix)[1].T @ right), 1 / np.sqrt(n), rtol=1e-7)
    expected = serial(matrix, right, 24)
    for solver in conjugate_gradients.SOLVERS.values():
        norms = conjugate_gradients.history(solver, (a, b), 12)
        with everywhere():
            np.testing.assert_allclose(norms, expected[:13] / expected[0], rtol=1e-10)
        *_, (x, norm) = islice(solver(a, b), 141)
        found = x.to_numpy()
        with everywhere():
            np.testing.assert_array_less(norm, 1e-9)
            np.testing.assert_allclose(matrix @ found, right, rtol=0, atol=1e-9)
            np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=0, atol=1e-8 / values[0])


@pytest.mark.parallel([2])
def test_residuals_of_helmholtzs_equation_are_those_of_scipys_solver():
    n = 8
    a, b = conjugate_gradients.helmholtz_problem(COMM, n)
    k = np.fft.fftfreq(n, 1 / n)
    square = k[:, None, None] ** 2 + k[:, None] ** 2 + k**2
    x, y, z = np.meshgrid(*[2 * np.pi * np.arange(n) / n] * 3, indexing="ij")
    c = 1 + 99 / (1 + np.exp(8 * (np.cos(x) + np.cos(y) + np.cos(z))))
    right = b.to_numpy()

    def product(u):
        u = u.reshape(n, n, n)
        return (np.fft.ifftn(square * np.fft.fftn(u)).real + c * u).ravel()

    found = []
    cg(LinearOperator((n**3, n**3), product), right.ravel(), rtol=1e-12, callback=lambda u: found.append(u.copy()))
    expected = [np.linalg.norm(right.ravel() - product(u)) for u in [np.zeros(n**3), *found]]
    for solver in conjugate_gradients.SOLVERS.values():
        norms = conjugate_gradients.history(solver, (a, b), 12)
        *_, (solution, _) = islice(solver(a, b), 61)
        gathered = solution.to_numpy()
        with everywhere():
            np.testing.assert_allclose(norms, np.array(expected[:13]) / expected[0], rtol=1e-9)
            np.testing.assert_allclose(gathered, found[-1].reshape(n, n, n), rtol=0, atol=1e-10 * gathered.max())


def test_the_pipelined_method_reduces_once_an_iteration_while_it_multiplies(monkeypatch):
    a, b = conjugate_gradients.dense_problem(xp.Context(MPI.COMM_SELF), 16)
    events = []

    class Sums:
        def __init__(self, *pairs):
            events.append("start")
            self.pending = xp.inner_products(*pairs)

        def wait(self):
            events.append("wait")
            return self.pending.wait()

    class Namespace:
        inner_products, zeros_like = Sums, staticmethod(xp.zeros_like)

    def product(*vectors):
        events.append(f"{len(vectors)} products")
        return a(*vectors)

    monkeypatch.setattr(conjugate_gradients, "xp", Namespace)
    for solver, iteration in (
        (conjugate_gradients.pipelined, ["start", "2 products", "wait"]),
        (conjugate_gradients.classical, ["1 products", *["start", "wait"] * 2]),
    ):
        states = solver(product, b)
        next(states)
        events.clear()
        list(islice(states, 3))
        np.testing.assert_equal(events, 3 * iteration)


@pytest.mark.parallel([2, 3])
def test_partitions():
    context = xp.Context(COMM)
    expected = 1 / (1 + np.add.outer(np.arange(10.0), np.arange(12.0)))
    rows = None
    for name, d in partitions.partitions(range(1, COMM.size + 1)).items():
        a = partitions.matrix(context, d)
        rows = a if rows is None else rows
        gathered, together = a.to_numpy(), (a + 2 * rows).to_numpy()
        with everywhere():
            np.testing.assert_array_equal(gathered, expected, name)
            np.testing.assert_array_equal(together, 3 * expected, name)
            shape = d.local_shape(COMM.rank)
            if name == "everywhere":
                np.testing.assert_equal(shape, (10, 12))
            if name == "in each of two groups":
                np.testing.assert_equal(shape[0], {2: 10, 3: 10 // 3 + (COMM.rank < 1)}[COMM.size])
    norms = partitions.in_groups(context, rows)
    with everywhere():
        np.testing.assert_allclose(norms, np.linalg.norm(expected) * np.arange(1, 3), rtol=1e-14)
    chosen = [d.local_shape(COMM.rank) for d in partitions.partitions(range(1, COMM.size + 1)).values()][2]
    with everywhere():
        np.testing.assert_equal(chosen, ({2: [3, 7], 3: [1, 4, 5]}[COMM.size][COMM.rank], 12))


SMALL = [
    (julia, {"n": 16, "most": 20}, 9, "The Julia set, 16 x 16 points, 2 ranks: seconds"),
    (conjugate_gradients, {"n": 16, "points": 8}, 27, "Conjugate gradients, 2 ranks: residuals"),
    (partitions, {}, 13, "A matrix of 10 x 12 on 2 ranks"),
]


@pytest.mark.parallel(2)
@pytest.mark.parametrize(("module", "arguments", "lines", "title"), SMALL, ids=["julia", "gradients", "partitions"])
def test_what_is_printed_and_drawn(module, arguments, lines, title, tmp_path, capsys):
    path = tmp_path / "picture.png"
    module.main(**arguments, path=str(path))
    said = capsys.readouterr().out.splitlines()
    if COMM.rank == 0:
        np.testing.assert_equal((said[0], len(said), said[-1]), (title, lines, f"Wrote {path}"))
        from matplotlib.image import imread

        np.testing.assert_array_less(0.1, imread(path)[..., :3].std())
    else:
        np.testing.assert_equal((said, path.exists()), ([], False))
