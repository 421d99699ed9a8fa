"""The benchmarks run, on tiny arrays, and say what they measured; how fast it was is no matter of a test."""

import itertools
import json
import math
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.append(str(BENCHMARKS))

from fields import difference, everything, field, fingerprint, spectrum  # noqa: E402
from rows import all_rows, quick  # noqa: E402
from scaling import curves  # noqa: E402

SECONDS = 100
PARTS = {"transforms": {"transform"}, "the rest": {"vector", "transfer", "redistribute", "deal", "plan", "memory"}}
"""The kinds of rows that are measured together."""


def program(name, *arguments, launcher=()):
    """Run one of the programs; return its exit status, output and errors."""
    call = [*launcher, sys.executable, str(BENCHMARKS / name), *map(str, arguments)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=SECONDS)
    return done.returncode, done.stdout, done.stderr


def peers_here():
    """The peers that must be measured: without them here, or where only a run can tell, a row may lack them."""
    names = {"mpi4py-fft": "mpi4py-fft", "ducc0": "ducc0", "MKL": "mkl_fft"}
    ours = {"three calls", "Alltoallw", "Alltoallv", "memcpy"}
    return ours | {peer for peer, package in names.items() if installed(package)}


def installed(package):
    """Whether a package is: by its name, since another may have taken that of its module in this process."""
    return any(found.name.replace("_", "-").lower() == package.replace("_", "-") for found in distributions())


def unlike():
    """Return the rows that differ in more than their lengths, the first of each sort."""
    sorts = {}
    for row in all_rows():
        sorts.setdefault(row._replace(name="", shape=(0,) * len(row.shape)), row)
    return list(sorts.values())


@pytest.mark.parametrize("part", PARTS)
def test_the_table(part, tmp_path):
    written, picture = tmp_path / "table.json", tmp_path / "table.png"
    rows = [word for row in unlike() if row.kind in PARTS[part] for word in ("--rows", row.name)]
    status, output, errors = program("table.py", "--quick", *rows, "--json", written, "--plot", picture)
    np.testing.assert_equal(status, 0, errors)
    found = json.loads(written.read_text())
    np.testing.assert_equal(set(found), {"command", "date", "settings", "results"})
    rows = {row.name: row for row in map(quick, all_rows())}
    for result in found["results"]:
        check_result(result, rows[result["name"]], output)
    measured = [(result["name"], result["peer"]) for result in found["results"]]
    wanted = [(row.name, peer) for row in unlike() if row.kind in PARTS[part] for peer in row.peers]
    np.testing.assert_equal(measured, wanted)
    np.testing.assert_array_less(0.01, imread(picture)[..., :3].std())


def check_result(result, row, output):
    """Whether a result is complete, and in what was printed."""
    if "failed" in result:
        pytest.fail(f"{row.name} next to {result['peer']}: {result['failed']}")
    for name in ("shape", "ranks", "dtype"):
        np.testing.assert_equal(result[name], list(row.shape) if name == "shape" else getattr(row, name))
    if "missing" in result:
        if result["peer"] in peers_here() or result["missing"] not in output:
            pytest.fail(f"{result['peer']} is missing, or is not said to be: {result['missing']}")
    else:
        seconds = [each for side in ("ours", "theirs") for all_of in result[side].values() for each in all_of]
        if not seconds or not all(math.isfinite(each) for each in seconds):
            pytest.fail(f"{row.name}: {seconds}")
    if row.kind == "transform":
        np.testing.assert_equal(result["checked"], "numpy")
        np.testing.assert_equal(len(result["errors"]), 1 if "missing" in result else 2)
        np.testing.assert_array_less([each for both in result["errors"].values() for each in both.values()], 1e-12)
        np.testing.assert_array_less(0, result["limit"])


def test_the_parts_are_all_rows():
    names, kinds = [row.name for row in all_rows()], {row.kind for row in all_rows()}
    np.testing.assert_equal(len(set(names)), len(names))
    np.testing.assert_equal(sorted(itertools.chain(*PARTS.values())), sorted(kinds))


def test_a_job_that_breaks_off_is_a_failure_that_is_told(tmp_path):
    written = tmp_path / "table.json"
    arguments = ("--quick", "--rows", "c2c 16^3", "--json", written, "--launcher", f"{sys.executable} -c exit(3)")
    status, output, _ = program("table.py", *arguments)
    results = json.loads(written.read_text())["results"]
    np.testing.assert_equal((status, len(results), output.count("status 3")), (0, 2, 2))
    for result in results:
        np.testing.assert_equal("ours" in result or "status 3" not in result["failed"], False)


def test_ranks_that_are_not_as_many_as_the_row_wants(tmp_path):
    written = tmp_path / "table.json"
    arguments = ("--quick", "--rows", "redistribute 32^3", "--json", written, "--launcher", "mpiexec -n 1")
    status, output, _ = program("table.py", *arguments)
    (result,) = json.loads(written.read_text())["results"]
    wanted = "the launcher started 1 ranks in place of 2"
    np.testing.assert_equal((status, result["failed"], wanted in output), (0, wanted, True))


def test_a_pattern_without_rows_is_refused():
    status, _, errors = program("table.py", "--rows", "c2r *")
    np.testing.assert_equal((status, "'c2r *' matches none of c2c 16^3," in " ".join(errors.split())), (2, True))


