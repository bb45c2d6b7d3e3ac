"""Faults of a site file, and the judgements its sections share: each says where, and what to do, French first."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

Keys = tuple[str, ...]
SIGNS = 200  # of a text that is printed on a notice


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, where it stands, and what to do: French first, English second."""

    path: Keys
    fr: str
    en: str


def one_of(path: Keys, value: str, allowed: tuple[str, ...]) -> Iterator[Fault]:
    """Judge a word."""
    if value not in allowed:
        near = difflib.get_close_matches(value, allowed, 1)
        hint = (f" ; vouliez-vous dire « {near[0]} » ?", f"; did you mean '{near[0]}'?") if near else ("", "")
        words = ", ".join(allowed)
        yield Fault(
            path, f"« {value} » n'est pas un de : {words}{hint[0]}", f"{value!r} is not one of: {words}{hint[1]}"
        )


def within(path: Keys, value: float, low: float, high: float) -> Iterator[Fault]:
    """Judge a number."""
    if not low <= value <= high:
        yield Fault(path, f"{value:g} est hors de [{low:g} ; {high:g}]", f"{value:g} is outside [{low:g}, {high:g}]")


def needed(path: Keys, value: object, kind: str) -> Iterator[Fault]:
    """Judge a key that this kind cannot do without."""
    if not value:
        yield Fault(path, f'manque : nécessaire avec kind = "{kind}"', f"is missing: needed with kind = {kind!r}")


def one_line(path: Keys, value: str) -> Iterator[Fault]:
    """Judge a text that is printed on a notice."""
    if len(value) > SIGNS or not value.isprintable():
        yield Fault(path, f"attend une seule ligne de {SIGNS} signes au plus", "expects one short line")
