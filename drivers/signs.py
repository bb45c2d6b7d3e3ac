"""Lamps and a buzzer at the door: granted, refused, degraded, and a slow blink for whoever leaves last.

The one idea: a lamp is a courtesy. It is claimed dark, it is never waited for, and one that cannot be driven is told
once and forgotten: the door opens without it. When this process dies a lamp may stay lit; nothing depends on it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

from gpiozero import GPIOZeroError, OutputDevice

from drivers.contract import DriverError
from drivers.pins import LineFactory

_log = logging.getLogger(__name__)


class SignLine(NamedTuple):
    """How one lamp or buzzer is wired, and how long a flash of it lasts."""

    line: int
    active_high: bool = True
    flash_s: float = 1.0


class GpioSigns:
    """`contract.Signs` over gpiozero's OutputDevice. A context manager; one event loop."""

    def __init__(self, chip: str, wiring: Mapping[str, SignLine]) -> None:
        self._chip, self._wiring = chip, wiring
        self._pins: LineFactory | None = None
        self._lamps: dict[str, OutputDevice] = {}
        self._dark: dict[str, asyncio.TimerHandle] = {}

    def __enter__(self) -> Self:
        try:
            self._pins = LineFactory(self._chip)
        except DriverError as error:
            _log.error("no lamp of the door can be driven: %s", error)
            return self
        for name, sign in self._wiring.items():
            try:
                self._lamps[name] = OutputDevice(
                    sign.line, active_high=sign.active_high, initial_value=False, pin_factory=self._pins
                )
            except (DriverError, GPIOZeroError, OSError) as error:
                _log.error("the door's %s lamp cannot be driven: %s", name, error)
        return self

    def __exit__(self, *exc: object) -> None:
        for name, lamp in self._lamps.items():
            self.show(name, lit=False)
            lamp.close()
        if self._pins is not None:
            self._pins.close()

    def show(self, name: str, *, lit: bool) -> None:
        """See `contract.Signs`."""
        lamp = self._lamps.get(name)
        if name in self._dark:
            self._dark.pop(name).cancel()
        try:
            if lamp is not None and lamp.value != lit:
                lamp.value = lit
        except OSError as error:
            _log.error("the door's %s lamp is lost: %s", name, error)
            del self._lamps[name]

    def flash(self, name: str, times: int = 1) -> None:
        """See `contract.Signs`."""
        if name in self._lamps:
            self.show(name, lit=True)
            self._later(name, self._pause, times - 1)

    def _pause(self, name: str, left: int) -> None:
        self.show(name, lit=False)
        if left and name in self._lamps:
            self._later(name, self.flash, left)

    def _later(self, name: str, what: Callable[[str, int], None], times: int) -> None:
        after_s = self._wiring[name].flash_s
        self._dark[name] = asyncio.get_running_loop().call_later(after_s, what, name, times)
