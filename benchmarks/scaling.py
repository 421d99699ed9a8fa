"""Strong and weak scaling: how the time of a transform, or of a program, falls, or stays, as ranks are added.

    mpiexec -n 4 python benchmarks/scaling.py run scaling.jsonl
    python benchmarks/scaling.py draw scaling.jsonl scaling.png

`run` measures transforms, `julia` and `gradients` programs with global arrays. They take as many ranks as any launcher
gives them and append a line of JSON for each array; run them with one rank, two, four and so on (scaling.slurm does so
with the first, as a job of Slurm). `draw` takes the lines of one or more such files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

import click

Result = dict[str, Any]


def numbers(_: Any, __: Any, value: str) -> tuple[int, ...]:
    """Parse "64x32x32"."""
    try:
        return tuple(int(n) for n in value.split("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} must be numbers with an x between them, as in 64x64x64.") from None


@click.group(help=__doc__)
def main() -> None:
    """Measure or draw."""


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--strong", default="256x256x256", show_default=True, callback=numbers, help="The whole array.")
@click.option("--weak", default="128x128x128", show_default=True, callback=numbers, help="A rank's share of the array.")
@click.option("--dtype", default="complex128", show_default=True, help="Of the input.")
@click.option("--runs", default=9, show_default=True, type=click.IntRange(1), help="Of each direction, in turns.")
def run(file: Path, strong: tuple[int, ...], weak: tuple[int, ...], dtype: str, runs: int) -> None:
    """Measure on these ranks and append to FILE."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    factors = MPI.Compute_dims(comm.Get_size(), len(weak))
    grown = tuple(n * factor for n, factor in zip(weak, factors, strict=True))
    for kind, base, shape in (("strong", strong, strong), ("weak", weak, grown)):
        what = {"kind": kind, "base": base, "what": dtype, "shape": shape}
        append(file, comm, what | transforms(comm, shape, dtype, runs))


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--strong", default=1024, show_default=True, help="Points along both axes of the whole square.")
@click.option("--weak", default=512, show_default=True, help="Points along both axes of a square as large as a share.")
@click.option("--steps", default=400, show_default=True, help="Most steps of a point.")
@click.option("--runs", default=5, show_default=True, type=click.IntRange(1), help="Of each distribution, in turns.")
def julia(file: Path, strong: int, weak: int, steps: int, runs: int) -> None:
    """Measure the Julia set in four distributions on these ranks and append to FILE."""
    from mpi4py import MPI
    from timing import in_turns, timed

    from mpi4py_pencil import arrays
    from mpi4py_pencil.examples.julia import KINDS, julia

    context = arrays.Context(MPI.COMM_WORLD)
    grown = round(weak * context.size**0.5)
    for scaling, base, n in (("strong", strong, strong), ("weak", weak, grown)):
        calls = {kind: timed(context.comm, lambda kind=kind, n=n: julia(context, kind, n, steps)) for kind in KINDS}
        what = {"kind": scaling, "base": [base, base], "what": "Julia set", "shape": [n, n]}
        append(file, context.comm, what | {"seconds": in_turns(calls, runs, 0.25)})


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--rows", default=4000, show_default=True, help="Of the dense matrix.")
@click.option("--points", default=64, show_default=True, help="Along each axis, for Helmholtz's equation.")
@click.option("--iterations", default=40, show_default=True, help="Of a run.")
@click.option("--runs", default=5, show_default=True, type=click.IntRange(1), help="Of each method, in turns.")
def gradients(file: Path, rows: int, points: int, iterations: int, runs: int) -> None:
    """Measure iterations of conjugate gradients on these ranks and append to FILE: strong scaling."""
    from mpi4py import MPI
    from timing import in_turns, timed

    from mpi4py_pencil import arrays
    from mpi4py_pencil.examples.conjugate_gradients import SOLVERS, dense_problem, helmholtz_problem, history

    comm = MPI.COMM_WORLD
    for name, shape, problem in (
        ("dense", [rows, rows], dense_problem(arrays.Context(comm), rows)),
        ("Helmholtz", [points] * 3, helmholtz_problem(comm, points)),
    ):
        calls = {
            method: timed(comm, lambda solver=solver, problem=problem: history(solver, problem, iterations))
            for method, solver in SOLVERS.items()
        }
        found = {method: [each / iterations for each in all_of] for method, all_of in in_turns(calls, runs, 0).items()}
        append(file, comm, {"kind": "strong", "base": shape, "what": name, "shape": shape, "seconds": found})


