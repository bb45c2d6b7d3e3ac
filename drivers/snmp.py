"""A printing device's meters over SNMP, where IPP is silent: pysnmp's one file (RFC 3416, RFC 1157 for version 1).

The one idea: walk a few subtrees, bounded in rows and in time, and let `printermib` read them. Read-only by its nature:
no Set is ever sent. An agent that is silent, refuses, answers nonsense or goes round in circles is a DriverError that
says so; whoever asks goes on without it. One socket per look, closed with it. Runs on the caller's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

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
from pysnmp.proto import rfc1905
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
        self._vendor: Vendor | None = self._known[profile] if profile else None

    async def meters(self) -> Meters:
        """Return what the device's meters say now. Raises DriverError."""
        rows = await self._asked(self._look)
        assert self._vendor is not None
        return read_meters(rows, self._vendor)

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
        except TimeoutError as error:
            raise DriverError(f"{self._device}: no SNMP answer within {self._timeout_s:g} s") from error
        except (OSError, PySnmpError, PyAsn1Error) as error:
            raise DriverError(f"{self._device}: SNMP: {error or type(error).__name__}") from error

    async def _look(self, wire: _Wire) -> dict[str, int | str]:
        rows = dict(await wire.get(SYS_OBJECT, SERIAL, LIFE, UNIT))
        if self._vendor is None:
            if not rows:
                raise DriverError(f"{self._device}: this SNMP agent knows neither sysObjectID nor the Printer-MIB")
            self._vendor = vendor_of(rows, self._known)
        for root in (SUPPLIES, COLORANTS, INPUTS, ALERTS, *self._vendor.roots):
            rows |= await wire.walk(root)
        return rows

    async def _everything(self, wire: _Wire) -> dict[str, int | str]:
        rows = dict(await wire.get(SYS_OBJECT, SYS_DESCR))
        enterprise = ".".join(str(rows.get(SYS_OBJECT, "")).split(".")[:7])
        roots = ["1.3.6.1.2.1.43", *([enterprise] if enterprise.startswith("1.3.6.1.4.1.") else [])]
        for root in roots:
            rows |= await wire.walk(root)
        return rows


class _Wire:
    """One look's socket and its questions."""

    def __init__(
        self, dispatcher: SnmpDispatcher, target: UdpTransportTarget, who: CommunityData, version: int
    ) -> None:
        self._dispatcher, self._target, self._who, self._version = dispatcher, target, who, version

    @classmethod
    async def open(cls, address: tuple[str, int], who: CommunityData, version: int, wait_s: float) -> _Wire:
        target = await UdpTransportTarget.create(address, timeout=wait_s, retries=1)
        return cls(SnmpDispatcher(), target, who, version)

    def close(self) -> None:
        """Close the socket. pysnmp then calls back what still waits, with an argument too few."""
        with contextlib.suppress(TypeError):
            self._dispatcher.close()

    async def get(self, *oids: str) -> dict[str, int | str]:
        """Ask for single objects; those that are not there are left out. One by one: version 1 fails them together."""
        found: dict[str, int | str] = {}
        for oid in oids:
            found |= self._rows(await get_cmd(self._dispatcher, self._who, self._target, _ask(oid), lookupMib=False))
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
