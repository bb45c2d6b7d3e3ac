"""The SNMP agent of a provider's box: its kernel's own counters of its WAN, as IF-MIB has them (RFC 2863).

The one idea: what it says is what really went through the box, read from its namespace's proc(5) net/dev. It can be
narrow (32-bit counters only), begin anywhere (so that they go round soon) and count in steps, as boxes do.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import TextIO

from drivers.peers.agent import COUNTER64, Agent, Oid, Value, counter, dotted
from drivers.peers.providers import Providers

PORT, WAN = 161, 4  # its ifIndex, whatever the kernel's own is
TURN32, TURN64 = 2**32, 2**64


class BoxAgent:
    """Answers on the box of one link. `begin` is added to both counters; `stop` it."""

    def __init__(self, *, wide: bool = True, begin: int = 0, step_s: float = 0.0, community: str = "public") -> None:
        self._wide, self._begin, self._step_s = wide, begin, step_s
        self.agent = Agent(self._mib, community)
        self._device: TextIO | None = None
        self._said, self._said_s = (0, 0), float("-inf")

    async def start(self, providers: Providers, link: str) -> None:
        """Listen on the box."""
        await self.agent.start(at=self._on(providers, link))

    def _on(self, providers: Providers, link: str) -> socket.socket:
        with providers.inside(link):
            at = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            at.bind(("", PORT))
            self._device = Path("/proc/thread-self/net/dev").open(encoding="ascii")  # noqa: SIM115  (until `stop`)
        at.setblocking(False)
        return at

    def stop(self) -> None:
        """Answer no more."""
        self.agent.stop()
        if self._device is not None:
            self._device.close()

    def _octets(self) -> tuple[int, int]:
        """Return what the WAN received and sent, so far or at the last step."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._said_s >= self._step_s:
            assert self._device is not None
            self._device.seek(0)
            line = next(line for line in self._device if line.strip().startswith("wan:"))
            fields = line.partition(":")[2].split()
            self._said, self._said_s = (int(fields[0]), int(fields[8])), now_s
        return self._said[0] + self._begin, self._said[1] + self._begin

    def _mib(self) -> dict[Oid, Value]:
        received, sent = self._octets()
        table = {
            dotted(f"1.3.6.1.2.1.2.2.1.10.{WAN}"): counter(received % TURN32),
            dotted(f"1.3.6.1.2.1.2.2.1.16.{WAN}"): counter(sent % TURN32),
        }
        if self._wide:
            table[dotted(f"1.3.6.1.2.1.31.1.1.1.6.{WAN}")] = Value(COUNTER64, received % TURN64)
            table[dotted(f"1.3.6.1.2.1.31.1.1.1.10.{WAN}")] = Value(COUNTER64, sent % TURN64)
        return table
