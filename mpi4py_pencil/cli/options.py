"""Options that commands share, and how they refuse what the package refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from ..engines import ENGINES
from ..exchange import METHODS
from .values import count, fractions, whole_numbers

DTYPES = ("float32", "float64", "longdouble", "complex64", "complex128", "clongdouble")
NUMBERS: dict[str, Any] = {"metavar": "N ...", "callback": whole_numbers}
FACTORS: dict[str, Any] = {"metavar": "F ...", "callback": fractions}


def option(flags: str, default: Any, text: str, **settings: Any) -> click.Option:
    """Return an option that shows its default, if it has one."""
    if default is not None:
        settings |= {"default": default, "show_default": True}
    return click.Option(flags.split(), help=text, **settings)


def name_option(flags: str, default: str | None, text: str, names: Sequence[str]) -> click.Option:
    """Return an option that takes one of several names, which its help lists."""
    return option(flags, default, f"{text}: {', '.join(names)}.", type=click.Choice(names), metavar="NAME")


def method_option() -> click.Option:
    """Return the option of the exchange method."""
    return name_option("--method", "auto", "How ranks exchange data", METHODS)


def transform_options() -> list[click.Parameter]:
    """Return the options that say which transform: arguments of a PFFT under their names there."""
    return [
        option("--shape", None, "Global shape: the modes along each axis.", required=True, **NUMBERS),
        name_option("--dtype", "float64", "Type of the input", DTYPES),
        option("--axes", None, "Axes to transform, the last first; all by default.", **NUMBERS),
        option("--padding", None, "Factor, for all axes or each, as in 3/2.", **FACTORS),
        option("--truncation", None, "Largest wave number kept, for all axes or each.", **FACTORS),
        name_option("--backend", None, "Library that transforms lines", ENGINES),
        option("--threads", 1, "Threads of each rank.", metavar="N", callback=count),
    ]


@contextmanager
def refusing() -> Iterator[None]:
    """Refuse as bad arguments what is raised within, by all ranks together, as where a plan compares its arguments."""
    try:
        yield
    except (TypeError, ValueError, ImportError) as error:
        raise click.UsageError(str(error)) from error