def append(file: Path, comm: Any, result: Result) -> None:
    """Write a result to a file, with what it depends on, and say it. Collective."""
    from case import about
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    result |= {
        "ranks": comm.Get_size(),
        "nodes": comm.allreduce(int(node.Get_rank() == 0)),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "about": about(),
    }
    if comm.Get_rank() == 0:
        with file.open("a") as lines:
            lines.write(json.dumps(result) + "\n")
        click.echo(said(result))


def transforms(comm: Any, shape: Sequence[int], dtype: str, runs: int) -> Result:
    """The seconds of both directions, and the grid. Collective."""
    import numpy as np
    from fields import field
    from timing import in_turns, timed

    from mpi4py_pencil import PFFT, newDistArray

    fft = PFFT(comm, shape, dtype=dtype)
    u, u_hat, back = (newDistArray(fft, side).view(np.ndarray) for side in (False, True, False))
    u[...] = field(fft.global_shape(False), fft.local_slice(False), u.dtype)
    calls = {
        "forward": timed(comm, lambda: fft.forward(u, u_hat)),
        "backward": timed(comm, lambda: fft.backward(u_hat, back)),
    }
    seconds = in_turns(calls, runs, 0.25)
    if not all(comm.allgather(np.allclose(back, u, atol=1e-3 if u.dtype.char in "fF" else 1e-10))):
        raise RuntimeError(f"{shape}: backward does not undo forward")
    return {"grid": fft.pencil[0].sizes, "seconds": seconds}


def said(result: Result) -> str:
    """A line about a result."""
    shape = " x ".join(map(str, result["shape"]))
    times = ", ".join(f"{way} {1e3 * median(all_of):.2f} ms" for way, all_of in result["seconds"].items())
    where = f"{result['ranks']} ranks on {result['nodes']} nodes"
    where += f", grid {tuple(result['grid'])}" if "grid" in result else ""
    return f"{result['kind']:<6} {shape} {result['what']}, {where}: {times}"


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
def draw(files: tuple[Path, ...], picture: Path) -> None:
    """Draw the speed-up and the efficiency of the runs in FILES."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    results = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
    for name, ranks, efficiency in curves(results):
        panels[0].plot(ranks, [e * n / ranks[0] for n, e in zip(ranks, efficiency, strict=True)], "o-", label=name)
        panels[1].plot(ranks, efficiency, "o-", label=name)
        click.echo(f"{name}: " + ", ".join(f"{n} ranks {e:.2f}" for n, e in zip(ranks, efficiency, strict=True)))
    for panel in panels:
        panel.set_xscale("log", base=2)
        panel.set_xlabel("ranks")
    most, least = (pick(result["ranks"] for result in results) for pick in (max, min))
    panels[0].plot([least, most], [1, most / least], color="black", linewidth=0.8, label="ideal")
    panels[1].axhline(1, color="black", linewidth=0.8)
    panels[0].set_yscale("log", base=2)
    panels[0].set(ylabel="speed-up over the fewest ranks")
    panels[1].set(ylim=(0, None), ylabel="efficiency")
    for axis in (panels[0].xaxis, panels[0].yaxis, panels[1].xaxis):
        axis.set_major_formatter("{x:g}")
    panels[0].legend()
    figure.savefig(picture, dpi=120)
    plt.close(figure)


def curves(results: Sequence[Result]) -> list[tuple[str, list[int], list[float]]]:
    """For each kind, size and way (a direction, a distribution, a method): ranks, and efficiency next to the fewest.

    Runs on as many ranks are put together. In weak scaling an array of n times the points counts as n times the work:
    the logarithm by which the work of an FFT grows beyond that is not taken off.
    """
    found: dict[str, dict[int, list[float]]] = {}
    for result in results:
        for way, seconds in result["seconds"].items():
            name = f"{result['kind']} {'x'.join(map(str, result['base']))} {result['what']} {way}"
            found.setdefault(name, {}).setdefault(result["ranks"], []).extend(seconds)
    lines = []
    for name, by_ranks in found.items():
        ranks = sorted(by_ranks)
        spent = [median(by_ranks[n]) * (n if name.startswith("strong") else 1) for n in ranks]
        lines.append((name, ranks, [spent[0] / each for each in spent]))
    return lines


if __name__ == "__main__":
    main()
