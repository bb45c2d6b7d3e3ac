"""A service's last valid list: who may enter or print, kept where a broken roster or a full disk do not reach it.

The one idea: an unreadable database is no reason to leave people outside who have paid to come in, nor to lose whose a
print is. Whenever the roster has changed, the door keeps what it judges by: ids, rights, card hashes, closures,
bookings, a lockdown; no name and no print name. The paper keeps a list of its own, with print names as keyed hashes: a
name that is shown again is known again, and none can be read there. A list is written aside and renamed, first into the
runtime directory (memory: a full disk does not matter), then into the state directory (it outlives a power cut), and
signed with the key of the card hashes (HMAC-SHA256, RFC 2104): one that is torn, edited or of another site is no list.
Beside it stands a copy of that key, for this service's eyes only, since without it no card can be told from another.

It is read where the roster cannot be, and says so (`list_from`); it never outvotes a roster that can be read.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cattrs.errors import BaseValidationError
from cattrs.preconf.json import make_converter

from agent.rules.facts import CardKey
from agent.rules.members import Alias, Roster
from drivers.contract import CardNumber

KEY_BYTES = 32
PURPOSE = b"gardien last valid list 1\n"  # no card number hashes to a list's signature
PRINT_NAME = b"gardien print name 1\n"
PRIVATE = 0o600

log = logging.getLogger(__name__)
_json = make_converter()


@dataclass(frozen=True, slots=True)
class Kept:
    """One list, and when it was kept (UTC, by the clock of then)."""

    roster: Roster
    at: datetime


class HashedNames(Mapping[str, Alias]):
    """Aliases by the keyed hashes of their folded names: whoever has a name finds it; they cannot be listed."""

    def __init__(self, held: Mapping[str, Alias], key: bytes) -> None:
        self._held, self._key = held, key

    def __getitem__(self, folded: str) -> Alias:
        return self._held[hashed(folded, self._key)]

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class KeptList:
    """The list of one service, in two places. Any thread, one at a time. `names`: print names too, as hashes."""

    def __init__(self, state: Path, run: Path, service: str = "door", *, names: bool = False) -> None:
        self._names = names
        self._places = (run / f"{service}.list", state / f"{service}.list")
        self._copy = state / f"{service}.key"
        self._key = _key(state / "roster.key") or _key(self._copy)
        self._told: set[Path] = set()
        self._held: dict[Path, Roster] = {}

    def card_key(self, card: CardNumber) -> CardKey | None:
        """Return the keyed hash of a card number; None: the key is not at hand."""
        if self._key is None:
            return None
        return CardKey(hmac.new(self._key, card.hex.encode(), hashlib.sha256).hexdigest())

    def read(self) -> Kept | None:
        """Return the newest list that proves to be ours; None: there is none."""
        found = [kept for place in self._places if (kept := self._read(place)) is not None]
        newest = max(found, key=lambda kept: (kept.roster.version, kept.at), default=None)
        if newest is None or self._key is None:
            return None
        return replace(newest, roster=replace(newest.roster, aliases=HashedNames(newest.roster.aliases, self._key)))

    def keep(self, roster: Roster, at: datetime) -> bool:
        """Keep this list; False while a place has not taken it: the earlier one stands there. Waits for the disk.

        Asked again with the same list, only what has not taken it yet is tried.
        """
        if self._key is None:
            return False
        body = _json.dumps(Kept(self._nameless(roster, self._key), at)).encode()
        data = self._signature(body).encode() + b"\n" + body
        for place in self._places:
            if self._held.get(place) is not roster and self._write(place, data):
                self._held[place] = roster
        if _key(self._copy) != self._key:
            self._write(self._copy, self._key)
        return all(self._held.get(place) is roster for place in self._places)

    def _nameless(self, roster: Roster, key: bytes) -> Roster:
        """Return what is kept of a roster: no name; print names and shared accounts only for the paper."""
        if not self._names:
            return replace(roster, aliases={}, payers={}, payer_codes={})
        names = {hashed(name, key): alias for name, alias in roster.aliases.items()}
        payers = {payer.id: replace(payer, folded="") for payer in roster.payers.values()}
        return replace(roster, aliases=names, payers=payers)

    def _signature(self, body: bytes) -> str:
        assert self._key is not None
        return hmac.new(self._key, PURPOSE + body, hashlib.sha256).hexdigest()

    def _read(self, place: Path) -> Kept | None:
        try:
            signature, _, body = place.read_bytes().partition(b"\n")
        except OSError:
            return None
        if self._key is None or not hmac.compare_digest(signature, self._signature(body).encode()):
            log.warning("%s is damaged or of another site: not used", place)
            return None
        try:
            kept = _json.loads(body, Kept)
        except (ValueError, KeyError, TypeError, BaseValidationError) as error:  # of another version of the program
            log.warning("%s cannot be read: %s", place, error)
            return None
        return replace(kept, at=kept.at.astimezone(UTC))

    def _write(self, place: Path, data: bytes) -> bool:
        aside = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, PRIVATE), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(place)
        except OSError as error:
            with contextlib.suppress(OSError):
                aside.unlink()
            if place not in self._told:
                log.warning("the last list could not be kept in %s: %s", place, error)
            self._told.add(place)
            return False
        self._told.discard(place)
        return True


def hashed(folded: str, key: bytes) -> str:
    """Return the keyed hash of a folded print name."""
    return hmac.new(key, PRINT_NAME + folded.encode(), hashlib.sha256).hexdigest()


def _key(path: Path) -> bytes | None:
    """Return the key in a file; None if it is not there or not whole."""
    try:
        key = path.read_bytes()
    except OSError:
        return None
    return key if len(key) == KEY_BYTES else None
