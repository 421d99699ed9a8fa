"""How Sphinx builds the documentation: ``sphinx-build -W -b html docs docs/_build``.

The package must be installed, with its extra "docs": the reference is made from its docstrings, and the figures are
drawn by its own plotting.
"""

import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import figures  # noqa: E402 - found by the line before

project = "mpi4py_pencil"
author = "the mpi4py_pencil contributors"
copyright = author
try:
    release = metadata.version("mpi4py-pencil")
except metadata.PackageNotFoundError:  # imported from a source tree
    release = ""

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

# A name in single backticks is a link where there is something of that name, and code where not.
default_role = "py:obj"
myst_heading_anchors = 3

# The numpy convention says the types in the text.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
autosummary_generate = False  # tables of what the page itself describes
# The plan and the kernels both have a Sweep, the plan and the exchanges an Exchange: a bare name may mean either.
suppress_warnings = ["ref.python"]

# What is copied from a session or a console is what was typed.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"mpi4py_pencil {release}".strip()
html_copy_source = False
html_theme_options = {"light_css_variables": {"code-font-size": "0.75rem"}}  # 100 characters fit into a line

figures.draw(HERE / "_build" / "figures")
