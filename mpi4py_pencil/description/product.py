"""A product told in figures and as text: what a function of points costs that is applied to modes."""

from __future__ import annotations

import math
from typing import Any

from ..plan.arguments import Request
from ..plan.pipeline import Route
from .memory import held
from .wording import bytes_of, columns, count


def product(
    asked: Request, routes: tuple[Route, Route], components: tuple[tuple[int, ...], ...], ends: int
) -> dict[str, Any]:
    """The figures of one rank's product, as plain data; sizes of memory are in bytes.

    ``memory`` has what `inputs` and `outputs` hold for their exchanges, and `ends` for functions of modes that go over
    arrays of their own; tiles and planes, of all components, lie in cache.

    Parameters
    ----------
    asked : Request
        What the plan was made from.
    routes : pair of Route
        Of the inputs and of the outputs.
    components : pair of tuple of int
        Their component axes.
    ends : int
        The bytes of arrays of functions of modes.
    """
    numbers = [math.prod(each) for each in components]
    block = routes[1].trips[-1].sweeps[-1].after.full().subshape[len(components[1]) :]
    memory = {"local_array": math.prod(block) * asked.transforms[-1].dtype.itemsize}
    for name, route in zip(("inputs", "outputs"), routes, strict=True):
        found = held(route.trips, route.methods, asked)
        memory[name] = found["total"] - found["tiles"]
    memory["ends"] = ends
    return {
        "inputs": numbers[0],
        "outputs": numbers[1],
        "passes": sum(len(route.trips) for route in routes) - 1,
        "exchanges": sum(len(route.methods) for route in routes),
        "memory": memory,
    }


def product_text(told: dict[str, Any]) -> str:
    """A `product` as people read it."""
    passes, exchanges = count(told["passes"], "trip"), count(told["exchanges"], "exchange")
    memory = told["memory"]
    unit = memory["local_array"]
    rows = [["memory", "", f"in local arrays of modes of {bytes_of(unit)}" if unit else ""]]
    for name in ("inputs", "outputs", *(["ends"] if memory["ends"] else [])):
        rows.append([name, bytes_of(memory[name]), f"{memory[name] / unit:.2f}" if unit else ""])
    return "\n".join(
        [
            f"product  {count(told['inputs'], 'field')} to {count(told['outputs'], 'field')}",
            f"plan     {passes} through memory, {exchanges}; points are nowhere but in tiles",
            "",
            *columns(rows, "<>>"),
        ]
    )
