"""A value folded from the ledger and kept up with it: each `read` costs what was added since, or a look at the head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from agent.memory.ledger import Entry, Ledger
from agent.rules.facts import Fact

T = TypeVar("T")


class Followed(Generic[T]):
    """Folds the facts of some kinds, in the order they were written. One thread.

    `step` takes in what is new; `let_go`, at every read, what has become too old by then.
    """

    def __init__(
        self,
        ledger: Ledger,
        kinds: tuple[type[Fact], ...],
        start: T,
        step: Callable[[T, Sequence[Entry]], T],
        let_go: Callable[[T], T] = lambda value: value,
    ) -> None:
        self._ledger, self._kinds, self._step, self._let_go = ledger, kinds, step, let_go
        self._value = start
        self._seq = 0  # all up to here is in the value

    def read(self) -> T:
        """Return the value after all that is committed. Raises LedgerError."""
        top = self._ledger.head().seq
        if top > self._seq:
            new = list(self._ledger.entries(*self._kinds, since=self._seq))
            self._value = self._step(self._value, new) if new else self._value
            self._seq = max(top, new[-1].seq) if new else top
        self._value = self._let_go(self._value)
        return self._value