def test_fingerprints_are_those_of_the_whole_and_tell_arrays_apart():
    shape = (6, 5, 7)
    whole = field(shape, everything(shape), complex)
    right = fingerprint(whole, everything(shape))
    blocks = [(slice(0, 2), slice(0, 5), slice(0, 7)), (slice(2, 6), slice(0, 3), slice(0, 7))]
    blocks.append((slice(2, 6), slice(3, 5), slice(0, 7)))
    put_together = sum(fingerprint(field(shape, where, complex), where) for where in blocks)
    np.testing.assert_array_less(difference(put_together, right), 1e-14)
    for change in (whole[::-1], whole.conj(), whole * (1 + 1e-6), np.roll(whole, 1, 2)):
        np.testing.assert_array_less(1e-8, difference(fingerprint(change, everything(shape)), right))
    one = whole.copy()
    one[1, 2, 3] += 1e-6
    np.testing.assert_array_less(1e-9, difference(fingerprint(one, everything(shape)), right))


@pytest.mark.parametrize("dtype", [float, complex])
def test_the_spectrum_of_fewer_modes_is_that_of_the_same_field_on_fewer_points(dtype):
    """A smooth field has no modes that would be left out."""
    fine, coarse = (spectrum(shape, (32, 32), dtype, True) for shape in ((48, 48), (32, 32)))
    np.testing.assert_allclose(fine, coarse, atol=1e-12)


def test_scaling(tmp_path):
    lines, picture = tmp_path / "scaling.jsonl", tmp_path / "scaling.png"
    sizes = ("--strong", "16x16x16", "--weak", "8x8x8", "--runs", "1")
    for ranks in (1, 2):
        status, output, errors = program("scaling.py", "run", lines, *sizes, launcher=("mpiexec", "-n", str(ranks)))
        np.testing.assert_equal((status, output.count(f"{ranks} ranks")), (0, 2), errors)
    results = [json.loads(line) for line in lines.read_text().splitlines()]
    wanted = [("strong", 1), ("weak", 1), ("strong", 2), ("weak", 2)]
    np.testing.assert_equal([(result["kind"], result["ranks"]) for result in results], wanted)
    np.testing.assert_equal([result["shape"] for result in results], [[16] * 3, [8] * 3, [16] * 3, [16, 8, 8]])
    status, output, errors = program("scaling.py", "draw", lines, picture)
    np.testing.assert_equal((status, output.count("1 ranks 1.00, 2 ranks")), (0, 4), errors)
    np.testing.assert_array_less(0.01, imread(picture)[..., :3].std())


@pytest.mark.parametrize(
    ("command", "options", "wanted"),
    [
        ("julia", ("--strong", 8, "--weak", 4, "--steps", 5), {"b-n", "c-n", "b-b", "c-c"}),
        ("gradients", ("--rows", 12, "--points", 8, "--iterations", 3), {"classical", "pipelined"}),
    ],
)
def test_scaling_of_programs(command, options, wanted, tmp_path):
    lines = tmp_path / "scaling.jsonl"
    status, output, errors = program("scaling.py", command, lines, *options, "--runs", 1)
    np.testing.assert_equal((status, output.count("1 ranks on 1 nodes")), (0, 2), errors)
    for line in lines.read_text().splitlines():
        result = json.loads(line)
        np.testing.assert_equal(set(result["seconds"]), wanted)
        np.testing.assert_array_less(0, [seconds for all_of in result["seconds"].values() for seconds in all_of])


def test_efficiency():
    def result(kind, ranks, seconds):
        return {
            "kind": kind, "base": [8], "what": "d", "ranks": ranks,
            "seconds": {"forward": seconds, "backward": seconds[::-1]},
        }  # fmt: skip

    results = [result("strong", 4, [1, 2, 3]), result("strong", 2, [3]), result("weak", 4, [4]), result("weak", 1, [2])]
    found = {name: (ranks, efficiency) for name, ranks, efficiency in curves(results) if name.endswith("forward")}
    wanted = {"strong 8 d forward": ([2, 4], [1, 0.75]), "weak 8 d forward": ([1, 4], [1, 0.5])}
    np.testing.assert_equal(found, wanted)


def test_steps():
    """All that is installed makes the same steps."""
    status, output, errors = program("steps.py", "--size", 8, "--repeat", 1, launcher=("mpiexec", "-n", "2"))
    np.testing.assert_equal(status, 0, errors)
    differences = [float(line.split("differs by")[1]) for line in output.splitlines() if "differs by" in line]
    peers = 1 + 2 * installed("mpi4py-fft") + 2 * installed("numba")
    np.testing.assert_equal(len(differences), peers, output)
    np.testing.assert_array_less(differences, 1e-14)
    for name in ("without fields", "transforms alone", "arrays alone"):
        np.testing.assert_equal(f"\n{name}" in output, True, output)
    status, output, errors = program("steps.py", "--size", 48, "--memory", launcher=("mpiexec", "-n", "2"))
    np.testing.assert_equal(status, 0, errors)
    beside = [float(line.split("MiB")[0].split()[-1]) for line in output.splitlines()[-2:]]
    np.testing.assert_array_less(8 * 48 * 33 * 17 * 16 / 2**20, beside, output)  # about nine fields at least


def test_files(tmp_path):
    launcher = ("mpiexec", "-n", "2")
    status, output, errors = program(
        "files.py", "--shape", 6, 8, "--runs", 1, "--directory", tmp_path, launcher=launcher
    )
    np.testing.assert_equal(status, 0, errors)
    for name, times in {"files.save": 2, "MPI-IO": 4, "one: memcpy": 2, "files.load": 2, "preadv": 2}.items():
        np.testing.assert_equal(output.count(f"  {name} "), times, output)
    np.testing.assert_equal(list(tmp_path.iterdir()), [])


def test_kills(tmp_path):
    status, output, errors = program("kills.py", "--kills", 2, "--jobs", 2, "--ranks", 1, "--directory", tmp_path)
    np.testing.assert_equal(status, 0, errors)
    np.testing.assert_equal(output.startswith("2 kills of 2 x 1 ranks: "), True, output)
    np.testing.assert_equal(list(tmp_path.iterdir()), [])
