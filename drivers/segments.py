"""As much of TCP as it takes to read one page: open, ask once, acknowledge what comes, hang up. Pure: no I/O, no clock.

The one idea: who only reads needs little. There is one request, so nothing to send but that and acknowledgements;
what comes is put in order, and what comes ahead of its turn is kept as far as the window reaches. No more is ever
offered than is wanted, so a page costs the line at most its budget and two segments. A segment counts only if its
addresses, ports, checksum and numbers are those of this conversation (RFC 9293 section 3.10, RFC 5961 for resets);
whatever else comes is damaged or forged, and is a *stray*.

Segments are at most 1400 bytes, so that no tunnel of a provider's is in their way; the window is 128 KiB (RFC 7323
section 2), twice what 17 Mbit/s need at 30 ms. The opening and the request are sent again after 1, 2 and 4 s (RFC 6298
section 5). Whoever holds a conversation limits its time.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from drivers.frames import IP_TYPE, TCP, address_at, checksum, read_frame

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
MOST_PAYLOAD, WINDOW, SCALE = 1400, 1 << 17, 2
OPTIONS = struct.pack("!BBHBBBB", 2, 4, MOST_PAYLOAD, 1, 3, 3, SCALE)  # of a SYN: the largest segment, the scale
AGAIN_S, TRIES = 1.0, 4
TURN = 1 << 32
_IP, _TCP = IP_TYPE.to_bytes(2, "big"), bytes((TCP,))


@dataclass(frozen=True, slots=True)
class Ends:
    """Both ends of a conversation; `box` is the MAC that everything goes to and comes from."""

    mac: bytes
    box: bytes
    here: str  # IPv4 addresses
    there: str
    port: int  # ours
    to_port: int

    def frame(self, number: int, heard: int, flags: int, window: int, body: bytes = b"", options: bytes = b"") -> bytes:
        """Return one segment as a whole Ethernet frame."""
        addresses = IPv4Address(self.here).packed + IPv4Address(self.there).packed
        offset = (20 + len(options)) << 2
        tcp = struct.pack("!HHIIBBHHH", self.port, self.to_port, number, heard, offset, flags, window, 0, 0)
        tcp += options + body
        tcp = tcp[:16] + struct.pack("!H", checksum(_pseudo(addresses, len(tcp)) + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, TCP, 0) + addresses
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        return self.box + self.mac + struct.pack("!H", IP_TYPE) + ip + tcp

    def read(self, frame: bytes, *, proven: bool = False) -> Segment | None:
        """Return a frame's segment; None if it is not of this conversation, damaged or cut short.

        `proven`: the kernel vouches for the checksum, which then need not stand in the frame.
        """
        try:
            fields = struct.unpack_from("!6s6sHBxHxxHxBxx4s4s", frame)
        except struct.error:
            return None
        _, mac, ethertype, version, length, fragment, protocol, source, target = fields
        at, end = 14 + (version & 15) * 4, 14 + length
        ours = (self.box, IP_TYPE, 4, TCP, IPv4Address(self.there).packed, IPv4Address(self.here).packed)
        if (mac, ethertype, version >> 4, protocol, source, target) != ours or fragment & 0x3FFF:
            return None
        if not 34 <= at <= end - 20 or end > len(frame) or (not proven and not _sound(frame, at, end)):
            return None
        ports, number, heard, offset, flags = struct.unpack_from("!IIIBB", frame, at)
        body = at + (offset >> 4) * 4
        if ports != self.to_port << 16 | self.port or not at + 20 <= body <= end:
            return None
        return Segment(number, heard, flags, bytes(frame[body:end]), frame[at + 20 : body], length)


def reset_of(frame: bytes) -> bytes | None:
    """Return the reset (RFC 9293 section 3.10.7.3) that lets go of what a SYN half opened; None for no SYN-ACK.

    It goes back to the MAC that the SYN-ACK came from, so to the same box, whatever the routes say.
    """
    if frame[12:14] != _IP or frame[23:24] != _TCP or read_frame(frame) is None:  # in this order: few are TCP
        return None
    theirs, ours, _, heard, _, flags = struct.unpack_from("!HHIIBB", frame, 14 + (frame[14] & 15) * 4)
    if flags & RST:
        return None
    ends = Ends(frame[:6], frame[6:12], address_at(frame, 30), address_at(frame, 26), ours, theirs)
    return ends.frame(heard, 0, RST, 0)


def _pseudo(addresses: bytes, length: int) -> bytes:
    return addresses + struct.pack("!HH", TCP, length)


def _sound(frame: bytes, at: int, end: int) -> bool:
    return not checksum(frame[14:at]) and not checksum(_pseudo(frame[26:34], end - at) + frame[at:end])


@dataclass(frozen=True, slots=True)
class Segment:
    """What came. `length` is that of its IP packet, in bytes."""

    number: int
    heard: int
    flags: int
    body: bytes
    options: bytes
    length: int


class Ended(StrEnum):
    """How a conversation came to its end."""

    NOT = ""
    WHOLE = "whole"  # the far end has said all
    ENOUGH = "enough"  # we have heard all we want
    REFUSED = "refused"  # it never opened
    RESET = "reset"  # the far end hung up in the middle
    SILENT = "silent"  # nothing came back, however often we asked


class Conversation:
    """One page read over TCP. `number` is where our numbering begins: a random 32-bit number.

    Up to `most` bytes are read, of which the first `keep` are kept in `head`. Times are seconds of any steady clock.
    """

    def __init__(self, ends: Ends, request: bytes, number: int, most: int, keep: int) -> None:
        self._ends, self._request, self._first, self._most, self._keep = ends, request, number, most, keep
        self.ended = Ended.NOT
        self.head = b""
        self.count = 0  # bytes of the page so far, its header included
        self.strays = 0  # segments that said nothing to this conversation
        self._open = self._asked = False  # it answered; it has our request
        self._next = 0  # the number that is due from the far end
        self._scale = 0
        self._ahead: dict[int, bytes] = {}  # what came before its turn, by its number; bounded by the window
        self._last: int | None = None  # the number behind the far end's last byte, once it said so
        self._owes = False  # an acknowledgement
        self._tries, self._again_s = 0, 0.0

    @property
    def opening(self) -> int | None:
        """Return the number of our first segment while nothing has answered it; then None."""
        return None if self._open else self._first

    def due(self, now_s: float) -> tuple[list[bytes], float | None]:
        """Return the frames to be sent now, and when to ask again if nothing comes; None: not at all."""
        frames = []
        if not self.ended and not self._asked and now_s >= self._again_s:
            if self._tries == TRIES:
                self.ended = Ended.SILENT
            else:
                self._again_s = now_s + AGAIN_S * 2**self._tries
                self._tries += 1
                frames.append(self._ask())
        elif self._owes and not self.ended:
            frames.append(self._say(ACK))
        self._owes = False
        return frames, None if self.ended or self._asked else self._again_s

    def farewell(self) -> list[bytes]:
        """Return what closes the conversation at the far end: our own end after its, else a reset."""
        if not self._open or self.ended in {Ended.REFUSED, Ended.RESET}:
            return []
        return [self._say(FIN | ACK if self.ended is Ended.WHOLE else RST | ACK)]

    def _ask(self) -> bytes:
        if not self._open:
            return self._ends.frame(self._first, 0, SYN, min(self._offers(), 0xFFFF), options=OPTIONS)
        return self._say(PSH | ACK, self._request, (self._first + 1) % TURN)

    def _say(self, flags: int, body: bytes = b"", number: int | None = None) -> bytes:
        number = self._mine() if number is None else number
        return self._ends.frame(number, self._next, flags, min(self._offers() >> self._scale, 0xFFFF), body)

    def _mine(self) -> int:
        return (self._first + 1 + len(self._request)) % TURN

    def _offers(self) -> int:
        return max(0, min(WINDOW, self._most + 2 * MOST_PAYLOAD - self.count))

    # --- what comes ------------------------------------------------------------------------------------------

    def hear(self, frame: bytes, *, proven: bool = False) -> Segment | None:
        """Take in one frame; return its segment if it belongs to this conversation, whatever else it says."""
        segment = self._ends.read(frame, proven=proven)
        if segment is None or self.ended or not (self._answered(segment) if self._open else self._opened(segment)):
            self.strays += 1
            return None
        return segment

    def _opened(self, segment: Segment) -> bool:
        if not segment.flags & ACK or segment.heard != (self._first + 1) % TURN:
            return False
        if segment.flags & RST:
            self.ended = Ended.REFUSED
            return True
        if not segment.flags & SYN or segment.body:
            return False
        self._open, self._next = True, (segment.number + 1) % TURN
        self._scale = SCALE if _scales(segment.options) else 0
        self._tries, self._again_s = 0, 0.0
        return True

    def _answered(self, segment: Segment) -> bool:
        ahead = _signed(segment.number - self._next)
        heard = (segment.heard - self._first - 1) % TURN
        if segment.flags & ACK and heard > len(self._request):
            return False  # nobody has heard what we never said: also no reset that says so is the far end's
        if segment.flags & RST:
            if ahead == 0:
                self.ended = Ended.RESET
            return ahead == 0
        near = -WINDOW <= ahead <= self._offers() - len(segment.body)
        if not segment.flags & ACK or not near:
            return False
        self._asked = self._asked or heard == len(self._request)
        self._owes = bool(self._owes or segment.body or segment.flags & (SYN | FIN))
        if segment.flags & SYN:  # it did not hear our answer to its own opening
            return True
        if segment.flags & FIN:
            self._last = (segment.number + len(segment.body)) % TURN
        self._take(segment.number, segment.body)
        return True

    def _take(self, number: int, body: bytes) -> None:
        if _signed(number - self._next) > 0:
            if len(self._ahead.get(number, b"")) < len(body):
                self._ahead[number] = body
            return
        self._keep_of(number, body)
        for early in sorted(self._ahead, key=lambda early: _signed(early - self._next)):
            if _signed(early - self._next) > 0:
                break
            self._keep_of(early, self._ahead.pop(early))
        if self._last == self._next:
            self._next, self.ended = (self._next + 1) % TURN, Ended.WHOLE
        elif self.count >= self._most:
            self.ended = Ended.ENOUGH

    def _keep_of(self, number: int, body: bytes) -> None:
        """Take what is new in a piece that does not begin ahead of its turn."""
        new = body[_signed(self._next - number) :]
        self._next = (self._next + len(new)) % TURN
        self.count += len(new)
        self.head += new[: max(0, self._keep - len(self.head))]


def _signed(distance: int) -> int:
    """Return a distance between two numbers of a circle (RFC 9293 section 3.4)."""
    return (distance + TURN // 2) % TURN - TURN // 2


def _scales(options: bytes) -> bool:
    """Tell whether a SYN-ACK agrees to scale windows (RFC 7323 section 2.2)."""
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 3:
            return True
        if options[at] != 1 and at + 1 >= len(options):
            return False
        at += 1 if options[at] == 1 else max(2, options[at + 1])
    return False
