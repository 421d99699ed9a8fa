"""A description as people read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def text(told: dict[str, Any]) -> str:
    """A description as people read it: the plan, its steps, its exchanges and its memory, in aligned columns."""
    parts = [_heading(told), _arrays(told), _steps(told["steps"]), _exchanges(told), _reserved(told)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _heading(told: dict[str, Any]) -> list[str]:
    """Who transforms, and how."""
    exchanges = sum(step["step"] == "exchange" for step in told["steps"])
    ranks = f"{told['ranks']} in a grid of {_shape(told['grid'])}" if told["ranks"] > 1 else "1"
    if told["nodes"] is not None:
        ranks += f" on {count(told['nodes'], 'node')}, up to {told['ranks_per_node']} a node"
    trips = f"{count(told['passes'], 'trip')} through memory, {count(exchanges, 'exchange')}"
    return [
        f"ranks    {ranks}",
        f"engine   {told['engine']}, {told['precision']} precision",
        f"plan     {trips}; backward is the reverse of forward",
    ]


def _arrays(told: dict[str, Any]) -> list[str]:
    """The arrays on both sides."""
    rows = [["", "shape", "dtype", f"block of rank {told['rank']}", ""]]
    for name in ("input", "output"):
        side = told[name]
        rows.append([name, _shape(side["shape"]), side["dtype"], _shape(side["block"]), bytes_of(side["bytes"])])
    return columns(rows, "<<<<>")


def _steps(told: Sequence[dict[str, Any]]) -> list[str]:
    """The steps of the forward transform."""
    rows = [["pass", "forward", "transform", "lines", "before", "after", "idle ranks"]]
    numbers = [step["pass"] for step in told if step["step"] == "sweep"]
    for step in told:
        if step["step"] == "sweep":
            start = [step["pass"], f"sweep axis {step['axis']}", step["transform"], step["lines"]]
        else:
            start = ["", f"exchange {step['from_axis']} -> {step['to_axis']}", "", ""]
        rows.append([*start, _shape(step["before"]), _shape(step["after"]), step.get("idle_ranks", "")])
    idle = any(step.get("idle_ranks") for step in told)
    pairs = sorted({number for number in numbers if numbers.count(number) > 1})
    return [
        *columns([row if idle else row[:-1] for row in rows], "><<>>>>"),
        *(f"Pass {number} takes its two sweeps plane by plane, in one trip." for number in pairs),
    ]


def _exchanges(told: dict[str, Any]) -> list[str]:
    """What goes from rank to rank and from node to node; nothing where there is no exchange."""
    found = [step for step in told["steps"] if step["step"] == "exchange"]
    if not found:
        return []
    near = [] if told["nodes"] is None else ["peers on node", "stays on node", "leaves node"]
    rows = [["exchange", "", "method", "peers", "messages", "largest", "sent", *near]]
    for step in found:
        rows += _exchange_rows(step, f"rank {told['rank']}")
    return columns(rows, "<<<>>>>>>>") + _notes(told["method"], told["wire"], found)


def _notes(asked: str, wire: str | None, exchanges: Sequence[dict[str, Any]]) -> list[str]:
    """What to know of the methods of the exchanges."""
    notes = []
    methods = [step["method"] for step in exchanges]
    if "shared" in methods:
        notes.append("shared: the peers read it where it lies, without messages.")
    if "joined" in methods:
        notes.append("joined: boxes for the ranks of a node go side by side in few messages; counted here are boxes.")
    if "auto" in methods:
        notes.append("auto: shared where all peers are on one node; else messages, counted here as for alltoallv.")
    if wire:
        notes.append(f"wire {wire}: of what leaves a node, half as many bytes as are counted here.")
    for step in exchanges:
        groups, on_one = ((step["nodes"] or {}).get(k, 0) for k in ("groups", "groups_on_one_node"))
        if asked == "auto" and step["method"] != "joined" and 0 < on_one < groups:
            axes = f"{step['from_axis']} -> {step['to_axis']}"
            notes.append(f"{axes}: {on_one} of {groups} groups of peers are each on one node: shared; others not.")
    return notes


def _exchange_rows(step: dict[str, Any], who: str) -> list[list[Any]]:
    """An exchange: what this rank sends, and what the busiest does where that is more."""
    axes = f"{step['from_axis']} -> {step['to_axis']}"
    nodes, busiest = step["nodes"], step["busiest"]
    shared = step["method"] == "shared"

    def amounts(which: dict[str, Any]) -> list[str]:
        messages = "-" if shared else str(which["boxes"])
        return [messages, bytes_of(which["largest_box"]), bytes_of(which["sent"])]

    mine, most = amounts(step), amounts(busiest)
    rows = [[axes, who, step["method"], step["peers"], *mine]]
    more = [new if new != old else "" for old, new in zip(mine, most, strict=True)]
    if nodes is None:
        return rows + ([["", "busiest rank", "", "", *more]] if any(more) else [])
    leaves, most_leave, node_leaves = (bytes_of(nodes[k]) for k in ("leaves", "busiest_leaves", "busiest_node_leaves"))
    rows[0] += [nodes["peers"], bytes_of(nodes["stays"]), leaves]
    if any(more) or most_leave != leaves:
        rows.append(["", "busiest rank", "", "", *more, "", "", most_leave if most_leave != leaves else ""])
    if nodes["busiest_node_leaves"]:
        rows.append(["", "busiest node", "", "", "", "", "", "", "", node_leaves])
    return rows


def _reserved(told: dict[str, Any]) -> list[str]:
    """What the plan holds."""
    memory = told["memory"]
    unit = memory["local_array"]
    rows = [["memory", f"of rank {told['rank']}", f"in local arrays of {bytes_of(unit)}" if unit else ""]]
    for name in ("buffers", "windows", "tiles", "total"):
        if memory[name]:
            rows.append([name, bytes_of(memory[name]), f"{memory[name] / unit:.2f}" if unit else ""])
    return columns(rows, "<>>")


def columns(rows: Sequence[Sequence[Any]], sides: str) -> list[str]:
    """Rows as lines, their cells aligned to the left (<) or to the right (>)."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=False)).rstrip()
        for row in cells
    ]


def _shape(shape: Sequence[int]) -> str:
    """Lengths along the axes."""
    return " x ".join(map(str, shape))


def count(n: int, noun: str) -> str:
    """So many things."""
    return f"{n} {noun}{'s' * (n != 1)}"


def bytes_of(n: float) -> str:
    """An amount of memory in the unit that fits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n < 1024:
            return f"{n:.4g} {unit}"
        n /= 1024
    return f"{n:.4g} TiB"
