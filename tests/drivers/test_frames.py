"""The frames that ask and those that answer, against scapy itself: it builds whole packets, we patch and read bytes."""

from __future__ import annotations

import socket

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR

from drivers.frames import (
    ICMP,
    TCP,
    UDP,
    Heard,
    Sort,
    checksum,
    dns_query,
    patch_dns,
    patch_echo,
    patch_syn,
    read_frame,
)
from drivers.probing import IcmpError
from drivers.segments import reset_of
from drivers.wire import IP, Ether, arp_frame, dns_frame, echo_frame, inet, syn_frame

OURS, BOX = bytes.fromhex("02aabbccdd01"), bytes.fromhex("02aabbccdd02")
NAME = "canari.example.org"
words = st.integers(0, 0xFFFF)
addresses = st.ip_addresses(v=4).map(str)


def ether_to(target, source):
    return Ether(src=OURS.hex(":"), dst=BOX.hex(":")) / IP(src=source, dst=target, flags="DF", id=0)


def back(source, target):
    return Ether(src=BOX.hex(":"), dst=OURS.hex(":")) / IP(src=source, dst=target)


def whole(frame, protocol):
    """Return the checksum over an IP payload with its pseudo-header (RFC 9293 section 3.1): 0 when it is right."""
    return checksum(bytes(frame[26:34]) + bytes((0, protocol)) + (len(frame) - 34).to_bytes(2, "big") + frame[34:])


@settings(max_examples=40)
@given(words, words, words, addresses, addresses, st.sampled_from([0, 1500]))
def test_a_patched_echo_is_the_one_scapy_builds(ident, first, second, source, target, size):
    frame = echo_frame(OURS, source, target, ident, size=size)
    for sequence in (first, second):
        patch_echo(frame, sequence)
        frame[:6] = BOX
        oracle = bytes(ether_to(target, source) / inet.ICMP(type=8, id=ident, seq=sequence) / bytes(frame[42:]))
        assert frame[:36] == oracle[:36]
        assert frame[38:] == oracle[38:]
        assert checksum(frame[34:]) in (0, 0xFFFF)
    assert len(frame) == (1514 if size else 60)


@settings(max_examples=40)
@given(words, st.integers(0, 0xFFFFFFFF), addresses, addresses, st.integers(1, 0xFFFF))
def test_a_patched_question_and_a_patched_syn_have_right_checksums(number, sequence, source, target, port):
    question = patch_dns(dns_frame(OURS, source, target, port, NAME), number)
    oracle = DNS(id=number, rd=1, qd=DNSQR(qname=NAME))
    assert question[42:] == bytes(oracle)
    assert whole(question, 17) in (0, 0xFFFF)
    syn = patch_syn(syn_frame(OURS, source, target, port), sequence)
    parsed = Ether(bytes(syn))[inet.TCP]
    assert (parsed.seq, parsed.sport, parsed.dport, str(parsed.flags)) == (sequence, port, 443, "S")
    assert whole(syn, 6) in (0, 0xFFFF)


@settings(max_examples=40)
@given(words, words, addresses, addresses)
def test_an_echo_reply_and_an_icmp_error_are_read_back(ident, sequence, source, target):
    assert read_frame(bytes(back(target, source) / inet.ICMP(type=0, id=ident, seq=sequence))) == Heard(
        Sort.ECHO, BOX, target, ident, sequence
    )
    probe = patch_echo(echo_frame(OURS, source, target, ident), sequence)
    router = back("192.0.2.77", source)
    for kind in (3, 11):
        error = bytes(router / inet.ICMP(type=kind, code=1) / bytes(probe[14:42]))
        said = IcmpError("192.0.2.77", kind, 1)
        assert read_frame(error) == Heard(Sort.ERROR, BOX, target, ident, sequence, ICMP, said)
    assert read_frame(bytes(probe)) is None


@settings(max_examples=40)
@given(st.integers(0, 0xFFFFFFFF), addresses, addresses, st.integers(1, 0xFFFF))
def test_answers_to_a_syn_and_errors_about_it_name_its_sequence(sequence, source, target, port):
    syn = patch_syn(syn_frame(OURS, source, target, port), sequence)
    for flags, refused in (("SA", False), ("RA", True)):
        answer = inet.TCP(sport=443, dport=port, flags=flags, ack=(sequence + 1) & 0xFFFFFFFF)
        expected = Heard(Sort.TCP, BOX, target, port, sequence, TCP, refused=refused)
        assert read_frame(bytes(back(target, source) / answer)) == expected
    error = bytes(back("192.0.2.77", source) / inet.ICMP(type=3, code=13) / bytes(syn[14:42]))
    said = IcmpError("192.0.2.77", 3, 13)
    assert read_frame(error) == Heard(Sort.ERROR, BOX, target, port, sequence, TCP, said)


