"""Every example in the docstrings, the README and the documentation does what it shows.

A code block of a page is a Python session with prompts (the sessions of a page are one); a script, which begins with
its name; a console, which runs scripts of its page and shows what they print; or something that is not Python and not
run. A docstring's examples are a session.
"""

import ast
import doctest
import importlib.util
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import mpi4py_pencil

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SECONDS = 60
# What the examples of docstrings need not import.
KNOWN = {"np": np, **{name: getattr(mpi4py_pencil, name) for name in mpi4py_pencil.__all__}}


class Block(NamedTuple):
    """A fenced block of code: its language, its line in the page, and its text."""

    language: str
    line: int
    text: str


class Run(NamedTuple):
    """A command of a console and what it prints."""

    page: Path
    line: int
    command: str
    output: str


def blocks(page):
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(match[1], 1 + text.count("\n", 0, match.start()), match[2]) for match in found]


def sessions(page):
    return [block for block in blocks(page) if block.language == "python" and ">>> " in block.text]


def scripts(page):
    names = ((re.match(r"# (\w+\.py)\n", block.text), block) for block in blocks(page) if block.language == "python")
    return {name[1]: block.text for name, block in names if name}


def runs(page):
    found = []
    for block in blocks(page):
        if block.language == "console":
            for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
                found.append(Run(page, block.line, command, output))
    return found


def source(module):
    return Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")


def modules():
    """Return the names of the modules with examples: not imported, since some need extras."""
    found = pkgutil.walk_packages(mpi4py_pencil.__path__, "mpi4py_pencil.")
    names = ["mpi4py_pencil", *(module.name for module in found if not module.name.endswith("._kernels"))]
    return [name for name in names if ">>> " in source(name)]


@pytest.mark.parametrize("name", modules())
def test_examples_of_docstrings(name):
    for node in ast.walk(ast.parse(source(name))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            text = ast.get_docstring(node) or ""
            if ">>> " in text:
                execute(text, dict(KNOWN), f"{name}.{getattr(node, 'name', '')}", name, 0)


def execute(text, names, title, path, line):
    """Run a session with the names given, and return the names that it leaves."""
    runner = doctest.DocTestRunner(verbose=False)
    session = doctest.DocTestParser().get_doctest(text, names, title, path, line)
    runner.run(session, clear_globs=False)
    if runner.failures or not runner.tries:
        pytest.fail(f"{runner.failures} of {runner.tries} examples of {title} failed")
    return session.globs


@pytest.mark.parametrize("page", [page for page in PAGES if sessions(page)], ids=lambda page: page.name)
def test_sessions(page, monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))  # where the engines of a notebook tell of themselves
    if any("import ipyparallel" in block.text for block in sessions(page)):
        pytest.importorskip("ipyparallel", reason="the extra notebook is not installed: it takes long to start")
    names = {}
    for block in sessions(page):
        names = execute(block.text, names, page.name, str(page), block.line)


@pytest.mark.parametrize("run", [run for page in PAGES for run in runs(page)], ids=lambda r: f"{r.page.stem}:{r.line}")
def test_scripts(run, tmp_path):
    for name, text in scripts(run.page).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    words = shlex.split(run.command)
    settings = dict(words.pop(0).split("=", 1) for _ in range(len(words)) if "=" in words[0])
    if words[:2] != ["mpiexec", "-n"] or words[3] != "python":
        pytest.fail(f"not a run of a script: {run.command}")
    words[3] = sys.executable
    environment = {**os.environ, **settings, "MPIEXEC_TIMEOUT": str(SECONDS)}
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=SECONDS + 10
    )
    if done.returncode or done.stdout != run.output:
        pytest.fail(
            f"{run.command}\nexpected:\n{run.output}\nstatus {done.returncode}, output:\n{done.stdout}\n{done.stderr}"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_python_is_left_out(page):
    commands = " ".join(run.command for run in runs(page)).split()
    unused = scripts(page).keys() - set(commands)
    fragments = [b.line for b in blocks(page) if b.language == "python" and not re.match(r">>> |# \w+\.py\n", b.text)]
    if unused or fragments:
        pytest.fail(f"no console runs {sorted(unused)}; neither a session nor a script are the blocks in {fragments}")


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    np.testing.assert_equal(re.findall(r"^version: (.*)$", text, re.MULTILINE), [version("mpi4py-pencil")])


def floors():
    """Return the floor of each module, by the diagram in the documentation."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^ {1,2}(\d+)  (.*?)(?: {2,}.*)?$", text, re.MULTILINE)
    return {name: int(number) for number, names in rows for name in re.findall(r"\w+", names)}


def imported(path, package):
    """Yield the modules of this package that a file imports when it is imported itself."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package.split(".")[: 1 - node.level or None]
            yield from ([*base, *(node.module or alias.name).split(".")] for alias in node.names)


def test_imports_go_down_the_floors():
    floor = floors()
    root = Path(mpi4py_pencil.__file__).parent
    below = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] not in ("__init__", "__main__"):
            package = ".".join(["mpi4py_pencil", *parts[:-1]])
            below.setdefault(parts[0], set()).update(name[1] for name in imported(path, package))
    missing = below.keys() - floor.keys()
    upward = [(name, other) for name in below for other in below[name] if floor.get(other, 0) > floor.get(name, 99)]
    if missing or upward:
        pytest.fail(f"not in docs/architecture.md: {sorted(missing)}; imports go up: {sorted(upward)}")
