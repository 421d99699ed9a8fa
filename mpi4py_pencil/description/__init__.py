"""A plan told in figures and as text. Nothing is made or sent.

`description` finds the figures from the steps of a plan, `text` sets them as people read them. `emulated` describes the
plan of any rank of a machine that need not be there, `predictions` how long it should take on a `Machine`; `product`
what `PFFT.pointwise` makes.
"""

from .figures import description, emulated
from .machine import ASSUMED, Link, Machine
from .prediction import Prediction, predictions
from .product import product, product_text
from .wording import text

__all__ = [
    "ASSUMED",
    "Link",
    "Machine",
    "Prediction",
    "description",
    "emulated",
    "predictions",
    "product",
    "product_text",
    "text",
]
