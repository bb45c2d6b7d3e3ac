"""The IPP codec: what it writes it reads, what it is fed it survives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.ipp import (
    Attribute,
    Attributes,
    Content,
    Group,
    IppError,
    Localised,
    Message,
    Range,
    Resolution,
    Tag,
    Value,
    attribute,
    decode,
    encode,
    members,
)

# RFC 8010 appendix A.1: the Print-Job request, shortened to its first attributes, and with its document.
PRINT_JOB = (
    b"\x01\x01\x00\x02\x00\x00\x00\x01"
    b"\x01"
    b"\x47\x00\x12attributes-charset\x00\x05utf-8"
    b"\x48\x00\x1battributes-natural-language\x00\x05en-us"
    b"\x45\x00\x0bprinter-uri\x00\x2cipp://printer.example.com/ipp/print/pinetree"
    b"\x42\x00\x08job-name\x00\x06foobar"
    b"\x22\x00\x16ipp-attribute-fidelity\x00\x01\x01"
    b"\x02"
    b"\x21\x00\x06copies\x00\x04\x00\x00\x00\x14"
    b"\x44\x00\x05sides\x00\x13two-sided-long-edge"
    b"\x03%!PDF..."
)
# RFC 8010 section 3.1.6: media-col {media-color: blue, media-size: {x: 6, y: 4}} and a 1setOf with two syntaxes.
COLLECTION = (
    b"\x01\x01\x00\x00\x00\x00\x00\x02"
    b"\x02"
    b"\x34\x00\x09media-col\x00\x00"
    b"\x4a\x00\x00\x00\x0bmedia-color\x44\x00\x00\x00\x04blue"
    b"\x4a\x00\x00\x00\x0amedia-size\x34\x00\x00\x00\x00"
    b"\x4a\x00\x00\x00\x0bx-dimension\x21\x00\x00\x00\x04\x00\x00\x00\x06"
    b"\x4a\x00\x00\x00\x0by-dimension\x21\x00\x00\x00\x04\x00\x00\x00\x04"
    b"\x37\x00\x00\x00\x00"
    b"\x37\x00\x00\x00\x00"
    b"\x44\x00\x05media\x00\x06iso_a4\x42\x00\x00\x00\x05White"
    b"\x03"
)


def test_reads_the_standards_print_job_and_leaves_its_document_alone():
    message, document = decode(PRINT_JOB)
    assert (message.version, message.code, message.request) == ((1, 1), 0x0002, 1)
    operation, job = message.first(Tag.OPERATION), message.first(Tag.JOB)
    assert operation.text("printer-uri") == "ipp://printer.example.com/ipp/print/pinetree"
    assert operation.boolean("ipp-attribute-fidelity") is True
    assert (job.integer("copies"), job.text("sides")) == (20, "two-sided-long-edge")
    assert document == b"%!PDF..."
    assert encode(message, document) == PRINT_JOB


def test_reads_nested_collections_and_sets_of_two_syntaxes():
    message, document = decode(COLLECTION)
    job = message.first(Tag.JOB)
    size = job.collection("media-col").collection("media-size")
    assert (size.integer("x-dimension"), size.integer("y-dimension")) == (6, 4)
    assert job.collection("media-col").text("media-color") == "blue"
    assert job.attributes[1].values == (Value(Tag.KEYWORD, "iso_a4"), Value(Tag.NAME, "White"))
    assert job.texts("media") == ("iso_a4", "White")
    assert document == b""
    assert encode(message) == COLLECTION


def _one(octets: bytes, tag: int) -> bytes:
    return b"\x02\x00\x00\x00\x00\x00\x00\x01\x04" + bytes([tag]) + b"\x00\x01x" + octets + b"\x03"


@pytest.mark.parametrize(
    ("data", "offset", "what"),
    [
        (b"", 0, "ends inside the header"),
        (b"\x02\x00\x00\x00\x00\x00\x00", 0, "ends inside the header"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x01", 8, "ends inside a delimiter tag"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x01\x00", 8, "tag 0x00 stands where a group should begin"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x01\x44", 8, "tag 0x44 stands where a group should begin"),
        (_one(b"\xff\xff", Tag.KEYWORD), 13, "negative length -1"),
        (_one(b"\x7f\xffabc", Tag.KEYWORD), 15, "ends inside a value"),
        (_one(b"\x00\x03abc", Tag.INTEGER), 9, "tag 0x21"),
        (_one(b"\x00\x01\x02", Tag.BOOLEAN), 9, "no boolean: 02"),
        (_one(b"\x00\x02ab", Tag.NO_VALUE), 9, "an out-of-band value with octets"),
        (_one(b"\x00\x04\x00\x05en", Tag.TEXT_WITH_LANGUAGE), 9, "do not fill the value"),
        (_one(b"\x00\x04\xff\xf0\x00\x00", Tag.NAME_WITH_LANGUAGE), 9, "do not fill the value"),
        (_one(b"\x00\x01a", Tag.COLLECTION), 9, "begin of collection has a value"),
        (_one(b"\x00\x00", Tag.COLLECTION), 15, "a group begins inside a collection"),
        (
            _one(b"\x00\x00\x21\x00\x00\x00\x04\x00\x00\x00\x01", Tag.COLLECTION),
            15,
            "a member's value without its name",
        ),
        (_one(b"\x00\x00\x21\x00\x01y", Tag.COLLECTION), 15, "an attribute begins inside a collection"),
        (_one(b"\x00\x00\x4a\x00\x00\x00\x01m\x37\x00\x00\x00\x00", Tag.COLLECTION), 26, "without name or value"),
        (_one(b"\x00\x00", Tag.END_COLLECTION), 9, "a piece of a collection outside one"),
        (
            b"\x02\x00\x00\x00\x00\x00\x00\x01\x04\x44\x00\x00\x00\x01a\x03",
            9,
            "an additional value without an attribute",
        ),
    ],
)
def test_says_where_and_what_is_wrong(data, offset, what):
    with pytest.raises(IppError, match=what) as caught:
        decode(data)
    assert caught.value.offset == offset


def test_collections_nest_only_so_deep():
    bottomless = b"\x4a\x00\x00\x00\x01m\x34\x00\x00\x00\x00" * 5000
    with pytest.raises(IppError, match="deeper than 16"):
        decode(_one(b"\x00\x00" + bottomless, Tag.COLLECTION))


def test_a_wrong_charset_hides_nothing_else():
    message, _ = decode(_one(b"\x00\x05Zo\xe9\n!", Tag.NAME))
    assert message.first(Tag.PRINTER).text("x") == "Zo\\xe9\n!"


def test_a_date_no_calendar_has_is_no_date():
    message, _ = decode(_one(b"\x00\x0b" + bytes(11), Tag.DATE_TIME))
    assert message.first(Tag.PRINTER).when("x") is None
    assert encode(message)[15:26] == bytes(11)


def test_a_leap_second_is_read_as_the_one_before():
    message, _ = decode(_one(b"\x00\x0b\x07\xe0\x0c\x1f\x17\x3b\x3c\x00+\x00\x00", Tag.DATE_TIME))
    assert message.first(Tag.PRINTER).when("x") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_dates_carry_their_offset():
    message, _ = decode(_one(b"\x00\x0b\x07\xea\x0b\x16\x0b\x1e\x05\x07+\x01\x00", Tag.DATE_TIME))
    assert message.first(Tag.PRINTER).when("x") == datetime(2026, 11, 22, 10, 30, 5, 700_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        attribute("x", Tag.INTEGER, 2**31),
        attribute("x", Tag.INTEGER, "1"),
        attribute("x", Tag.INTEGER, True),
        attribute("x", Tag.KEYWORD, 1),
        attribute("x", Tag.TEXT, "a" * 40_000),
        attribute("x", Tag.DATE_TIME, datetime(2026, 1, 1)),  # noqa: DTZ001  (that is the fault)
        attribute("x", Tag.KEYWORD, members()),
        attribute("x", Tag.COLLECTION, 1),
        attribute("x", Tag.KEYWORD),
        attribute("", Tag.KEYWORD, "a"),
    ],
)
def test_what_the_wire_cannot_carry_is_refused(wrong):
    with pytest.raises(ValueError):
        encode(Message(0, 1, (Group(Tag.PRINTER, members(wrong)),)))


def test_readers_ignore_what_is_of_another_syntax():
    odd = members(
        attribute("count", Tag.NO_VALUE, None),
        attribute("flag", Tag.BOOLEAN, True),
        attribute("text", Tag.TEXT_WITH_LANGUAGE, Localised("fr", "prêt")),
    )
    assert (odd.integer("count"), odd.integer("flag"), odd.integer("absent")) == (None, None, None)
    assert (odd.boolean("count"), odd.when("text"), odd.collection("text")) == (None, None, None)
    assert odd.text("text") == "prêt"


# --- laws --------------------------------------------------------------------------------------------------

integers = st.integers(-(2**31), 2**31 - 1)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
zones = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
dates = st.datetimes(datetime(1000, 1, 2), datetime(9998, 1, 1), timezones=zones).map(  # noqa: DTZ001  (zoned by the strategy)
    lambda when: when.replace(microsecond=when.microsecond // 100_000 * 100_000)
)


def _values(tag: int, contents: st.SearchStrategy[Content]) -> st.SearchStrategy[Value]:
    return contents.map(lambda content: Value(tag, content))


plain = st.one_of(
    st.sampled_from([Value(tag, None) for tag in (Tag.UNSUPPORTED, Tag.UNKNOWN, Tag.NO_VALUE)]),
    _values(Tag.INTEGER, integers),
    _values(Tag.ENUM, integers),
    _values(Tag.BOOLEAN, st.booleans()),
    _values(Tag.OCTETS, st.binary(max_size=20)),
    _values(0x7F, st.binary(max_size=20)),
    _values(Tag.DATE_TIME, dates),
    _values(Tag.RESOLUTION, st.builds(Resolution, integers, integers, st.integers(-128, 127))),
    _values(Tag.RANGE, st.builds(Range, integers, integers)),
    _values(Tag.TEXT_WITH_LANGUAGE, st.builds(Localised, words, words)),
    *(_values(tag, words) for tag in (Tag.TEXT, Tag.NAME, Tag.KEYWORD, Tag.URI, Tag.CHARSET, Tag.MIME_TYPE)),
)


def _sets(values: st.SearchStrategy[Value]) -> st.SearchStrategy[Attributes]:
    each = st.builds(Attribute, words.filter(bool), st.lists(values, min_size=1, max_size=3).map(tuple))
    return st.builds(Attributes, st.lists(each, max_size=4).map(tuple))


nested = st.recursive(plain, lambda inner: _values(Tag.COLLECTION, _sets(inner)), max_leaves=8)
groups = st.builds(Group, st.sampled_from([1, 2, 4, 5, 6, 7, 0x0F]), _sets(nested))
messages = st.builds(
    Message,
    st.integers(0, 0xFFFF),
    integers,
    st.lists(groups, max_size=3).map(tuple),
    st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
)


@given(messages, st.binary(max_size=30))
@settings(max_examples=120)
def test_what_is_written_is_read_back(message, document):
    assert decode(encode(message, document)) == (message, document)


@given(st.binary(max_size=200))
@example(PRINT_JOB[:-9])
@settings(max_examples=120)
def test_any_bytes_are_a_message_or_an_ipp_error(data):
    assert 8 <= _stops_at(b"\x02\x00\x00\x00\x00\x00\x00\x01" + data) <= len(data) + 8


def _stops_at(wire: bytes) -> int:
    """Where the decoder ended, or found fault."""
    try:
        _, document = decode(wire)
    except IppError as error:
        return error.offset
    return len(wire) - len(document)


@given(messages, st.data())
@settings(max_examples=120)
def test_a_damaged_message_is_another_message_or_an_ipp_error(message, data):
    wire = bytearray(encode(message, b"document"))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    try:
        _, document = decode(bytes(wire[:cut]))
    except IppError:
        return
    assert bytes(wire[:cut]).endswith(document)
