"""How a link is, in a few words, and how fast. Pure: the same words on the page, in the journal and in the month."""

from __future__ import annotations

from agent.rules.linkfacts import CAUSES, Cause, Health
from agent.views.words import Words


def link_words(health: Health, cause: Cause, words: Words) -> str:
    """Say how a link is: "coupé : la box ne répond plus"."""
    known = cause in CAUSES[health] and cause not in {Cause.NONE, Cause.GAP}
    return words(f"link.{cause}" if known else f"link.{health}")


def mbit(bit_s: float, words: Words) -> str:
    """Write a rate in Mbit/s, with the decimal sign of the language."""
    written = f"{bit_s / 1e6:.1f}"
    return written.replace(".", ",") if words.language == "fr" else written
