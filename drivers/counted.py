"""A printing device whose meters are asked beside IPP.

The one idea: IPP tells the jobs, SNMP tells the meters; a look is settled only if both stood still. Meters that cannot
be read are a fault that the look names ("snmp"), never a reason to lose its jobs: they are booked, and the books close
when the meters answer again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from types import TracebackType
from typing import Self

from drivers.contract import DeviceId, DeviceReading, DriverError, Meters, MeterSource, Printer

_log = logging.getLogger(__name__)
FAULT = "snmp"


class CountedPrinter:
    """Plays `contract.Printer` over another one and a source of meters."""

    def __init__(self, device: DeviceId, printer: Printer, source: MeterSource) -> None:
        self._device, self._printer, self._source = device, printer, source
        self._silent = False  # the source did not answer the last time

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hold nothing between looks."""

    async def read(self) -> DeviceReading:
        """Return one look. Raises DriverError when IPP fails, or nothing tells which machine this is."""
        before = await self._ask()
        reading = await self._printer.read()
        after = None if before is None else await self._ask()
        if before is None or after is None:
            if not reading.serial:
                raise DriverError(f"{self._device}: its meters do not answer, and nothing else says its serial")
            return replace(reading, counters=None, life=None, settled=False, faults=(*reading.faults, FAULT))
        if before.serial != after.serial:
            raise DriverError(f"{self._device}: another machine answered in the middle of a look")
        still = reading.settled and (before.counters, before.life) == (after.counters, after.life)
        return replace(
            reading,
            serial=reading.serial or after.serial,
            counters=after.counters or reading.counters,
            life=after.life if after.life.total is not None else reading.life,
            settled=still,
            supplies=reading.supplies or after.supplies,
            trays=reading.trays or after.trays,
            reasons=reading.reasons or after.reasons,
        )

    async def _ask(self) -> Meters | None:
        try:
            meters = await self._source.meters()
        except DriverError as error:
            if not self._silent:
                _log.warning("%s", error)
            self._silent = True
            return None
        self._silent = False
        return meters
