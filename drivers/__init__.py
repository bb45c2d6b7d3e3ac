"""Hands and senses: bytes, pins and sockets. Knows no member and no money; never imports `agent`.

This file is the one table "kind -> module". A driver is imported only when it is chosen, so that the door service
never loads scapy and the links service never loads pycups. `building` is asked for only where `kind = "sim"`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from drivers.contract import (
    CardReader,
    Clock,
    DeviceId,
    InputId,
    Inputs,
    LinkId,
    Lock,
    Printer,
    Prober,
    ReaderId,
    Spooler,
)
from drivers.sim import SimBuilding

Building = Callable[[], SimBuilding]
