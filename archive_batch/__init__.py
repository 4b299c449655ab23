"""Colorize whole archives: plan, run on one machine or a cluster, resume, verify, report."""

from training import __version__

__all__ = ["__version__"]
