"""A value folded from the ledger and kept up with it: each `read` costs what was added since, or a look at the head."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from agent.memory.ledger import Entry, Ledger, LedgerError
from agent.rules.facts import Fact

T = TypeVar("T")


class Followed(Generic[T]):
    """Folds the facts of some kinds, in the order they were written. One thread.

    `step` takes in what is new; `let_go` gives up, at every read, what has become too old by then. Where that is all
    that was written before some time, `since` says when, and the first read begins there.
    """

    def __init__(
        self,
        ledger: Ledger,
        kinds: tuple[type[Fact], ...],
        start: T,
        step: Callable[[T, Sequence[Entry]], T],
        let_go: Callable[[T], T] = lambda value: value,
        since: Callable[[], datetime] | None = None,
    ) -> None:
        self._ledger, self._kinds, self._step, self._let_go, self._since = ledger, kinds, step, let_go, since
        self._value = start
        self._seq = 0  # all up to here is in the value

    def read(self) -> T:
        """Return the value after all that is committed. Raises LedgerError."""
        if self._since is not None:
            self._seq, self._since = self._ledger.before(self._since(), *self._kinds), None
        top = self._ledger.head().seq
        if top > self._seq:
            new = list(self._ledger.entries(*self._kinds, since=self._seq))
            self._value = self._step(self._value, new) if new else self._value
            self._seq = max(top, new[-1].seq) if new else top
        self._value = self._let_go(self._value)
        return self._value


async def catch_up(*followed: Followed[Any]) -> None:
    """Read the past off the loop, before anybody is served. A ledger that cannot be read is for whoever asks next."""
    for one in followed:
        with contextlib.suppress(LedgerError):
            await asyncio.to_thread(one.read)
