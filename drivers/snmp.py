"""A printing device's meters over SNMP, where IPP is silent: pysnmp's one file (RFC 3416, RFC 1157 for version 1).

The one idea: walk a few subtrees, bounded in rows and in time, and let `printermib` read them. Read-only by its nature:
no Set is ever sent. An agent that is silent, refuses, answers nonsense or goes round in circles is a DriverError that
says so; whoever asks goes on without it. One socket per look, closed with it. Runs on the caller's loop.

Anybody may send to that socket, and pysnmp believes whoever knows the number of the question, whatever their address,
community or version. `_Ear` hears only the device that was asked, and takes bytes that are no answer for silence.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from pyasn1.codec.ber import decoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import univ
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v1arch.asyncio import (
    CommunityData,
    SnmpDispatcher,
    UdpTransportTarget,
    bulk_cmd,
    get_cmd,
    next_cmd,
)
from pysnmp.proto import api, rfc1905
from pysnmp.proto.rfc1902 import Null, ObjectIdentifier

from drivers.contract import DriverError, Meters
from drivers.printermib import (
    ALERTS,
    COLORANTS,
    INPUTS,
    LIFE,
    SERIAL,
    SUPPLIES,
    SYS_DESCR,
    SYS_OBJECT,
    UNIT,
    Vendor,
    read_meters,
    vendor_of,
    vendors,
)

MOST_ROWS = 4000  # of one walk: a copier has some hundreds
AT_ONCE = 20  # rows asked for in one datagram
LARGEST = 16 * 1024  # bytes of an answer to that: a longer one is nonsense, and takes the loop's time to read

Row = tuple[str, int | str]


class SnmpMeters:
    """Plays `contract.MeterSource` for one device.

    `profile` names a file of `drivers/meters`; "" goes by sysObjectID.
    """

    def __init__(
        self,
        device: str,
        host: str,
        *,
        port: int = 161,
        community: str = "public",
        version: int = 2,
        profile: str = "",
        timeout_s: float = 5.0,
    ) -> None:
        self._device, self._address = device, (host, port)
        self._who = CommunityData(community, mpModel=0 if version == 1 else 1)
        self._version = version
        self._timeout_s = timeout_s
        self._known = vendors()
        self._profile = profile

    async def meters(self) -> Meters:
        """Return what the device's meters say now. Raises DriverError."""
        rows = await self._asked(self._look)
        return read_meters(rows, self._vendor(rows))

    async def offered(self) -> tuple[Vendor, Mapping[str, int | str]]:
        """Walk everything the device offers about itself, for a person who adds a vendor. Raises DriverError."""
        rows = await self._asked(self._everything)
        return vendor_of(rows, self._known), rows

    async def _asked(self, look: object) -> dict[str, int | str]:
        assert callable(look)
        try:
            async with asyncio.timeout(self._timeout_s):
                wire = await _Wire.open(self._address, self._who, self._version, self._timeout_s / 3)
                try:
                    return dict(await look(wire))
                finally:
                    wire.close()
        except DriverError as error:
            raise DriverError(f"{self._device}: {error}") from error
        except TimeoutError as error:
            raise DriverError(f"{self._device}: no SNMP answer within {self._timeout_s:g} s") from error
        except (OSError, PySnmpError, PyAsn1Error) as error:
            raise DriverError(f"{self._device}: SNMP: {error or type(error).__name__}") from error

    async def _look(self, wire: _Wire) -> dict[str, int | str]:
        rows = dict(await wire.get(SYS_OBJECT, SERIAL, LIFE, UNIT))
        if not rows:
            raise DriverError("this SNMP agent knows neither sysObjectID nor the Printer-MIB")
        for root in (SUPPLIES, COLORANTS, INPUTS, ALERTS, *self._vendor(rows).roots):
            rows |= await wire.walk(root)
        return rows

    def _vendor(self, rows: Mapping[str, int | str]) -> Vendor:
        """Return whose machine answers now: another may stand there since the last look."""
        return self._known[self._profile] if self._profile else vendor_of(rows, self._known)

    async def _everything(self, wire: _Wire) -> dict[str, int | str]:
        rows = dict(await wire.get(SYS_OBJECT, SYS_DESCR))
        enterprise = ".".join(str(rows.get(SYS_OBJECT, "")).split(".")[:7])
        roots = ["1.3.6.1.2.1.43", *([enterprise] if enterprise.startswith("1.3.6.1.4.1.") else [])]
        for root in roots:
            rows |= await wire.walk(root)
        return rows


