"""Judges what card readers bring that is no member: unknown cards in a row, and bytes that are no card.

The one idea: *a member is never delayed*. Somebody who tries numbers is slowed by not being answered: after a run of
unknown cards, further unknown ones are neither written down nor signalled for a while that doubles, up to a minute;
whoever holds a card we know is judged as at any other time, during the attack too. The pattern is named, for it says
what to do: neighbouring numbers are tried by a device, one card again and again is a person who needs help.
Raw numbers are compared here and kept for at most `WINDOW_S` in memory, never written. Pure: times are `mono_s`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import ClassVar

from agent.rules.facts import PASSAGE_DAYS, Fact

RUN = 5  # unknown cards ...
WINDOW_S = 30.0  # ... within this are a run
FIRST_S, LONGEST_S = 2.0, 60.0  # how long unknown cards go unanswered
CALM_S = 120.0  # without unknown cards, and the run is over
NEAR = 16  # numbers this close are neighbours

NOISE_BYTES = 100  # seven whole frames that were no card ...
NOISE_S = 60.0  # ... within this


class Pattern(StrEnum):
    """What a run of unknown cards looks like. The words stand in the ledger: add, never rename."""

    NONE = ""
    RUN = "run"  # different cards that nobody knows
    SEQUENCE = "sequence"  # numbers that lie side by side: they are being tried
    SAME = "same"  # one card, again and again


@dataclass(frozen=True, slots=True)
class StrangersChanged(Fact):
    """A run of unknown cards began at a reader, or was over."""

    kind: ClassVar[str] = "strangers-changed"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    reader: str
    pattern: str  # a Pattern; "": it is over
    cards: int  # unknown cards of this run so far, those that were not answered included


class StrangerWatch:
    """Judges the unknown cards of one reader."""

    def __init__(self, reader: str) -> None:
        self.pattern = Pattern.NONE
        self.delay_s = 0.0  # the present one
        self._reader = reader
        self._seen: deque[tuple[float, int]] = deque(maxlen=RUN)
        self._silent_until = float("-inf")
        self._cards = 0

    def refuse(self, number: str, at_s: float) -> tuple[bool, StrangersChanged | None]:
        """Take an unknown card (hex); return whether it is answered as usual, and what became of the run."""
        over = self.rest(at_s)
        self._cards += 1
        while self._seen and at_s - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()
        self._seen.append((at_s, int(number, 16)))
        if at_s < self._silent_until:
            return False, over
        if len(self._seen) < RUN:
            return True, over
        self.delay_s = min(max(FIRST_S, 2 * self.delay_s), LONGEST_S)
        self._silent_until = at_s + self.delay_s
        return True, self._name(self._read()) or over

    def rest(self, now_s: float) -> StrangersChanged | None:
        """Judge the passing of time: a run nobody continued is over."""
        if not self._seen or now_s - self._seen[-1][0] < CALM_S:
            return None
        self._seen.clear()
        self.delay_s, self._silent_until = 0.0, float("-inf")
        over = self._name(Pattern.NONE)
        self._cards = 0
        return over

    def _read(self) -> Pattern:
        numbers = [number for _, number in self._seen]
        if len(set(numbers)) == 1:
            return Pattern.SAME
        near = all(abs(later - earlier) <= NEAR for earlier, later in pairwise(numbers))
        return Pattern.SEQUENCE if near else Pattern.RUN

    def _name(self, pattern: Pattern) -> StrangersChanged | None:
        was, self.pattern = self.pattern, pattern
        return None if was is pattern else StrangersChanged(self._reader, pattern.value, self._cards)


class NoiseWatch:
    """Judges the bytes of one reader that belonged to no card."""

    def __init__(self) -> None:
        self.noisy = False
        self._seen: deque[tuple[float, int]] = deque()

    def look(self, malformed: int, now_s: float) -> None:
        """Take the reader's counter; it may have begun again at 0."""
        while self._seen and (now_s - self._seen[0][0] > NOISE_S or self._seen[0][1] > malformed):
            self._seen.popleft()
        least = self._seen[0][1] if self._seen else malformed
        self.noisy = malformed - least >= NOISE_BYTES
        self._seen.append((now_s, malformed))
