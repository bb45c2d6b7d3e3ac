"""A conversation read over our own TCP: opened, asked, put in order, and deaf to whatever is not of it. Tier: rule.

scapy is the oracle of the frames; the far end is written out here, number by number.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from drivers.segments import Conversation, Ended, Ends

OURS, BOX, OTHER = bytes.fromhex("020000000099"), bytes.fromhex("020000000101"), bytes.fromhex("020000000201")
ENDS = Ends(OURS, BOX, "192.168.1.2", "192.0.2.80", 40000, 80)
REQUEST = b"GET /canari HTTP/1.1\r\nHost: canari.example.org\r\n\r\n"  # 50 bytes
MINE, THEIRS = 0xFFFFFFF0, 0xFFFFFF00  # both numberings go over their end


def frame(number, heard, flags, body=b"", *, box="02:00:00:00:01:01", options=(), **keys):
    ip = IP(src=keys.get("source", "192.0.2.80"), dst=keys.get("target", "192.168.1.2"))
    tcp = TCP(sport=keys.get("sport", 80), dport=keys.get("port", 40000), seq=number % 2**32, ack=heard % 2**32)
    tcp.flags, tcp.options = flags, list(options)
    if "chksum" in keys:
        tcp.chksum = keys["chksum"]
    return bytes(Ether(src=box, dst="02:00:00:00:00:99") / ip / tcp / body)


def opened(most=4096, *, scaled=True):
    """Return a conversation whose request is under way."""
    talk = Conversation(ENDS, REQUEST, MINE, most, most)
    talk.due(0.0)
    answer = frame(THEIRS, MINE + 1, "SA", options=[("MSS", 1460), ("WScale", 7)] if scaled else [("MSS", 1460)])
    assert talk.hear(answer) is not None
    return talk


def asked(most=4096, **keys):
    """Return a conversation whose request was heard."""
    talk = opened(most, **keys)
    talk.due(0.0)
    talk.hear(frame(THEIRS + 1, MINE + 51, "A"))
    return talk


def piece(at, body, flags="A"):
    return frame(THEIRS + 1 + at, MINE + 51, flags, body)


def sent(talk, now_s=0.0):
    """Return the one frame that is due, as scapy reads it."""
    (only,) = talk.due(now_s)[0]
    read = Ether(only)
    again = Ether(bytes(read))
    del again[IP].chksum, again[TCP].chksum
    again = Ether(bytes(again))
    assert (read[IP].chksum, read[TCP].chksum) == (again[IP].chksum, again[TCP].chksum)
    assert (read.src, read.dst, read[IP].src, read[IP].dst) == (
        "02:00:00:00:00:99", "02:00:00:00:01:01", "192.168.1.2", "192.0.2.80",
    )  # fmt: skip
    assert (read[TCP].sport, read[TCP].dport) == (40000, 80)
    return read[TCP]


def test_it_opens_asks_and_acknowledges_as_scapy_reads_it():
    talk = Conversation(ENDS, REQUEST, MINE, 1 << 20, 10)
    syn = sent(talk)
    assert (str(syn.flags), syn.seq, syn.window) == ("S", MINE, 65535)
    assert dict(syn.options) | {"NOP": None} == {"MSS": 1400, "NOP": None, "WScale": 2}
    assert talk.opening == MINE
    talk.hear(frame(THEIRS, MINE + 1, "SA", options=[("WScale", 7)]))
    assert talk.opening is None
    request = sent(talk)
    assert (str(request.flags), request.seq, request.ack) == ("PA", 0xFFFFFFF1, 0xFFFFFF01)
    assert (bytes(request.payload), request.window << 2) == (REQUEST, 131072)
    assert talk.due(0.1) == ([], 1.0)
    talk.hear(piece(0, bytes(1400)))
    answer = sent(talk)
    assert (str(answer.flags), answer.seq, answer.ack) == ("A", 0x23, 0x479)  # both have gone over their end
    assert talk.due(9.0) == ([], None)


def test_what_nothing_answers_is_asked_again_and_given_up():
    talk, times, now_s = Conversation(ENDS, REQUEST, MINE, 10, 10), [], 0.0
    while not talk.ended:
        frames, again_s = talk.due(now_s)
        times += [(now_s, str(Ether(each)[TCP].flags)) for each in frames]
        now_s = now_s if again_s is None else again_s
    assert times == [(0.0, "S"), (1.0, "S"), (3.0, "S"), (7.0, "S")]
    assert (talk.ended, now_s, talk.farewell()) == (Ended.SILENT, 15.0, [])


def test_a_request_that_was_lost_is_asked_again_until_it_was_heard():
    talk = opened()
    assert str(sent(talk, 5.0).flags) == "PA"
    assert talk.due(5.9) == ([], 6.0)
    assert bytes(sent(talk, 6.0).payload) == REQUEST
    talk.hear(frame(THEIRS + 1, MINE + 51, "A"))
    assert talk.due(60.0) == ([], None)


@pytest.mark.parametrize("scaled", [True, False])
def test_no_more_is_offered_than_is_wanted(scaled):
    talk = asked(5000, scaled=scaled)
    talk.hear(piece(0, bytes(1400)))
    assert sent(talk).window << (2 if scaled else 0) == 5000 - 1400 + 2 * 1400
    for at in (1400, 2800, 4200):
        talk.hear(piece(at, bytes(1400)))
    assert (talk.ended, talk.count) == (Ended.ENOUGH, 5600)
    (last,) = talk.farewell()
    assert str(Ether(last)[TCP].flags) == "RA"


def test_a_page_that_ends_is_whole_and_its_end_is_answered_with_ours():
    talk = asked()
    talk.hear(piece(6, b"", "FA"))  # before its turn
    assert talk.ended is Ended.NOT
    talk.hear(piece(0, b"canari"))
    assert (talk.ended, talk.head) == (Ended.WHOLE, b"canari")
    (last,) = talk.farewell()
    assert (str(Ether(last)[TCP].flags), Ether(last)[TCP].ack) == ("FA", 0xFFFFFF08)


PAGE = bytes(range(256)) * 8
CUTS = st.lists(st.integers(1, 2047), max_size=12).map(lambda cuts: sorted({0, *cuts, 2048}))


@given(CUTS, st.randoms(use_true_random=False))
def test_whatever_the_order_the_page_is_the_same(cuts, dice):
    """Pieces overlap, come twice and in any order; the page comes out once."""
    pieces = [(a, min(2048, b + dice.randrange(40))) for a, b in itertools.pairwise(cuts)]
    pieces += dice.sample(pieces, len(pieces) // 2)
    dice.shuffle(pieces)
    talk = asked(4096)
    for begins, ends in pieces:
        assert talk.hear(piece(begins, PAGE[begins:ends])) is not None
    talk.hear(piece(2048, b"", "FA"))
    assert (talk.head, talk.count, talk.ended, talk.strays) == (PAGE, 2048, Ended.WHOLE, 0)


GOOD = {"number": THEIRS + 1, "heard": MINE + 51, "flags": "A", "body": b"HTTP/1.1 302 Found"}
FORGED = {
    "another box": {"box": "02:00:00:00:02:01"},
    "another server": {"source": "192.0.2.81"},
    "for another": {"target": "192.168.1.3"},
    "another port": {"port": 40001},
    "from another port": {"sport": 443},
    "damaged": {"chksum": 0x1234},
    "beyond the window": {"number": THEIRS + 1 + (1 << 18)},
    "long ago": {"number": THEIRS + 1 - (1 << 18)},
    "answers what was never said": {"heard": MINE + 52},
    "answers what was before": {"heard": MINE - 1},
    "answers nothing": {"flags": "P"},
    "a reset that guesses": {"number": THEIRS + 2, "flags": "RA"},
    "a reset at the window's end": {"number": THEIRS + 4000, "flags": "R"},
}


@pytest.mark.parametrize("how", FORGED)
def test_what_is_not_of_this_conversation_is_counted_and_changes_nothing(how):
    talk = asked()
    assert talk.hear(frame(**GOOD | FORGED[how])) is None
    assert (talk.strays, talk.count, talk.ended, talk.due(0.0)) == (1, 0, Ended.NOT, ([], None))
    talk.hear(piece(0, b"HTTP/1.1 200 OK", "FA"))
    assert (talk.head, talk.ended) == (b"HTTP/1.1 200 OK", Ended.WHOLE)


def test_what_is_cut_short_anywhere_is_nothing():
    whole = frame(**GOOD)
    for size in range(len(whole)):
        talk = asked()
        assert talk.hear(whole[:size]) is None
        assert (talk.strays, talk.count) == (1, 0)


@given(st.binary(max_size=120))
def test_garbage_is_nothing(noise):
    talk, head = asked(), frame(**GOOD)[:34]
    for each in (noise, head + noise):
        assert talk.hear(each) is None
    assert (talk.strays, talk.count, talk.ended) == (2, 0, Ended.NOT)


def test_a_checksum_that_the_card_vouches_for_need_not_be_in_the_frame():
    talk = asked()
    assert talk.hear(frame(**GOOD | {"chksum": 0x1234}), proven=True) is not None
    assert talk.count == 18


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        ({"flags": "RA"}, Ended.REFUSED),
        ({"flags": "RA", "heard": MINE}, Ended.NOT),
        ({"flags": "R"}, Ended.NOT),
        ({"flags": "S"}, Ended.NOT),
        ({"flags": "SA", "heard": MINE + 2}, Ended.NOT),
        ({"flags": "A"}, Ended.NOT),
    ],
)
def test_only_an_answer_to_our_opening_refuses_it(answer, ended):
    talk = Conversation(ENDS, REQUEST, MINE, 10, 10)
    talk.due(0.0)
    talk.hear(frame(**{"number": THEIRS, "heard": MINE + 1} | answer))
    assert (talk.ended, talk.strays, talk.farewell()) == (ended, 0 if ended else 1, [])


def test_a_far_end_that_hangs_up_is_believed_at_the_number_that_is_due():
    talk = asked()
    talk.hear(piece(0, b"HTTP"))
    talk.hear(piece(4, b"", "R"))
    assert (talk.ended, talk.head, talk.farewell()) == (Ended.RESET, b"HTTP", [])


def test_an_opening_said_twice_is_answered_twice():
    talk = asked()
    talk.hear(frame(THEIRS, MINE + 1, "SA", options=[("WScale", 7)]))
    assert (str(sent(talk).flags), talk.strays) == ("A", 0)


@pytest.mark.parametrize(
    ("heard", "flags", "ended"), [(51 + 9000, "RA", None), (51, "RA", Ended.RESET), (0, "R", Ended.RESET)]
)
def test_a_reset_that_heard_what_we_never_said_is_not_the_far_ends(heard, flags, ended):
    talk = asked()
    talk.hear(frame(THEIRS + 1, MINE + heard if "A" in flags else 0, flags))
    assert (talk.ended or None) == ended
    assert talk.strays == (ended is None)