class _Ear(SnmpDispatcher):  # type: ignore[misc]  # pysnmp has no types
    """pysnmp's dispatcher, hearing one device."""

    def __init__(self, target: UdpTransportTarget, who: CommunityData) -> None:
        super().__init__()
        self._from = tuple(target.transport_address)[:2]
        self._protocol = api.PROTOCOL_MODULES[who.mpModel]
        ours = self._protocol.Message()
        self._protocol.apiMessage.set_defaults(ours)
        self._protocol.apiMessage.set_community(ours, who.communityName)
        self._ours = (int(ours[0]), bytes(ours[1]))

    def _recv_callback(self, _engine: object, _domain: object, address: tuple[str, int], whole: bytes) -> None:
        """Take one datagram. The library has a traceback for every one that is no SNMP; here it is not there."""
        if tuple(address)[:2] != self._from or len(whole) > LARGEST:
            return
        with contextlib.suppress(PyAsn1Error, PySnmpError, ValueError, LookupError, TypeError, RecursionError):
            message, _ = decoder.decode(whole, asn1Spec=self._protocol.Message())
            answer = message[2].getComponent()
            if (int(message[0]), bytes(message[1])) != self._ours:
                return
            if not isinstance(answer, self._protocol.GetResponsePDU):
                return
            number = self._protocol.apiPDU.get_request_id(answer)
            if (asked := self._pendingReqs.pop(number, None)) is not None:
                self.transport_dispatcher.job_finished(id(self))
                asked["cbFun"](self, number, None, answer, asked["cbCtx"])


class _Wire:
    """One look's socket and its questions."""

    def __init__(
        self, dispatcher: SnmpDispatcher, target: UdpTransportTarget, who: CommunityData, version: int
    ) -> None:
        self._dispatcher, self._target, self._who, self._version = dispatcher, target, who, version

    @classmethod
    async def open(cls, address: tuple[str, int], who: CommunityData, version: int, wait_s: float) -> _Wire:
        target = await UdpTransportTarget.create(address, timeout=wait_s, retries=1)
        return cls(_Ear(target, who), target, who, version)

    def close(self) -> None:
        """Close the socket. pysnmp then calls back what still waits, with an argument too few."""
        with contextlib.suppress(TypeError):
            self._dispatcher.close()

    async def get(self, *oids: str) -> dict[str, int | str]:
        """Ask for single objects; those that are not there are left out. One by one: version 1 fails them together."""
        found: dict[str, int | str] = {}
        for oid in oids:
            answer = await get_cmd(self._dispatcher, self._who, self._target, _ask(oid), lookupMib=False)
            found |= {told: value for told, value in self._rows(answer).items() if told == oid}
        return found

    async def walk(self, root: str) -> dict[str, int | str]:
        """Ask for a subtree. Raises DriverError for an agent that goes round in circles or never ends."""
        found: dict[str, int | str] = {}
        last = root
        while True:
            page = self._rows(await self._next(last))
            for oid, value in page.items():
                if not oid.startswith(f"{root}."):
                    return found
                if _order(oid) <= _order(last):
                    raise DriverError(f"SNMP: the agent goes round in circles at {oid}")
                found[oid], last = value, oid
            if not page:
                return found
            if len(found) > MOST_ROWS:
                raise DriverError(f"SNMP: more than {MOST_ROWS} rows under {root}")

    async def _next(self, oid: str) -> object:
        if self._version == 1:
            return await next_cmd(self._dispatcher, self._who, self._target, _ask(oid), lookupMib=False)
        return await bulk_cmd(self._dispatcher, self._who, self._target, 0, AT_ONCE, _ask(oid), lookupMib=False)

    def _rows(self, answer: object) -> dict[str, int | str]:
        assert isinstance(answer, tuple)
        indication, status, _, bindings = answer
        if indication:
            raise DriverError(f"SNMP: {indication}")
        if status == 2:  # noSuchName: version 1's way to say that there is no more (RFC 1157 section 4.1.2)
            return {}
        if status:
            raise DriverError(f"SNMP: the agent answers error-status {int(status)}")
        found: dict[str, int | str] = {}
        for oid, value in bindings:
            plain = _plain(value)
            if plain is not None:
                found[str(oid)] = plain
        return found


def _ask(oid: str) -> tuple[ObjectIdentifier, Null]:
    return ObjectIdentifier(oid), Null("")


def _plain(value: object) -> int | str | None:
    """Return a number or a text; None for what is not there (RFC 3416 section 2.5) or is of another type."""
    if isinstance(value, rfc1905.NoSuchObject | rfc1905.NoSuchInstance | rfc1905.EndOfMibView):
        return None
    if isinstance(value, univ.OctetString):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, univ.ObjectIdentifier):
        return str(value)
    return int(value) if isinstance(value, univ.Integer) else None


def _order(oid: str) -> tuple[int, ...]:
    return tuple(int(part) for part in oid.split("."))
