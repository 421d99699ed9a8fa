"""A plan told in figures and as text. Nothing is made or sent.

`description` finds the figures from the steps of a plan, `text` sets them as people read them. `emulated` describes the
plan of any rank of a machine that need not be there; `product` what `PFFT.pointwise` makes.
"""

from .figures import description, emulated
from .product import product, product_text
from .wording import text

__all__ = ["description", "emulated", "product", "product_text", "text"]
