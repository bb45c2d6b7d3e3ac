"""Facts as bytes: one canonical form, so that a hash can commit to it.

Canonical JSON is RFC 8259 with sorted keys, no spaces and UTF-8 unescaped; no NaN, no infinity. Decimals are strings,
instants ISO 8601 in UTC. The same fact gives the same bytes in every process and every version: what is in the ledger
was hashed in this form. Decoding is strict: a missing, extra or wrongly typed field is an error, never a guess.

The *commitment* is sha256 over a random salt and the canonical content (FIPS 180-4). With the content gone, nothing
can be learned from it; with the content there, nothing else fits it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache, lru_cache
from typing import Any

from cattrs import BaseValidationError
from cattrs.preconf.json import make_converter

from agent.rules.facts import Fact, Total
from agent.rules.kinds import fact_of
from drivers.contract import Moment, Trust

SINGLE = {None: "null", True: "true", False: "false"}
EXACT = 2**53  # a total beyond this is no longer a whole number everywhere it is shown (IEEE 754 binary64)


class LedgerError(Exception):
    """The ledger cannot do what was asked: the message says why. Metering stops loudly, the door goes on."""


class RosterLostError(LedgerError):
    """The roster cannot be read: nobody is known by name, and nothing of it can be changed."""


@dataclass(frozen=True, slots=True)
class Row:
    """A fact ready to be written: everything decided and encoded, so that the writer can only fail with the disk."""

    kind: str
    key: str
    utc: str
    mono_s: float
    boot: str
    trust: str
    body: str
    content: bytes  # canonical: what the commitment is made over
    totals: tuple[tuple[str, str, int | float], ...] = ()  # name, canonical labels, amount


def _decimal(value: Any, _: object) -> Decimal:
    try:
        return Decimal(value if isinstance(value, str) else "?")
    except InvalidOperation as error:
        raise ValueError(f"not a decimal: {value!r}") from error


def _instant(value: Any, _: object) -> datetime:
    when = datetime.fromisoformat(value)
    if when.utcoffset() is None:
        raise ValueError(f"not an instant: {value!r} has no offset")
    return when.astimezone(UTC)


def _instant_out(when: datetime) -> str:
    if when.utcoffset() is None:
        raise ValueError(f"not an instant: {when!r} has no time zone")
    return when.astimezone(UTC).isoformat()


def _exactly(value: Any, wanted: Any) -> Any:
    """Take a value only in its own type: cattrs would coerce. A StrEnum arrives here too, being a `str`."""
    wanted = getattr(wanted, "__supertype__", wanted)
    if issubclass(wanted, Enum):
        return wanted(value)
    if type(value) is not wanted:
        raise TypeError(f"{value!r} is not {wanted.__name__}")
    return value


def _real(value: Any, _: object) -> float:
    if type(value) not in {int, float}:
        raise TypeError(f"{value!r} is not a number")
    return float(value)


_json = make_converter(forbid_extra_keys=True)
for _primitive in (str, bool, int):
    _json.register_structure_hook(_primitive, _exactly)
_json.register_structure_hook(float, _real)
_json.register_structure_hook(Decimal, _decimal)
_json.register_unstructure_hook(Decimal, str)
_json.register_structure_hook(datetime, _instant)
_json.register_unstructure_hook(datetime, _instant_out)


_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> str:
    """Return the canonical JSON text of plain JSON data."""
    return _text.encode(value)


@cache
def _form(kind: str) -> tuple[str, tuple[str, ...]]:
    """Return the canonical JSON of a kind with %s in place of its values, and the names of these in their order."""
    fact = fact_of(kind)
    names = tuple(sorted(one.name for one in fields(fact))) if fact is not None else ()
    return "{" + ",".join(f"{canonical(name)}:%s" for name in names) + "}", names


def _value(value: Any) -> str:
    """Return the canonical JSON of one value of a fact; what most of them are goes the short way."""
    if isinstance(value, str):
        return _text.encode(value)
    if type(value) is int:
        return str(value)
    if value is None or value is True or value is False:
        return SINGLE[value]
    return canonical(_json.unstructure(value))


def encode(fact: Fact, at: Moment, key: str) -> Row:
    """Put a fact into its written form. Pure and quick; runs on the caller's thread. Raises LedgerError."""
    (row,) = encode_all([(fact, key)], at)
    return row


def encode_all(facts: Iterable[tuple[Fact, str]], at: Moment) -> list[Row]:
    """Put facts of one moment, each with its key, into their written form. As `encode`."""
    rows, stamp = [], None
    for fact, key in facts:
        kind = fact.kind
        if fact_of(kind) is not type(fact):
            raise LedgerError(f"{type(fact).__name__} is not listed in agent.rules.kinds")
        if not key:
            raise LedgerError(f"a {kind} without a key cannot be told from its repetition")
        try:
            stamp = stamp or (_instant_out(at.utc), float(at.mono_s), at.boot, Trust(at.trust).value)
            form, names = _form(kind)
            columns = (kind, key, *stamp, form % tuple([_value(getattr(fact, name)) for name in names]))
            rows.append(Row(*columns, content_bytes(*columns), steps_of(fact)))
        except (ValueError, TypeError) as error:
            raise LedgerError(f"a {kind} cannot be written down: {error}") from error
    return rows


def steps_of(fact: Fact) -> tuple[tuple[str, str, int | float], ...]:
    """Return what a fact adds to the summary rows: name, canonical labels, amount. Raises ValueError."""
    return tuple(_total(step) for step in fact.totals())


def _total(step: Total) -> tuple[str, str, int | float]:
    if not math.isfinite(step.amount) or abs(step.amount) > EXACT:
        raise ValueError(f"the total {step.name} cannot grow by {step.amount}")
    return step.name, _labels(step.labels), step.amount


@lru_cache(1024)  # a site has a few hundred rows of summaries, and every fact adds to some
def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    return canonical(labels)


@lru_cache(4096)  # every look at the page reads all summary rows
def labels_of(text: str) -> tuple[tuple[str, str], ...]:
    """Return the labels of a summary row."""
    return tuple((str(name), str(value)) for name, value in json.loads(text))


def decode(kind: str, body: str) -> Fact | None:
    """Return the fact a body holds; None if this version does not know the kind. Raises LedgerError."""
    known = fact_of(kind)
    if known is None:
        return None
    try:
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise TypeError(f"{body[:40]!r} is not an object")  # noqa: TRY301  (one place says why it cannot be read)
        return _json.structure(fields, known)
    except (ValueError, TypeError, BaseValidationError) as error:
        raise LedgerError(f"a {kind} cannot be read: {_reason(error)}") from error


def moment(utc: str, mono_s: float, boot: str, trust: str) -> Moment:
    """Return the moment a content was stamped with. Raises LedgerError."""
    try:
        return Moment(_instant(utc, None), mono_s, boot, Trust(trust))
    except (ValueError, TypeError) as error:
        raise LedgerError(f"a moment cannot be read: {error}") from error


def content_bytes(*columns: str | float) -> bytes:
    """Return the canonical content a commitment is made over, without its salt: kind, key, utc, ..., body of a Row."""
    return canonical(columns).encode()


def commit(salt: bytes, content: bytes) -> bytes:
    """Return the commitment to one content."""
    return hashlib.sha256(salt + content).digest()


def _reason(error: BaseException) -> str:
    """Say a (possibly grouped) validation error in one line."""
    return "; ".join(f"{type(one).__name__}: {one}" for one in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error
