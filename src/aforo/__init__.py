"""Aforo: who came in, who went out, how many are inside. Live, and exactly once."""

__version__ = "1.0.0"
