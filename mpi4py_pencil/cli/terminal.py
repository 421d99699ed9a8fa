"""Whether somebody watches what a program writes to its standard error."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

LAUNCHERS = ("mpiexec", "mpiexec.hydra", "mpirun", "hydra_pmi_proxy", "prterun", "prted", "orterun", "orted")


def watched() -> bool:
    """Whether the standard error is a terminal, or a pipe of mpiexec's, whose own is a terminal.

    A rank's is such a pipe, wherever mpiexec writes to: so the uppermost of the launchers above this process is looked
    at, which Linux shows where it is on this node. What cannot be seen is not watched: a bar in a log is worse than
    none on a screen.
    """
    top, above = None, os.getppid()
    while _name(above) in LAUNCHERS:
        top, above = above, _parent(above)
    if top is None or not stat.S_ISFIFO(os.fstat(2).st_mode):
        return sys.stderr.isatty()
    return _writes_to_terminal(top)


def _name(process: int) -> str:
    """What the program of a process is called; nothing where that is not told."""
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _parent(process: int) -> int:
    """The process that started another; 0 where it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r"^PPid:\s*(\d+)$", status, re.MULTILINE)
    return int(found[1]) if found else 0


def _writes_to_terminal(process: int) -> bool:
    """Whether the standard error of a process is a terminal."""
    try:
        return str(Path(f"/proc/{process}/fd/2").readlink()).startswith(("/dev/pts/", "/dev/tty"))
    except OSError:
        return False
