"""The frames that ask and those that answer, against scapy itself: it builds whole packets, we patch and read bytes."""

from __future__ import annotations

import socket
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.icmp import Heard, patch_sequence, read_frame
from drivers.prober import ICMP, IP, Ether, arp_frame, echo_frame
from drivers.probing import Outcome, ProbeKind

OURS, BOX = bytes.fromhex("02aabbccdd01"), bytes.fromhex("02aabbccdd02")
words = st.integers(0, 0xFFFF)
addresses = st.ip_addresses(v=4).map(str)


@settings(max_examples=40)
@given(words, words, words, addresses, addresses)
def test_a_patched_frame_is_the_one_scapy_builds(ident, first, second, source, target):
    frame = echo_frame(OURS, source, target, ident)
    for sequence in (first, second):
        patch_sequence(frame, sequence)
        frame[:6] = BOX
        ether = Ether(src=OURS.hex(":"), dst=BOX.hex(":")) / IP(src=source, dst=target, flags="DF", id=0)
        oracle = bytes(ether / ICMP(type=8, id=ident, seq=sequence) / bytes(frame[42:]))
        assert frame[:36] == oracle[:36]
        assert frame[38:] == oracle[38:]
        message = sum(struct.unpack("!13H", frame[34:60]))  # RFC 1071: the whole sums to minus zero
        assert (message & 0xFFFF) + (message >> 16) in (0xFFFF, 0x1FFFE)


@settings(max_examples=40)
@given(words, words, addresses, addresses)
def test_an_echo_reply_and_an_icmp_error_are_read_back(ident, sequence, source, target):
    back = Ether(src=BOX.hex(":"), dst=OURS.hex(":")) / IP(src=target, dst=source)
    assert read_frame(bytes(back / ICMP(type=0, id=ident, seq=sequence))) == Heard(
        ProbeKind.ECHO, Outcome.REPLIED, target, b"", ident, sequence
    )
    probe = echo_frame(OURS, source, target, ident)
    patch_sequence(probe, sequence)
    router = Ether(src=BOX.hex(":"), dst=OURS.hex(":")) / IP(src="192.0.2.77", dst=source)
    for kind in (3, 11):
        error = bytes(router / ICMP(type=kind, code=1)) + bytes(probe[14:42])
        assert read_frame(error) == Heard(ProbeKind.ECHO, Outcome.UNREACHABLE, target, b"", ident, sequence)
    assert read_frame(bytes(probe)) is None


def test_an_arp_reply_names_the_box_and_a_question_names_nobody():
    question = arp_frame(OURS, "192.168.1.2", "192.168.1.1")
    assert read_frame(bytes(question)) is None
    reply = bytearray(question)
    reply[21], reply[22:28], reply[28:32] = 2, BOX, socket.inet_aton("192.168.1.1")
    assert read_frame(bytes(reply)) == Heard(ProbeKind.ARP, Outcome.REPLIED, "192.168.1.1", BOX, 0, 0)


@given(
    st.binary(max_size=80), st.sampled_from([b"", b"\x08\x00\x45", b"\x08\x06", b"\x08\x00\x4f"]), st.integers(0, 11)
)
def test_no_frame_however_broken_is_more_than_unheard(noise, start, kind):
    frame = bytearray(bytes(12) + start + noise)
    if len(frame) > 34:
        frame[23], frame[34] = 1, kind
    heard = read_frame(bytes(frame))
    assert heard is None or heard.target.count(".") == 3
