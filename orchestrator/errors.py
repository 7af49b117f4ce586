"""The base of the errors that the orchestrator reports to a person.

Owns the base class only; each error lives beside the code that raises it.
"""

from __future__ import annotations


class OrchestratorError(Exception):
    """Base of every error that the orchestrator reports.

    Subclasses pass all positional arguments to `super().__init__` and format in `__str__`, so that
    an error survives pickling. The text names the thing, the place and the remedy, and is fit to be
    shown as it is.
    """
