"""IPP on paper: the encoding of RFC 8010, values in and bytes out, bytes in and values out.

The one idea: *sans I/O*. This file never sees a socket, so the same codec serves our client (`drivers.printer`), our
emulated copier (`drivers.peers.copier`) and the fuzzer. It is strict about shape and lossless about content: what
`decode` accepts, `encode` writes back byte for byte, but for the mendings of `drivers.ippvalues` (text that is not
UTF-8, leap seconds, an offset of minus nothing).

Bytes from the network are hostile. Every length is checked against what is there before it is used, every loop
consumes at least one byte per turn, collections nest at most `DEPTH` deep, a message has at most 250 000 values, and
whatever does not fit is one `IppError` with its offset. The document that follows end-of-attributes is handed back
unread.

Only shape is known here. Which attribute means what is RFC 8011's business, and the caller's.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from drivers.ippvalues import (
    Attribute,
    Attributes,
    Content,
    Localised,
    Range,
    Resolution,
    Tag,
    Value,
    attribute,
    members,
    read_value,
    text_of,
    write_octets,
)

__all__ = [
    "Attribute",
    "Attributes",
    "Content",
    "Group",
    "IppError",
    "Localised",
    "Message",
    "Range",
    "Resolution",
    "Tag",
    "Value",
    "attribute",
    "decode",
    "encode",
    "members",
]

DEPTH = 16  # collections in collections; real ones nest 2 deep
_MOST = 250_000  # groups and values of one message; 5000 job records have half as many
_SHORT = 64  # octets of what is worth remembering: names, and values that come in every job record
_LONGEST = 0x7FFF  # lengths are SIGNED-SHORT (RFC 8010 section 3.1.1)
_OF_COLLECTIONS = frozenset((Tag.COLLECTION, Tag.END_COLLECTION, Tag.MEMBER_NAME))
_named = lru_cache(512)(text_of)  # the same few names and values come with each of a thousand records
_often = lru_cache(2048)(read_value)


class IppError(Exception):
    """Bytes that are not IPP. `offset` is where in the message the trouble begins."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"byte {offset}: {what}")
        self.offset = offset


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


# --- decoding ----------------------------------------------------------------------------------------------


def decode(data: bytes) -> tuple[Message, bytes]:
    """Return the message at the start of `data` and the bytes after end-of-attributes. Raises IppError."""
    return _Reader(data).message()


class _Reader:
    """A position in `data` that only moves forward."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._left = _MOST

    def message(self) -> tuple[Message, bytes]:
        major, minor, code, request = struct.unpack(">bbHi", self._take(8, "the header"))
        groups: list[Group] = []
        tag = self._byte("a delimiter tag")
        while tag != Tag.END:
            if not 0x01 <= tag <= 0x0F:
                raise IppError(self._at - 1, f"tag 0x{tag:02x} stands where a group should begin")
            self._count()
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
            if self._octets():
                raise IppError(at, "an attribute begins inside a collection")
            if tag == Tag.END_COLLECTION:
                self._empty(at, "end of collection")
                break
            if tag == Tag.MEMBER_NAME:
                found.append((self._name(), []))
            elif found:
                found[-1][1].append(self._value(tag, at, depth))
            else:
                raise IppError(at, "a member's value without its name")
        if any(not name or not values for name, values in found):
            raise IppError(self._at, "a collection's member without name or value")
        return _frozen(found)

    def _count(self) -> None:
        """Take one group or value off what a message may hold: a few octets each here, hundreds in memory."""
        self._left -= 1
        if self._left < 0:
            raise IppError(self._at, f"more than {_MOST} groups and values")

    def _value(self, tag: int, at: int, depth: int) -> Value:
        self._count()
        if tag in _OF_COLLECTIONS:
            if tag != Tag.COLLECTION:
                raise IppError(at, "a piece of a collection outside one")
            self._empty(at, "begin of collection")
            return Value(tag, self._members(depth - 1))
        octets = self._octets()
        try:
            return (_often if len(octets) <= _SHORT else read_value)(tag, octets)
        except ValueError as error:
            raise IppError(at, f"tag 0x{tag:02x}: {error}") from error

    def _empty(self, at: int, what: str) -> None:
        if self._octets():
            raise IppError(at, f"{what} has a value")

    def _name(self) -> str:
        octets = self._octets()
        return _named(octets) if len(octets) <= _SHORT else text_of(octets)

    def _octets(self) -> bytes:
        """Read a length and as many octets: most of the work of a message, so nothing is called for it."""
        data, start = self._data, self._at + 2
        if start > len(data):
            raise IppError(self._at, "the message ends inside a length")
        length = data[start - 2] << 8 | data[start - 1]
        if length > _LONGEST:
            raise IppError(self._at, f"negative length {length - 0x10000}")
        if start + length > len(data):
            raise IppError(start, "the message ends inside a value")
        self._at = start + length
        return data[start : self._at]

    def _byte(self, what: str) -> int:
        if self._at >= len(self._data):
            raise IppError(self._at, f"the message ends inside {what}")
        self._at += 1
        return self._data[self._at - 1]

    def _take(self, count: int, what: str) -> bytes:
        if count > len(self._data) - self._at:
            raise IppError(self._at, f"the message ends inside {what}")
        self._at += count
        return self._data[self._at - count : self._at]


def _frozen(found: list[tuple[str, list[Value]]]) -> Attributes:
    return Attributes(tuple([Attribute(name, tuple(values)) for name, values in found]))


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
        _put(out, write_octets(value))
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
