"""Judgement and memory: rules that decide, a ledger that remembers, stories that carry, views that show."""
