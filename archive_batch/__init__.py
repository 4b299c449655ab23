"""Colour for whole archives: ingest, run, status, on worker processes."""

from training import __version__

__all__ = ["__version__"]
