"""`gardien demo --wired`: its site file is sound, and by its wires nobody copies without a badge. Tier: peers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import drivers
from agent.demo import COPIER, READERS, Demo
from agent.sitefile import read_site
from drivers.clock import SystemClock
from drivers.contract import DeviceId, DriverError, InputId
from drivers.copying import Clicks
from drivers.peers.building import PeerBuilding
from drivers.peers.cups import available
from drivers.verbs import VerbError, parse
from tests.drivers.contract_connector import until

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(available()), reason=available())]


def test_the_wired_copier_copies_while_it_is_let_and_each_side_is_a_pulse(tmp_path: Path) -> None:
    demo = Demo(tmp_path, 8080, wired=True)
    demo.peers = PeerBuilding(tmp_path / "peers", (), READERS, COPIER, sides_per_s=20.0, wired=True)

    async def main() -> list[Clicks]:
        config = read_site(demo.site_file).printers[COPIER]
        wired = config.connector
        assert config.copies == "connector"
        assert wired is not None
        taken: list[Clicks] = []
        async with AsyncExitStack() as stack:
            control = await drivers.open_connector(
                wired.kind,
                lambda: pytest.fail("nothing is simulated here"),
                SystemClock(),
                stack,
                DeviceId(COPIER),
                wired.chip,
                (wired.enable, wired.enable_active_high),
                {InputId(name): line for name, line in wired.inputs.items()},
                pulses_per_click=wired.pulses_per_click,
                a3_clicks=config.a3_clicks,
            )
            await until(lambda: demo.peers.board.wires.claimed(wired.pulse))
            async with asyncio.timeout(30):
                while not demo.peers.board.level(wired.enable):
                    try:
                        await control.permit(600.0)
                    except DriverError:  # its latch is still starting
                        await asyncio.sleep(0.05)
            await asyncio.to_thread(demo.peers.obey, parse("copy 3 colour"))

            def copied() -> bool:
                taken.extend([more] if (more := control.take()) is not None else [])
                return sum(one.colour for one in taken) >= 3

            await until(copied)
        return taken

    with demo.peers:
        demo.write_site()
        with pytest.raises(VerbError, match="locked"):
            demo.peers.obey(parse("copy 3"))
        taken = asyncio.run(main())
        assert (sum(one.colour for one in taken), sum(one.mono for one in taken)) == (3, 0)
        assert sum(one.sheets or 0 for one in taken) == 3
        with pytest.raises(VerbError, match="locked"):  # whoever let it is gone
            demo.peers.obey(parse("copy 1"))
