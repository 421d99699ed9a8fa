"""Measure this package next to others and print a table.

    python benchmarks/table.py

This starts a job of `mpiexec -n N` for each number of ranks and each peer. In it ours and the peer take turns; both get
the caller's arrays and scale. The results are compared before anything is measured. What is not installed is named.

Rows: {names}.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from report import draw, heading, table
from rows import MARK, Row, all_rows, quick

CASE = Path(__file__).with_name("case.py")

REST = 0.3
"""Seconds after which the threads of another process that wait for work, spinning, have gone to sleep."""

Result = dict[str, Any]


def default_launcher() -> str:
    """The mpiexec of this Python's environment, else that on the path."""
    beside = Path(sys.executable).with_name("mpiexec")
    return f"{shlex.quote(str(beside)) if beside.exists() else 'mpiexec'} -n {{ranks}}"


def jobs(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows that one job measures: those with the same ranks and peer, and each that measures memory by itself."""
    together: dict[Any, list[Row]] = {}
    for row in rows:
        for peer in row.peers:
            key = (peer, row.ranks, row.name if row.kind in ("memory", "plan") else "")
            together.setdefault(key, []).append(row)
    for (peer, *_), group in together.items():
        yield peer, group


def run(launcher: str, peer: str, rows: Sequence[Row], settings: Result) -> list[Result]:
    """The results of a job; where it breaks off at a row, that one has failed, and another job does the rest."""
    results: list[Result] = []
    while len(results) < len(rows):
        left = rows[len(results) :]
        job = {"rows": [row._asdict() for row in left], "peer": peer, **settings}
        words = [word.replace("{ranks}", str(left[0].ranks)) for word in shlex.split(launcher)]
        environment = {"OMP_NUM_THREADS": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", **os.environ}
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            command = [*words, sys.executable, str(CASE), json.dumps(job)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as ranks:
                done = [json.loads(line[len(MARK) :]) for line in ranks.stdout or () if line.startswith(MARK)]
            results += done
            errors.seek(0)
            if len(done) < len(left):
                said = " / ".join(errors.read().strip().splitlines()[-3:])
                failed = f"the job ended with status {ranks.returncode}: {said}"
                results.append(left[len(done)]._asdict() | {"peer": peer, "failed": failed})
    return results


def chosen(patterns: Sequence[str]) -> list[Row]:
    """The rows whose names match."""
    rows = all_rows()
    for pattern in patterns:
        if not any(fnmatchcase(row.name, pattern) for row in rows):
            raise click.BadParameter(f"{pattern!r} matches none of {', '.join(row.name for row in rows)}")
    return [row for row in rows if not patterns or any(fnmatchcase(row.name, pattern) for pattern in patterns)]


@click.command(help=__doc__.format(names=", ".join(row.name for row in all_rows())))
@click.option("--rows", "patterns", multiple=True, help='Names or patterns such as "c2c *"; may be repeated.')
@click.option(
    "--runs", default=7, show_default=True, type=click.IntRange(1), help="Of each, in turns; more of short ones."
)
@click.option("--quick", "small", is_flag=True, help="A sixteenth of the points along long axes, 3 runs: only a trial.")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write all seconds here.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the ratios here (matplotlib).")
@click.option("--launcher", default=default_launcher(), show_default=True, help='Such as "srun -n {ranks}".')
@click.option("--mkl-python", default=sys.executable, help="A Python that has mkl_fft and numpy; this one by default.")
def main(
    patterns: tuple[str, ...],
    runs: int,
    small: bool,
    target: Path | None,
    plot: Path | None,
    launcher: str,
    mkl_python: str,
) -> None:
    """Measure, print, write and draw."""
    rows = [quick(row) if small else row for row in chosen(patterns)]
    pace = {"runs": 3, "seconds": 0, "rest": 0} if small else {"runs": runs, "seconds": 0.25, "rest": REST}
    settings = pace | {"quick": small, "mkl_python": mkl_python}
    results: list[Result] = []
    for peer, group in jobs(rows):
        click.echo(f"{peer}, {group[0].ranks} ranks: {', '.join(row.name for row in group)} ...", err=True)
        results += run(launcher, peer, group, settings)
    order = [(row.name, peer) for row in rows for peer in row.peers]
    results.sort(key=lambda result: order.index((result["name"], result["peer"])))
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    everything = {"command": shlex.join(["python", *sys.argv]), "date": when, "settings": settings, "results": results}
    click.echo(heading(everything))
    click.echo(table(results))
    if target:
        target.write_text(json.dumps(everything, indent=1) + "\n")
    if plot:
        draw(results, plot)


if __name__ == "__main__":
    main()
