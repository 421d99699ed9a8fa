"""Strong and weak scaling: how the time of a transform falls, or stays, as ranks are added.

    mpiexec -n 4 python benchmarks/scaling.py run scaling.jsonl
    python benchmarks/scaling.py draw scaling.jsonl scaling.png

`run` takes as many ranks as any launcher gives it and appends a line of JSON for each of the two; run it with one rank,
two, four and so on (scaling.slurm does, as a job of Slurm). `draw` takes the lines of one or more such files.
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
        result = {"kind": kind, "base": base, "dtype": dtype} | measured(comm, shape, dtype, runs)
        if comm.Get_rank() == 0:
            with file.open("a") as lines:
                lines.write(json.dumps(result) + "\n")
            click.echo(said(result))


def measured(comm: Any, shape: Sequence[int], dtype: str, runs: int) -> Result:
    """The seconds of both directions, and what they depend on. Collective."""
    import numpy as np
    from case import about
    from fields import field
    from mpi4py import MPI
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
    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    return {
        "ranks": comm.Get_size(),
        "nodes": comm.allreduce(int(node.Get_rank() == 0)),
        "shape": shape,
        "grid": fft.pencil[0].sizes,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "about": about(),
        **seconds,
    }


def said(result: Result) -> str:
    """A line about a result."""
    shape = " x ".join(map(str, result["shape"]))
    times = ", ".join(f"{way} {1e3 * median(result[way]):.2f} ms" for way in ("forward", "backward"))
    where = f"{result['ranks']} ranks on {result['nodes']} nodes, grid {tuple(result['grid'])}"
    return f"{result['kind']:<6} {shape} {result['dtype']}, {where}: {times}"


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
    """For each kind, size and direction: the ranks, and their efficiency next to the fewest.

    Runs on as many ranks are put together. In weak scaling an array of n times the points counts as n times the work:
    the logarithm by which the work of an FFT grows beyond that is not taken off.
    """
    found: dict[str, dict[int, list[float]]] = {}
    for result in results:
        for way in ("forward", "backward"):
            name = f"{result['kind']} {'x'.join(map(str, result['base']))} {result['dtype']} {way}"
            found.setdefault(name, {}).setdefault(result["ranks"], []).extend(result[way])
    lines = []
    for name, by_ranks in found.items():
        ranks = sorted(by_ranks)
        spent = [median(by_ranks[n]) * (n if name.startswith("strong") else 1) for n in ranks]
        lines.append((name, ranks, [spent[0] / each for each in spent]))
    return lines


if __name__ == "__main__":
    main()
