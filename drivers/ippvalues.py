"""IPP's values: what an attribute may hold, and the octets of each syntax (RFC 8010 section 3.9).

The one idea: a value is its tag and its content, and one table says for every tag which content it takes and how it
is read and written. `drivers.ipp` wraps these octets into messages; nobody else needs this file. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
from typing import Any


class Tag(IntEnum):
    """Delimiter and value tags (RFC 8010 sections 3.5.1 and 3.5.2)."""

    OPERATION = 0x01
    JOB = 0x02
    END = 0x03
    PRINTER = 0x04
    UNSUPPORTED_GROUP = 0x05
    SUBSCRIPTION = 0x06
    EVENT = 0x07
    UNSUPPORTED = 0x10
    UNKNOWN = 0x12
    NO_VALUE = 0x13
    INTEGER = 0x21
    BOOLEAN = 0x22
    ENUM = 0x23
    OCTETS = 0x30
    DATE_TIME = 0x31
    RESOLUTION = 0x32
    RANGE = 0x33
    COLLECTION = 0x34
    TEXT_WITH_LANGUAGE = 0x35
    NAME_WITH_LANGUAGE = 0x36
    END_COLLECTION = 0x37
    TEXT = 0x41
    NAME = 0x42
    KEYWORD = 0x44
    URI = 0x45
    URI_SCHEME = 0x46
    CHARSET = 0x47
    LANGUAGE = 0x48
    MIME_TYPE = 0x49
    MEMBER_NAME = 0x4A


@dataclass(frozen=True, slots=True)
class Range:
    """rangeOfInteger, both ends included."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Resolution:
    """Feed and cross-feed resolution; `units` 3 is dots per inch, 4 dots per centimetre."""

    cross: int
    feed: int
    units: int = 3


@dataclass(frozen=True, slots=True)
class Localised:
    """textWithLanguage or nameWithLanguage."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an attribute. What `content` may be follows from `tag`; None for the out-of-band tags.

    A tag this file does not know (an extension) keeps its octets as bytes.
    """

    tag: int
    content: Content


@dataclass(frozen=True, slots=True)
class Attribute:
    """A name and one value or more; the values of a 1setOf may differ in tag."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes in the order of the wire: those of a group, or the members of a collection.

    The readers below return None (or nothing) for what is missing, out-of-band or of another syntax:
    devices omit and misdeclare, and that is no reason to lose the rest.
    """

    attributes: tuple[Attribute, ...] = ()

    def contents(self, name: str) -> tuple[Content, ...]:
        """Return every value of the first attribute called `name`."""
        for attribute in self.attributes:
            if attribute.name == name:
                return tuple(value.content for value in attribute.values)
        return ()

    def _first(self, name: str) -> Content:
        """Return the first value of the first attribute called `name`; None where there is none."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute.values[0].content if attribute.values else None
        return None

    def integer(self, name: str) -> int | None:
        """Return the first value if it is an integer or an enum."""
        first = self._first(name)
        return first if isinstance(first, int) and not isinstance(first, bool) else None

    def boolean(self, name: str) -> bool | None:
        """Return the first value if it is a boolean."""
        first = self._first(name)
        return first if isinstance(first, bool) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values that are text of any kind, languages dropped."""
        found = (value.text if isinstance(value, Localised) else value for value in self.contents(name))
        return tuple(value for value in found if isinstance(value, str))

    def text(self, name: str) -> str | None:
        """Return the first text of `name`."""
        return next(iter(self.texts(name)), None)

    def when(self, name: str) -> datetime | None:
        """Return the first value if it is a date and time, in UTC."""
        first = self._first(name)
        return first.astimezone(UTC) if isinstance(first, datetime) else None

    def collection(self, name: str) -> Attributes | None:
        """Return the first value if it is a collection."""
        first = self._first(name)
        return first if isinstance(first, Attributes) else None


Content = int | bool | str | bytes | datetime | Range | Resolution | Localised | Attributes | None


def attribute(name: str, tag: int, *contents: Content) -> Attribute:
    """Return an attribute whose values all have the syntax `tag`."""
    return Attribute(name, tuple(Value(tag, content) for content in contents))


def members(*attributes: Attribute) -> Attributes:
    """Return a collection's content."""
    return Attributes(attributes)


# --- syntaxes (RFC 8010 section 3.9) -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Syntax:
    """How one value syntax is read and written; `read` raises ValueError or struct.error."""

    types: tuple[type, ...]
    read: Callable[[bytes], Content]
    write: Callable[[Any], bytes]


_INTEGER = struct.Struct(">i")


def text_of(octets: bytes) -> str:
    r"""Read UTF-8; octets that are not stay visible as `\xNN`: a wrong charset must not hide a job record."""
    return octets.decode("utf-8", errors="backslashreplace")


