"""IPP on paper: the encoding of RFC 8010, values in and bytes out, bytes in and values out.

The one idea: *sans I/O*. This file never sees a socket, so the same codec serves our client (`drivers.printer`), our
emulated copier (`drivers.peers.copier`) and the fuzzer. It is strict about shape and lossless about content:
what `decode` accepts, `encode` writes back byte for byte, but for the two mendings named at `_text` and `_when`.

Bytes from the network are hostile. Every length is checked against what is there before it is used, every loop
consumes at least one byte per turn, collections nest at most `DEPTH` deep, and whatever does not fit is one
`IppError` with its offset. The document that follows end-of-attributes is handed back unread.

Only shape is known here. Which attribute means what is RFC 8011's business, and the caller's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
from typing import Any

DEPTH = 16  # collections in collections; real ones nest 2 deep
_LONGEST = 0x7FFF  # lengths are SIGNED-SHORT (RFC 8010 section 3.1.1)


class IppError(Exception):
    """Bytes that are not IPP. `offset` is where in the message the trouble begins."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"byte {offset}: {what}")
        self.offset = offset


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

    def integer(self, name: str) -> int | None:
        """Return the first value if it is an integer or an enum."""
        first = next(iter(self.contents(name)), None)
        return first if isinstance(first, int) and not isinstance(first, bool) else None

    def boolean(self, name: str) -> bool | None:
        """Return the first value if it is a boolean."""
        first = next(iter(self.contents(name)), None)
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
        first = next(iter(self.contents(name)), None)
        return first.astimezone(UTC) if isinstance(first, datetime) else None

    def collection(self, name: str) -> Attributes | None:
        """Return the first value if it is a collection."""
        first = next(iter(self.contents(name)), None)
        return first if isinstance(first, Attributes) else None


Content = int | bool | str | bytes | datetime | Range | Resolution | Localised | Attributes | None


@dataclass(frozen=True, slots=True)
class Group:
    """One attribute group: `tag` is its delimiter (Tag.OPERATION, Tag.JOB, Tag.PRINTER, ...)."""

    tag: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Message:
    """A request (`code` is the operation-id) or a response (`code` is the status-code); RFC 8010 section 3.1."""

    code: int
    request: int  # request-id, answered unchanged
    groups: tuple[Group, ...] = ()
    version: tuple[int, int] = (2, 0)

    def first(self, tag: int) -> Attributes:
        """Return the first group with this delimiter, empty if there is none."""
        return next((group.attributes for group in self.groups if group.tag == tag), Attributes())

    def every(self, tag: int) -> tuple[Attributes, ...]:
        """Return all groups with this delimiter: the jobs of a Get-Jobs response."""
        return tuple(group.attributes for group in self.groups if group.tag == tag)


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


def _text(octets: bytes) -> str:
    r"""Read UTF-8; octets that are not stay visible as `\xNN`: a wrong charset must not hide a job record."""
    return octets.decode("utf-8", errors="backslashreplace")


def _integer(octets: bytes) -> int:
    return int(struct.unpack(">i", octets)[0])


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
    return Localised(_text(octets[2 : 2 + length]), _text(octets[4 + length :]))


def _localised_octets(value: Localised) -> bytes:
    language, text = value.language.encode(), value.text.encode()
    return struct.pack(">h", len(language)) + language + struct.pack(">h", len(text)) + text


def _nothing(octets: bytes) -> None:
    if octets:
        raise ValueError("an out-of-band value with octets")


_OCTETS = _Syntax((bytes,), bytes, bytes)  # octetString, and every extension's tag
_NOTHING = _Syntax((type(None),), _nothing, lambda _: b"")
_NUMBER = _Syntax((int,), _integer, lambda n: struct.pack(">i", n))
_STRING = _Syntax((str,), _text, str.encode)
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


# --- decoding ----------------------------------------------------------------------------------------------


def decode(data: bytes) -> tuple[Message, bytes]:
    """Return the message at the start of `data` and the bytes after end-of-attributes. Raises IppError."""
    return _Reader(data).message()


