"""Memory that processes use together at their peak, each shared page counted once.

As a program it watches the processes whose numbers are its arguments until its input ends, and writes the peak in
bytes. Linux only: the proportional set size counts a page that n processes share as an nth for each.
"""

from __future__ import annotations

import re
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

EVERY = 0.002
"""Seconds between two looks."""


def used(processes: Sequence[int]) -> int:
    """Bytes in use by the processes."""
    rollups = (Path(f"/proc/{process}/smaps_rollup").read_text() for process in processes)
    return sum(1024 * int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) for text in rollups)


class Watch:
    """A watcher of processes, from here to `peak`."""

    def __init__(self, processes: Sequence[int]) -> None:
        numbers = [str(process) for process in processes]
        self._process = subprocess.Popen(
            [sys.executable, __file__, *numbers], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._process.stdout.readline()  # it has begun

    def peak(self) -> int:
        """The most bytes in use since the beginning; the watcher ends."""
        return int(self._process.communicate()[0])


def main() -> None:
    """Watch."""
    processes = [int(argument) for argument in sys.argv[1:]]
    peak = used(processes)
    print("watching", flush=True)
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        peak = max(peak, used(processes))
    print(max(peak, used(processes)))


if __name__ == "__main__":
    main()
