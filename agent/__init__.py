"""Judgement and memory: rules that decide, a ledger that remembers, stories that carry, views that show."""

VERSION = "0.1.0"  # the one place: pyproject.toml, `gardien --version`, the pictures and the metrics read it from here