def test_a_dns_answer_is_its_addresses_or_its_rcode():
    records = [DNSRR(rrname=NAME, type="CNAME", rdata="x.example.org")]
    records += [DNSRR(rrname="x.example.org", type="A", rdata=address) for address in ("192.0.2.7", "192.0.2.8")]
    for rcode, says, refused in ((0, ("192.0.2.7", "192.0.2.8"), False), (3, ("NXDOMAIN",), True)):
        message = DNS(id=0xBEEF, qr=1, rcode=rcode, qd=DNSQR(qname=NAME), an=[] if rcode else records)
        answer = back("192.0.2.53", "192.168.1.2") / inet.UDP(sport=53, dport=4444) / message
        expected = Heard(Sort.DNS, BOX, "192.0.2.53", 4444, 0xBEEF, UDP, refused=refused, says=says)
        assert read_frame(bytes(answer)) == expected
    assert dns_query(NAME) == bytes(DNS(id=0, rd=1, qd=DNSQR(qname=NAME)))


def test_an_arp_reply_names_the_box_and_a_question_names_nobody():
    question = arp_frame(OURS, "192.168.1.2", "192.168.1.1")
    assert read_frame(bytes(question)) is None
    reply = bytearray(question)
    reply[21], reply[22:28], reply[28:32] = 2, BOX, socket.inet_aton("192.168.1.1")
    assert read_frame(bytes(reply)) == Heard(Sort.ARP, BOX, "192.168.1.1")


@settings(max_examples=300)
@given(
    st.binary(max_size=120),
    st.sampled_from([b"", b"\x08\x00\x45", b"\x08\x06", b"\x08\x00\x4f"]),
    st.sampled_from([1, 6, 17]),
    st.integers(0, 11),
)
def test_no_frame_however_broken_is_more_than_unheard(noise, start, protocol, kind):
    frame = bytearray(bytes(12) + start + noise)
    if len(frame) > 34:
        frame[16:18], frame[20:22] = (len(frame) - 14).to_bytes(2, "big"), b"\0\0"
        frame[23], frame[34] = protocol, kind
    heard = read_frame(bytes(frame))
    assert heard is None or heard.target.count(".") == 3


@settings(max_examples=60)
@given(st.integers(0, 59), st.integers(0, 7))
def test_an_echo_reply_with_any_bit_wrong_or_cut_short_is_not_ours(at, bit):
    good = bytearray(bytes(back("192.0.2.1", "192.168.1.2") / inet.ICMP(type=0, id=7, seq=9) / b"gardien link probe"))
    assert read_frame(bytes(good[:-1])) is None
    bent = bytearray(good)
    bent[at] ^= 1 << bit
    heard = read_frame(bytes(bent))
    if at >= 34:
        assert heard is None  # the checksum


@settings(max_examples=40)
@given(words, st.integers(0, 0xFFFFFFFF), addresses, addresses)
def test_a_syn_ack_is_let_go_with_the_reset_that_scapy_builds(port, acknowledged, source, target):
    heard = back(target, source) / inet.TCP(sport=443, dport=port, seq=7, ack=acknowledged, flags="SA")
    reset = reset_of(bytes(heard))
    assert reset is not None
    made = ether_to(target, source) / inet.TCP(sport=port, dport=443, seq=acknowledged, flags="R", window=0)
    assert reset == bytes(made)


def test_only_a_syn_ack_is_let_go():
    for flags in ("S", "A", "RA", "R", "F"):
        assert reset_of(bytes(back("192.0.2.1", "192.168.1.2") / inet.TCP(sport=443, dport=9, flags=flags))) is None
    opened = bytes(back("192.0.2.1", "192.168.1.2") / inet.TCP(sport=443, dport=9, flags="SA"))
    assert reset_of(opened) is not None
    assert [reset_of(opened[:length]) for length in range(len(opened))] == [None] * len(opened)
    assert reset_of(bytes(back("192.0.2.1", "192.168.1.2") / inet.ICMP(type=0))) is None
    assert reset_of(bytes(arp_frame(OURS, "192.168.1.2", "192.168.1.1"))) is None