def _integer(octets: bytes) -> int:
    (number,) = _INTEGER.unpack(octets)
    return int(number)


def _boolean(octets: bytes) -> bool:
    if octets not in {b"\x00", b"\x01"}:
        raise ValueError(f"no boolean: {octets.hex()}")
    return octets == b"\x01"


def _when(octets: bytes) -> datetime | bytes:
    """Read a DateAndTime (RFC 2579); a date no calendar has (devices send all zeros) keeps its octets.

    A leap second is read as the second before it.
    """
    year, month, day, hour, minute, second, tenth, sign, off_h, off_m = struct.unpack(">H6B1c2B", octets)
    try:
        zone = timezone(timedelta(hours=off_h, minutes=off_m) * {b"+": 1, b"-": -1}[sign])
        moment = datetime(year, month, day, hour, minute, min(second, 59), tenth * 100_000, zone)
        moment.astimezone(UTC)
    except (ValueError, KeyError, OverflowError):
        return octets
    return moment


def _date_octets(when: datetime | bytes) -> bytes:
    if isinstance(when, bytes):
        return when
    offset = when.utcoffset()
    if offset is None:
        raise ValueError("a date and time needs its offset from UTC")
    minutes = int(abs(offset).total_seconds()) // 60
    day = (when.year, when.month, when.day, when.hour, when.minute, when.second, when.microsecond // 100_000)
    return struct.pack(">H6B1c2B", *day, b"-" if offset < timedelta(0) else b"+", *divmod(minutes, 60))


def _localised(octets: bytes) -> Localised:
    (length,) = struct.unpack_from(">h", octets)
    (rest,) = struct.unpack_from(">h", octets, 2 + length) if 0 <= length <= len(octets) - 4 else (-1,)
    if rest < 0 or 4 + length + rest != len(octets):
        raise ValueError("language and text do not fill the value")
    return Localised(text_of(octets[2 : 2 + length]), text_of(octets[4 + length :]))


def _localised_octets(value: Localised) -> bytes:
    language, text = value.language.encode(), value.text.encode()
    return struct.pack(">h", len(language)) + language + struct.pack(">h", len(text)) + text


def _nothing(octets: bytes) -> None:
    if octets:
        raise ValueError("an out-of-band value with octets")


_OCTETS = _Syntax((bytes,), bytes, bytes)  # octetString, and every extension's tag
_NOTHING = _Syntax((type(None),), _nothing, lambda _: b"")
_NUMBER = _Syntax((int,), _integer, lambda n: struct.pack(">i", n))
_STRING = _Syntax((str,), text_of, str.encode)
_TONGUE = _Syntax((Localised,), _localised, _localised_octets)
_SYNTAXES: dict[int, _Syntax] = {
    **dict.fromkeys((Tag.UNSUPPORTED, Tag.UNKNOWN, Tag.NO_VALUE), _NOTHING),
    **dict.fromkeys((Tag.INTEGER, Tag.ENUM), _NUMBER),
    Tag.BOOLEAN: _Syntax((bool,), _boolean, lambda yes: bytes((yes,))),
    Tag.DATE_TIME: _Syntax((datetime, bytes), _when, _date_octets),
    Tag.RESOLUTION: _Syntax(
        (Resolution,),
        lambda octets: Resolution(*struct.unpack(">iib", octets)),
        lambda r: struct.pack(">iib", r.cross, r.feed, r.units),
    ),
    Tag.RANGE: _Syntax(
        (Range,), lambda octets: Range(*struct.unpack(">ii", octets)), lambda r: struct.pack(">ii", r.low, r.high)
    ),
    **dict.fromkeys((Tag.TEXT_WITH_LANGUAGE, Tag.NAME_WITH_LANGUAGE), _TONGUE),
    **dict.fromkeys((Tag.TEXT, Tag.NAME, Tag.KEYWORD, Tag.URI, Tag.URI_SCHEME), _STRING),
    **dict.fromkeys((Tag.CHARSET, Tag.LANGUAGE, Tag.MIME_TYPE), _STRING),
}


def read_value(tag: int, octets: bytes) -> Value:
    """Return a value that is no collection. Raises ValueError."""
    try:
        return Value(tag, _SYNTAXES.get(tag, _OCTETS).read(octets))
    except struct.error as error:
        raise ValueError(str(error)) from error


def write_octets(value: Value) -> bytes:
    """Return the octets of a value that is no collection. Raises ValueError if they cannot be."""
    syntax = _SYNTAXES.get(value.tag, _OCTETS)
    if type(value.content) not in syntax.types:
        raise ValueError(f"{value.content!r} does not fit tag 0x{value.tag:02x}")
    try:
        return syntax.write(value.content)
    except struct.error as error:
        raise ValueError(f"tag 0x{value.tag:02x}: {error}") from error
