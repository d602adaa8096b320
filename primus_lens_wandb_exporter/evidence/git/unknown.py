"""One way out for everything that cannot be said."""

from __future__ import annotations


class Unknown(ValueError):
    """What is asked for cannot be told from the files at hand."""
