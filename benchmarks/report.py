"""The table and the picture of what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rows import THREADED

Result = dict[str, Any]

COLUMNS = (("ours", 19), ("peer", 19), ("times as fast", 16), ("over limit", 14))


def heading(everything: Result) -> str:
    """What the figures depend on."""
    lines = [everything["command"]]
    for about in _unlike(result["about"] for result in everything["results"] if "about" in result):
        lines.append("; ".join(f"{name} {value}" for name, value in about.items()))
    versions = _unlike(f"{r['peer']}: {r['version']}" for r in everything["results"] if "version" in r)
    lines.append("; ".join(versions))
    runs = f"medians of {everything['settings']['runs']} runs or more, in turns; forward and backward"
    lines.append(f"{everything['date']}; {runs}")
    if everything["settings"]["quick"]:
        lines.append("--quick: a sixteenth of the points along axes longer than 32, so no figures to go by")
    lines.append("ms (memory: peak beside the caller's arrays, in arrays of the input); the limit is memory + engine")
    return "\n".join(lines) + "\n"


def _unlike(values: Iterable[Any]) -> list[Any]:
    """The values without repetitions."""
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def table(results: Sequence[Result]) -> str:
    """A line for each row and peer, and the best of the peers with threads; what is missing or failed is named."""
    names = max(len(result["name"]) for result in results)
    lines = [f"{'':<{names}}  ranks  {'peer':<12}" + "".join(f"{name:>{width}}" for name, width in COLUMNS)]
    notes: list[str] = []
    for result in results:
        start = f"{result['name']:<{names}}  {result['ranks']:>5}  {result['peer']:<12}"
        problem = next((f"{why}: {result[why]}" for why in ("missing", "failed") if why in result), None)
        mark = ""
        if problem:
            note = f"{result['peer']} {problem}"
            notes += [note] * (note not in notes)
            mark = f"{problem.split(':')[0]} ({notes.index(note) + 1})"
        lines.append((start + _figures(result, mark)).rstrip())
    lines += [""] + [f"({k}) {note}" for k, note in enumerate(notes, 1)] * bool(notes)
    return "\n".join(lines + _best(results))


def _figures(result: Result, problem: str) -> str:
    """The columns of a line, one or two figures in each; the peer's may be a problem instead."""
    scale = 1 if result["kind"] == "memory" else 1e3
    ours, theirs = ([scale * median(x) for x in result.get(side, {}).values()] for side in ("ours", "theirs"))
    cells = [[f"{x:.{_digits(x)}f}" for x in side] for side in (ours, theirs)]
    cells.append([f"{ratio:.2f}" for ratio in ratios(result).values()])
    cells.append([f"{x / scale / result['limit']:.1f}" for x in ours] if "limit" in result else [])
    texts = [", ".join(cell) for cell in cells]
    texts[1] = texts[1] or problem
    return "".join(f"{text:>{width}}" for text, (_, width) in zip(texts, COLUMNS, strict=True))


def _digits(x: float) -> int:
    """Decimals that leave three figures or four."""
    return 3 if x < 1 else 2 if x < 100 else 1


def ratios(result: Result) -> dict[str, float]:
    """How many times what ours takes the peer takes."""
    return {way: median(all_of) / median(result["ours"][way]) for way, all_of in result.get("theirs", {}).items()}


def _best(results: Sequence[Result]) -> list[str]:
    """For rows next to several peers with threads, how ours compares with the quickest."""
    lines = []
    for name in _unlike(result["name"] for result in results):
        some = [r for r in results if r["name"] == name and r["peer"] in THREADED and r.get("theirs")]
        if len(some) > 1:
            quickest = {way: min(some, key=lambda r: median(r["theirs"][way])) for way in ("forward", "backward")}
            said = (f"{way} {r['peer']}, {ratios(r)[way]:.2f} times" for way, r in quickest.items())
            lines.append(f"{name}, the quickest of the peers: {'; '.join(said)}")
    return lines


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw the ratios as bars, a colour for each peer, forward and backward."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = [result for result in results if ratios(result)][::-1]
    hidden = _unlike(f"{r['peer']} {why}" for r in results for why in ("missing", "failed") if why in r)
    colours = {peer: f"C{k}" for k, peer in enumerate(_unlike(result["peer"] for result in results))}
    figure, axes = plt.subplots(figsize=(8, 1.5 + 0.28 * len(shown)), layout="constrained")
    for at, result in enumerate(shown):
        for k, ratio in enumerate(ratios(result).values()):
            label = result["peer"] if k == 0 else None
            look = {"color": colours[result["peer"]], "alpha": 1 - 0.4 * k, "label": label}
            axes.barh(at + 0.2 - 0.4 * k, ratio - 1, 0.4, left=1, **look)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_title(f"not here: {', '.join(hidden)}" if hidden else "", fontsize="small")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [result["name"] for result in shown])
    axes.set_xlabel("what the peer takes over what ours takes; forward above, backward below")
    handles, labels = axes.get_legend_handles_labels()
    first = dict(zip(labels[::-1], handles[::-1], strict=True))
    figure.legend(first.values(), first.keys(), loc="outside lower center", ncols=len(first) or 1, fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)
