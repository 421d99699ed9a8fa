"""The command line: what it prints, what it refuses, and how it ends."""

import contextlib
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest
from installed import engines
from matplotlib.image import imread
from mpi4py import MPI
from shared import files_no_longer_than, shared_directory
from support import check, everywhere

from mpi4py_pencil import PFFT, files, newDistArray
from mpi4py_pencil.cli import run_command
from mpi4py_pencil.cli.taylor_green import in_pi
from mpi4py_pencil.cli.values import joined, sizes
from mpi4py_pencil.examples.taylor_green import NavierStokes
from mpi4py_pencil.plan import tuning
from mpi4py_pencil.plan.arguments import request

COMM = MPI.COMM_WORLD
REFERENCE = "--size 32 --nu 0.000625 --dt 0.01 --end 0.1 --dealias mask --every 5"


def command(ranks, *arguments, program=("-m", "mpi4py_pencil")):
    """Run the command line in its own ranks; return its exit status, output and errors."""
    call = ["mpiexec", "-n", str(ranks), sys.executable, *program, *arguments]
    done = subprocess.run(call, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout, done.stderr


def errors_of(text):
    """Return the lines that are the program's own: Open MPI's launcher has a word to say about any exit status."""
    return [line for line in text.splitlines() if line.startswith(("Error", "Traceback", "Usage"))]


def test_the_reference(tmp_path):
    picture = tmp_path / "vortex.png"
    status, output, _ = command(2, "taylor-green", *REFERENCE.split(), "--output", str(picture))
    np.testing.assert_equal(status, 0)
    title, steps, blank, *rows, gap, wrote = output.splitlines()
    np.testing.assert_equal(
        (title, steps, blank, gap, wrote),
        (
            "Taylor-Green vortex, Re = 1600: 32 x 32 x 32 modes, upper third dropped, double precision, 2 ranks",
            "10 steps of 0.01 to t = 0.1",
            "",
            "",
            f"Wrote {picture}",
        ),
    )
    np.testing.assert_equal(rows[0].split(), ["time", "kinetic", "energy", "dissipation", "s", "/", "step"])
    np.testing.assert_equal({len(row) for row in rows}, {len(rows[0])})
    np.testing.assert_equal([row.split()[0] for row in rows[1:]], ["0.0000", "0.0500", "0.1000"])
    np.testing.assert_equal(rows[-1].split()[1:3], ["0.124953117517", "0.000469062414"])
    np.testing.assert_array_less(0.1, imread(picture)[..., :3].std())


@pytest.mark.parallel([2])
def test_help_is_printed_once(capfd):
    for arguments in (["--help"], ["taylor-green", "--help"]):
        status = run_command(COMM, arguments)
        output, errors = capfd.readouterr()
        with everywhere():
            np.testing.assert_equal((status, errors, output.count("Usage:")), (0, "", COMM.rank == 0), arguments)
            np.testing.assert_equal("taylor-green" in output, COMM.rank == 0, arguments)


def test_no_words_are_a_question_for_help():
    status, output, errors = command(2)
    np.testing.assert_equal((status, errors), (0, ""))
    np.testing.assert_equal((output.count("Usage:"), "taylor-green" in output), (1, True))


def test_a_bad_option_is_one_line():
    status, output, errors = command(2, "taylor-green", "--colour", "red")
    np.testing.assert_equal((status, output), (2, ""))
    np.testing.assert_equal(len(errors_of(errors)), 1)
    check(errors.startswith("Error: "), errors)


REFUSED = {
    "--colour red": "No such option '--colour'",
    "--size 0": "'--size': '0' must be a positive number",
    "--size 4x4": "'--size': '4x4' must be a positive number, or three as in 64x32x32",
    "--size -4": "'--size': '-4' must be",
    "--size four": "'--size': 'four' must be",
    "--size 64,": "'--size': '64,' must be",
    "--size 4 4": "'--size': '4 4' must be a positive number, or three",
    "--nu -1": "'--nu': -1 must be a finite number, 0 or more",
    "--nu nan": "'--nu': nan must be a finite number, 0 or more",
    "--dt 0": "'--dt': 0 must be a finite number above 0",
    "--end inf": "'--end': inf must be a finite number above 0",
    "--every 0": "'--every': 0 must be 1 or more",
    "--grid 3": "'--grid': '3' makes 3 blocks, but must make as many as ranks, 2",
    "--grid 0x2": "'--grid': '0x2' must be a positive number, or two as in 2x1",
    "--grid 1x1x2": "'--grid': '1x1x2' must be a positive number, or two as in 2x1",
    "--dealias 1/2": "'--dealias': '1/2' is not one of '3/2', 'mask'",
    "--precision half": "'--precision': 'half' is not one of 'double', 'single'",
    "--method post": "'--method': 'post' is not one of 'auto'",
    "--output /nowhere/vortex.png": "'--output': '/nowhere/vortex.png' cannot be written: No such file or directory",
    "--output vortex.pdf": "'--output': 'vortex.pdf' must end in .png",
    "more": "unexpected extra argument (more)",
    "--dt 5 --end 20 --size 16": "blew up before t = 5: energy",
}


@pytest.mark.parallel([2])
def test_all_that_is_refused(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, expected in REFUSED.items():
        status = run_command(COMM, ["taylor-green", *arguments.split()])
        lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("Error")]
        with everywhere():
            np.testing.assert_equal(status, 1 if "blew up" in expected else 2, arguments)
            np.testing.assert_equal(len(lines), 1 if COMM.rank == 0 else 0, arguments)
            if COMM.rank == 0 and expected not in lines[0]:
                raise AssertionError(f"{arguments}: {lines[0]!r} instead of {expected!r}")
    check(not list(tmp_path.iterdir()), "a refused command left a file")


REFUSED_TUNING = {
    "": "Missing option '--shape'",
    "--shape": "Option '--shape' requires an argument",
    "--shape 4x": "'--shape': '4x' must be whole numbers, as in 64 32 32",
    "--shape 4,4,": "'--shape': '4,4,' must be whole numbers",
    "--shape 4, 4,": "'--shape': '4, 4,' must be whole numbers",
    "--shape 4.5 4": "'--shape': '4.5 4' must be whole numbers",
    "--shape (4,4)": "'--shape': '(4,4)' must be whole numbers",
    "--shape 4 x 4": "unexpected extra arguments (x 4)",
    "--shape --dtype complex64": "'--shape': '--dtype' must be whole numbers",
    "--shape 4 -4": "shape (4, -4) must have",
    "--shape 4x0": "shape (4, 0) must have",
    "--shape 4x4 --axes 0,x": "'--axes': '0,x' must be whole numbers",
    "--shape 4x4 --axes 0,": "'--axes': '0,' must be whole numbers",
    "--shape 4x4 --axes 2": "axes (2,): axis 2 does not exist: the array has 2 axes",
    "--shape 4x4 --padding 1/0": "'--padding': '1/0' must be numbers or fractions, as in 3/2",
    "--shape 4x4 --padding 3/": "'--padding': '3/' must be numbers or fractions",
    "--shape 4x4 --padding 1.5,1.5,": "'--padding': '1.5,1.5,' must be numbers or fractions",
    "--shape 4x4 --padding 1.5x1.5": "'--padding': '1.5x1.5' must be numbers or fractions",
    "--shape 4x4 --padding 1e999999999": "'--padding': '1e999999999' must be numbers or fractions",
    "--shape 4x4 --padding nan": "'--padding': 'nan' must be numbers or fractions",
    "--shape 4x4 --padding 1/2": "padding 0.5 must be at least 1",
    "--shape 4x4 --padding -2": "padding -2.0 must be at least 1",
    "--shape 4x4 --padding 1.5,1.5,1": "one for each of the 2 axes",
    "--shape 4x4 --truncation 1,1,1": "one for each of the 2 axes",
    "--shape 4x4 --truncation -1": "truncation -1.0 must name wave numbers of 0 or more",
    "--shape 4x4 --dtype int": "'--dtype': 'int' is not one of 'float32'",
    "--shape 4x4 --backend fftw": "'--backend': 'fftw' is not one of 'vertical', 'pyfftw'",
    "--shape 4x4 --backend mkl --dtype longdouble": "backend 'mkl'",
    "--shape 4x4 --threads 0": "'--threads': 0 must be 1 or more",
    "--shape 4x4 --threads two": "'--threads': 'two' is not a valid integer",
    "--shape 4x4 --ranks 2": "No such option '--ranks'",
    "--shape 16": "no axis to divide among 2 ranks",
    "--shape 4x4 more": "unexpected extra argument (more)",
}


@pytest.mark.parallel([2])
def test_all_that_is_refused_to_be_tuned(capfd):
    for arguments, expected in REFUSED_TUNING.items():
        status = run_command(COMM, ["tune", *arguments.split()])
        output, errors = capfd.readouterr()
        lines = errors.splitlines()
        with everywhere():
            np.testing.assert_equal((status, output, len(lines)), (2, "", 1 if COMM.rank == 0 else 0), arguments)
            if COMM.rank == 0 and not (lines[0].startswith("Error: ") and expected in lines[0]):
                raise AssertionError(f"{arguments}: {lines[0]!r} instead of {expected!r}")


WRITTEN = ["12 10 8", "12x10x8", "12X10X8", "12,10,8", "12, 10, 8"]


@pytest.mark.parametrize("numbers", WRITTEN)
@pytest.mark.parametrize("factors", ["3/2 1 2", "1.5,1,2", "3/2, 1.0, 2", "6/4 1 2."])
def test_numbers_may_be_written_in_several_ways(capfd, numbers, factors):
    words = f"plan --ranks 2 --shape {numbers} --padding {factors} --json -".split()
    np.testing.assert_equal(run_command(MPI.COMM_SELF, words), 0)
    np.testing.assert_equal(json.loads(capfd.readouterr().out)["input"]["shape"], [18, 10, 16])


@pytest.mark.parametrize("numbers", WRITTEN)
def test_sizes_too(numbers):
    size = joined(numbers.split())
    np.testing.assert_equal((len(size), sizes(None, None, size[0])), (1, (12, 10, 8)))


def tuning_of(words):
    """Run the command tune on two ranks; return its parts and its errors."""
    status, output, errors = command(2, "tune", *words.split())
    np.testing.assert_equal((status, errors_of(errors)), (0, []))
    return *(part.splitlines() for part in output.split("\n\n")), errors


def test_tuning(tmp_path, monkeypatch):
    """A row for each candidate; the best of them is told, and kept for the very transform that was asked for."""
    file = tmp_path / "wisdom.json"
    monkeypatch.setenv("MPI4PY_PENCIL_WISDOM", str(file))
    title, (header, *rows), (best, note, kept), _ = tuning_of(
        "--shape 8x6x4 --dtype complex64 --axes 2,0 --padding 3/2,1,1"
    )
    cells = [row.split() for row in rows]
    tried = {row[2] for row in cells} - {"-"}
    check(tried in ({"1", "2", "4", "8", "16"}, set()), cells)
    uncut = 0 if tried else 5
    np.testing.assert_equal(
        title,
        [
            "12 x 6 x 4 points, complex64, 2 ranks: forward and backward",
            f"{len(rows) + uncut} plans to try at the most; the first is the default",
        ],
    )
    np.testing.assert_equal(header.split(), ["grid", "exchange", "parts", "engine", "tile", "KiB", "ms"])
    np.testing.assert_equal({len(row) for row in rows}, {len(header)})
    np.testing.assert_equal({row[0] for row in cells}, {"1x2x1", "1x1x2"})
    several = {"auto", "alltoallv", "alltoallw", "pairwise"}  # on one node hybrid and joined are as auto
    np.testing.assert_equal({row[1] for row in cells}, several)
    np.testing.assert_equal({row[3] for row in cells}, set(engines("F")))
    least = min(float(row[5]) for row in cells)
    told, _, than = best.partition("; ")
    fastest = [row for row in cells if told == f"Fastest: {' '.join(row[:5])} KiB, {least:.3f} ms"]
    np.testing.assert_equal(len(fastest), 1, best)
    if than != "the default":
        times = float(re.fullmatch(r"the default takes ([\d.]+) times as long", than)[1])
        np.testing.assert_allclose(times * least, float(cells[0][5]), atol=0.02 * float(cells[0][5]) + 0.01)
    np.testing.assert_equal(note, "auto: shared memory where all peers are on one node, else messages")
    np.testing.assert_equal(kept, f"Kept in {file}, where plans of this transform find it")
    [(name, entry)] = json.loads(file.read_text()).items()
    found = ["x".join(map(str, entry["grid"])), entry["method"], str(entry["parts"] or "-"), entry["backend"]]
    np.testing.assert_equal(found, fastest[0][:4])
    asked = request(2, (8, 6, 4), axes=(2, 0), dtype="F", padding=(1.5, 1, 1))
    check(name.endswith(tuning.name_of(MPI.COMM_SELF, asked).partition(" ranks")[2]), name)


def test_tuning_what_is_given(tmp_path, monkeypatch):
    """Its wisdom is that of plans that are given the same."""
    file = tmp_path / "wisdom.json"
    monkeypatch.setenv("MPI4PY_PENCIL_WISDOM", str(file))
    title, (_, *rows), _, _ = tuning_of("--shape 8 6 --truncation 2 --backend numpy --threads 2")
    np.testing.assert_equal(title[0], "8 x 6 points, float64, 2 ranks of 2 threads: forward and backward")
    np.testing.assert_equal({row.split()[3] for row in rows}, {"numpy"})
    [name] = json.loads(file.read_text())
    asked = request(2, (8, 6), truncation=2, backend="numpy", threads=2)
    check(name.endswith(tuning.name_of(MPI.COMM_SELF, asked).partition(" ranks")[2]), name)


@pytest.mark.parametrize("place", ["", "directory"])
def test_tuning_that_cannot_be_kept(tmp_path, monkeypatch, place):
    """It says why, in a line, and what to pass to a PFFT."""
    directory = tmp_path / place
    directory.mkdir(exist_ok=True)
    monkeypatch.setenv("MPI4PY_PENCIL_WISDOM", str(directory) if place else "")
    *_, (best, _, kept), errors = tuning_of("--shape 8 6 --backend numpy")
    grid, method = best.split()[1:3]
    why = f"{directory} cannot be written" if place else "MPI4PY_PENCIL_WISDOM is empty, or there is no home"
    passed = f"grid=({grid.replace('x', ', ')}), method={method!r}, backend='numpy'"
    np.testing.assert_equal(kept, f"Not kept: {why}. Pass {passed} to PFFT")
    warned = [line for line in errors.splitlines() if "wisdom" in line]
    np.testing.assert_equal(len(warned), 1 if place else 0, errors)
    check(all(line.startswith("Warning: the wisdom cannot be kept in") for line in warned), errors)


def test_too_little_memory_is_a_line():
    status, _, errors = command(1, "tune", "--shape", "100000x100000x100000", "--backend", "numpy")
    np.testing.assert_equal((status != 0, len(errors_of(errors))), (True, 1), errors)
    check("Error: rank 0 has too little memory: Unable to allocate" in errors, errors)


@pytest.mark.parallel([2])
def test_an_interrupt_of_one_rank_ends_all_after_the_step(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step = NavierStokes.step

    def step_and_interrupt(self):
        step(self)
        if COMM.rank == 1 and self.steps == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(NavierStokes, "step", step_and_interrupt)
    status = run_command(COMM, ["taylor-green", "--size", "8", "--every", "100"])
    output = capfd.readouterr().out
    with everywhere():
        np.testing.assert_equal(status, 130)
        np.testing.assert_equal(output.count("Interrupted at t = 0.15;"), 1 if COMM.rank == 0 else 0)
        np.testing.assert_equal(signal.getsignal(signal.SIGINT), signal.default_int_handler)


@pytest.mark.parametrize("where", ["MPI.COMM_WORLD.rank == 1", "True"])
def test_what_nobody_expected_ends_all_ranks_with_one_traceback(where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = f"""
from mpi4py import MPI
from mpi4py_pencil import cli
from mpi4py_pencil.examples import taylor_green
step = taylor_green.NavierStokes.step
def fail(self):
    if {where}:
        raise RuntimeError("out of luck")
    step(self)
taylor_green.NavierStokes.step = fail
cli.main(["taylor-green", "--size", "8"])
"""
    status, _, errors = command(2, program=("-c", code))
    np.testing.assert_equal((status != 0, len(errors_of(errors))), (True, 1))
    np.testing.assert_equal(errors.count("RuntimeError: out of luck"), 1)


@pytest.mark.parametrize("library", ["click", "tqdm", "matplotlib"])
def test_a_missing_library_is_one_line(library):
    code = f"import sys; sys.modules[{library!r}] = None; from mpi4py_pencil.cli import main; main(['taylor-green'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    expected = f"Error: the command line needs {library}: pip install 'mpi4py-pencil[cli]'\n"
    np.testing.assert_equal((done.returncode, done.stdout, done.stderr), (2, "", expected))


def drain(terminal):
    """Return what was written to a pseudo-terminal until all have closed it."""
    parts = []
    with contextlib.suppress(OSError):  # which is how Linux says that
        while part := os.read(terminal, 4096):
            parts.append(part)
    return b"".join(parts).decode()


@pytest.mark.parametrize(
    ("log", "redirect"), [(False, ""), (True, ""), (False, "2> rank.log")], ids=["terminal", "log", "log of a rank"]
)
def test_the_bar_is_for_a_terminal(tmp_path, log, redirect):
    """Where mpiexec writes to decides, not the ranks' pipes; a log gets the rows alone."""
    program = f"exec {shlex.quote(sys.executable)} -m mpi4py_pencil taylor-green --size 8 --end 0.2 {redirect}"
    ours, theirs = pty.openpty()
    with (tmp_path / "mpiexec.log").open("wb") as file, os.fdopen(theirs, "wb") as terminal:
        process = subprocess.Popen(
            ["mpiexec", "-n", "2", "sh", "-c", program],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file if log else terminal,
        )
    shown = drain(ours)
    os.close(ours)
    output, _ = process.communicate(timeout=100)
    logged = "".join(path.read_text() for path in tmp_path.glob("*.log"))
    np.testing.assert_equal((process.returncode, len(re.findall(rb"^ +0\.\d+ ", output, re.MULTILINE))), (0, 5))
    np.testing.assert_equal(("%|" in shown, "%|" in logged), (not log and not redirect, False))


def test_coordinates_in_pi():
    for index, points, expected in [(0, 8, "0"), (12, 96, "π/4"), (4, 8, "π"), (6, 8, "3π/2"), (1, 19, "0.105π")]:
        np.testing.assert_equal(in_pi(index, points), expected)


def rows_of(output):
    """Return the figures of the rows of the table, without the seconds."""
    return [row.split()[:3] for row in output.splitlines() if re.match(r" +\d+\.\d+ +0\.", row)]


@pytest.mark.parallel([2])
def test_a_run_goes_on_where_sigterm_has_ended_it(capfd, tmp_path, monkeypatch):
    """With the figures of one that was never ended, to the last digit."""
    monkeypatch.chdir(tmp_path)
    with shared_directory() as directory:
        run = ["taylor-green", "--size", "16", "--end", "0.5", "--every", "2", "--checkpoint", str(directory / "run")]
        np.testing.assert_equal(run_command(COMM, run[:-2]), 0)
        whole = rows_of(capfd.readouterr().out)
        step = NavierStokes.step

        def step_and_signal(self):
            step(self)
            if COMM.rank == 1 and self.steps == 5:
                os.kill(os.getpid(), signal.SIGTERM)

        with monkeypatch.context() as patch:
            patch.setattr(NavierStokes, "step", step_and_signal)
            np.testing.assert_equal(run_command(COMM, [*run, "--restart"]), 143)
        first = capfd.readouterr().out
        status = run_command(COMM, [*run, "--restart"])
        second = capfd.readouterr().out
        done = run_command(COMM, [*run, "--restart"])
        third = capfd.readouterr().out
        older = run_command(COMM, run)
        refused = capfd.readouterr().err
        with everywhere():
            np.testing.assert_equal((status, done, older), (0, 0, 1))
            np.testing.assert_equal("Wrote" in third, False)
            np.testing.assert_equal("pass --restart" in " ".join(refused.split()), COMM.rank == 0)
            np.testing.assert_equal(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)
            if COMM.rank == 0:
                check_parts(first, second, third, whole, directory / "run")


def check_parts(first, second, third, whole, directory):
    """Raise AssertionError unless the output of the parts of a run is that of the whole."""
    for text, output in [
        (f"No checkpoint in {directory} yet: from the start", first),
        (f"Interrupted at t = 0.25 and saved in {directory}; no picture drawn.", first),
        (f"From step 5 in {directory}, t = 0.25", second),
        ("The run is finished: t = 0.5, --end 0.5. Pass a later --end", third),
    ]:
        if text not in output:
            raise AssertionError(f"no {text!r} in {output!r}")
    np.testing.assert_equal(rows_of(first), [*whole[:3], rows_of(second)[0]])
    np.testing.assert_equal(rows_of(second)[-1], whole[-1])


@pytest.mark.parallel([2])
def test_checkpoints_that_cannot_be_had(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["taylor-green", "--size", "8", "--end", "0.1"]
    with shared_directory() as directory:
        (directory / f"file-{COMM.rank}").touch()
        for options, status, message in [
            (["--restart"], 2, "--restart needs --checkpoint"),
            (["--checkpoint", f"{directory}/file-0/run"], 1, "Not a directory"),
        ]:
            np.testing.assert_equal(run_command(COMM, [*small, *options]), status)
            errors = capfd.readouterr().err
            check(COMM.rank > 0 or message in errors, errors)
        with files_no_longer_than(4000, 1):
            np.testing.assert_equal(run_command(COMM, [*small, "--checkpoint", f"{directory}/run"]), 1)
        errors = capfd.readouterr().err
        check(COMM.rank > 0 or "File too large" in errors, errors)


def test_what_files_hold(tmp_path, capfd):
    fft = PFFT(MPI.COMM_SELF, (4, 6))
    u, u_hat = newDistArray(fft, False), newDistArray(fft, rank=1)
    files.save(tmp_path / "u.npy", u, "F")
    checkpoints = files.Checkpoints(tmp_path / "run", comm=MPI.COMM_SELF)
    for step in (3, 4):
        checkpoints.save(step, {"u": u, "u_hat": (u_hat, fft.output)}, time=0.5)
    whole = [
        "    time = 0.5",
        "    u: 4 x 6 float64",
        "    u_hat: 2 x 4 x 4 complex128, modes: 4 of Fourier(), 6 of Fourier(); norm 'forward'",
    ]
    cut = tmp_path / "run" / "000001-step-3" / "u.npy"
    cut.write_bytes(cut.read_bytes()[:-1])
    (tmp_path / "text").write_text("text")
    for name, status, lines in [
        ("u.npy", 0, [f"{tmp_path}/u.npy: 4 x 6 float64, Fortran order, 320 bytes"]),
        ("run/000002-step-4", 0, ["000002-step-4: step 4, whole", *whole]),
        ("run", 1, [f"{tmp_path}/run: 2 checkpoints, the last one first", "000002-step-4: step 4, whole", *whole]),
        ("text", 1, [f"Error: {tmp_path}/text is no whole file"]),
        ("none", 1, ["Error: [Errno 2] No such file or directory"]),
        ("run/000001-step-3", 1, [f"Error: {cut} is no whole file of numpy's"]),
        (".", 1, [f"Error: {tmp_path} has no checkpoints"]),
    ]:
        np.testing.assert_equal(run_command(MPI.COMM_SELF, ["info", str(tmp_path / name)]), status)
        output = capfd.readouterr()
        for found, expected in zip((output.out + output.err).splitlines(), lines, strict=False):
            check(found.startswith(expected), f"{found!r}, not {expected!r}", MPI.COMM_SELF)
        damaged = f"000001-step-3: cannot be used: {cut} is no whole file"
        check(name != "run" or damaged in output.out, output.out, MPI.COMM_SELF)
        error = f"Error: {tmp_path}/run has damaged checkpoints: 000001-step-3\n"
        check(name != "run" or output.err == error, output.err, MPI.COMM_SELF)
