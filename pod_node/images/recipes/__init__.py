"""Images that are built from source on this machine: how, and with what.

- `recipe.py`    what a recipe is: tarballs, edits, flags; its digest (pure).
- `cpython.py`   the recipe of `python:3.13`, as data (pure).
- `procedure.py` the steps that turn such a recipe into a product: a module and its library.
- `libraries.py`, `standard_library.py` two larger steps.
- `tarballs.py`  upstream's tarballs, through the machine's own `apt-get`.
- `tools.py`     the programs that a build needs, and what to do when one is missing.
- `workshop.py`  one build's folder, log and commands; what can be resumed.
- `errors.py`    what can go wrong.
"""

from pod_node.images.recipes.cpython import CPYTHON
from pod_node.images.recipes.procedure import make
from pod_node.images.recipes.recipe import Recipe

RECIPES = {CPYTHON.name: CPYTHON}
"""By the name that manifests give in `build`."""

__all__ = ["RECIPES", "Recipe", "make"]