class _Reader:
    """A position in `data` that only moves forward."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def message(self) -> tuple[Message, bytes]:
        major, minor, code, request = struct.unpack(">bbHi", self._take(8, "the header"))
        groups: list[Group] = []
        tag = self._byte("a delimiter tag")
        while tag != Tag.END:
            if not 0x01 <= tag <= 0x0F:
                raise IppError(self._at - 1, f"tag 0x{tag:02x} stands where a group should begin")
            delimiter = tag
            attributes, tag = self._group()
            groups.append(Group(delimiter, attributes))
        return Message(code, request, tuple(groups), (major, minor)), self._data[self._at :]

    def _group(self) -> tuple[Attributes, int]:
        """Read attributes up to the next delimiter; return both."""
        found: list[tuple[str, list[Value]]] = []
        while (tag := self._byte("a tag")) > 0x0F:
            at = self._at - 1
            name = self._name()
            value = self._value(tag, at, DEPTH)
            if name:
                found.append((name, [value]))
            elif found:
                found[-1][1].append(value)
            else:
                raise IppError(at, "an additional value without an attribute")
        return _frozen(found), tag

    def _members(self, depth: int) -> Attributes:
        """Read a collection's members up to its end (RFC 8010 section 3.1.6)."""
        if depth == 0:
            raise IppError(self._at, f"collections nest deeper than {DEPTH}")
        found: list[tuple[str, list[Value]]] = []
        while True:
            at = self._at
            tag = self._byte("a member's tag")
            if tag <= 0x0F:
                raise IppError(at, "a group begins inside a collection")
            if self._name():
                raise IppError(at, "an attribute begins inside a collection")
            if tag == Tag.END_COLLECTION:
                self._empty(at, "end of collection")
                break
            if tag == Tag.MEMBER_NAME:
                name = _text(self._octets())
                found.append((name, []))
            elif found:
                found[-1][1].append(self._value(tag, at, depth))
            else:
                raise IppError(at, "a member's value without its name")
        if any(not name or not values for name, values in found):
            raise IppError(self._at, "a collection's member without name or value")
        return _frozen(found)

    def _value(self, tag: int, at: int, depth: int) -> Value:
        if tag == Tag.COLLECTION:
            self._empty(at, "begin of collection")
            return Value(tag, self._members(depth - 1))
        if tag in {Tag.END_COLLECTION, Tag.MEMBER_NAME}:
            raise IppError(at, "a piece of a collection outside one")
        octets = self._octets()
        try:
            return Value(tag, _SYNTAXES.get(tag, _OCTETS).read(octets))
        except (ValueError, struct.error) as error:
            raise IppError(at, f"tag 0x{tag:02x}: {error}") from error

    def _empty(self, at: int, what: str) -> None:
        if self._octets():
            raise IppError(at, f"{what} has a value")

    def _name(self) -> str:
        return _text(self._octets())

    def _octets(self) -> bytes:
        (length,) = struct.unpack(">h", self._take(2, "a length"))
        if length < 0:
            raise IppError(self._at - 2, f"negative length {length}")
        return self._take(length, "a value")

    def _byte(self, what: str) -> int:
        return self._take(1, what)[0]

    def _take(self, count: int, what: str) -> bytes:
        if count > len(self._data) - self._at:
            raise IppError(self._at, f"the message ends inside {what}")
        self._at += count
        return self._data[self._at - count : self._at]


def _frozen(found: list[tuple[str, list[Value]]]) -> Attributes:
    return Attributes(tuple(Attribute(name, tuple(values)) for name, values in found))


# --- encoding ----------------------------------------------------------------------------------------------


def encode(message: Message, document: bytes = b"") -> bytes:
    """Return the message's bytes, with `document` after end-of-attributes.

    Raises ValueError for what the wire cannot carry (a name over 32767 octets, an integer over 32 bits, a content
    that does not fit its tag): that is the caller's bug, not the world's.
    """
    out = bytearray(struct.pack(">bbHi", *message.version, message.code, message.request))
    for group in message.groups:
        out.append(group.tag)
        for each in group.attributes.attributes:
            _put_attribute(out, each)
    out.append(Tag.END)
    return bytes(out) + document


def _put_attribute(out: bytearray, each: Attribute) -> None:
    if not each.name or not each.values:
        raise ValueError(f"attribute {each.name!r} needs a name and a value")
    name = each.name.encode()
    for value in each.values:
        _put_value(out, name, value)
        name = b""


def _put_value(out: bytearray, name: bytes, value: Value) -> None:
    out.append(value.tag)
    _put(out, name)
    if not isinstance(value.content, Attributes):
        _put(out, _octets_of(value))
        return
    if value.tag != Tag.COLLECTION:
        raise ValueError(f"a collection cannot have tag 0x{value.tag:02x}")
    _put(out, b"")
    for member in value.content.attributes:
        out.append(Tag.MEMBER_NAME)
        _put(out, b"")
        _put(out, member.name.encode())
        for inner in member.values:
            _put_value(out, b"", inner)
    out += bytes((Tag.END_COLLECTION, 0, 0, 0, 0))


def _put(out: bytearray, octets: bytes) -> None:
    if len(octets) > _LONGEST:
        raise ValueError(f"{len(octets)} octets do not fit a length of 15 bits")
    out += struct.pack(">h", len(octets)) + octets


def _octets_of(value: Value) -> bytes:
    syntax = _SYNTAXES.get(value.tag, _OCTETS)
    if type(value.content) not in syntax.types:
        raise ValueError(f"{value.content!r} does not fit tag 0x{value.tag:02x}")
    try:
        return syntax.write(value.content)
    except struct.error as error:
        raise ValueError(f"tag 0x{value.tag:02x}: {error}") from error
