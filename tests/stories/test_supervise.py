"""Supervision: one loss is one fact, however long the driver takes to fail. (sim: virtual time)"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.live import LiveDriver
from agent.memory.ledger import Ledger
from agent.rules.health import DriverChanged, ServiceAbsent, ServiceStarted
from agent.stories.supervise import Ward, announce, supervise
from drivers.contract import DriverError, Moment, Trust
from drivers.virtual import VirtualClock, VirtualLoop


@pytest.mark.parametrize("proves", [True, False])
@pytest.mark.parametrize("patience_s", [0.0, 3.0, 10.0])
def test_a_device_that_is_silent_all_night_is_lost_once(tmp_path: Path, patience_s: float, proves: bool) -> None:
    """It works for an hour, is off until 9 h (each look fails after the driver's patience), and comes back."""
    shown: list[tuple[float, bool]] = []

    async def night(ledger: Ledger, clock: VirtualClock) -> None:
        proof = asyncio.Event()

        async def story() -> None:
            now_s = clock.now().mono_s
            if 3600 <= now_s < 9 * 3600:
                await asyncio.sleep(patience_s)
                raise DriverError("no answer")
            await asyncio.sleep(0.1)
            proof.set()
            await asyncio.sleep(3600 - now_s if now_s < 3600 else 3600)
            raise DriverError("no answer")

        def show(_: str, live: LiveDriver) -> None:
            shown.append((clock.now().mono_s, live.working))

        ward = Ward("paper", "printers.copieur")
        keeping = asyncio.ensure_future(supervise(ward, story, ledger, clock, show, proof if proves else None))
        await asyncio.sleep(9.5 * 3600)
        keeping.cancel()
        await asyncio.wait({keeping})

    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner, Ledger.open(tmp_path / "ledger.db") as ledger:
        runner.run(night(ledger, VirtualClock(loop, datetime(2026, 11, 2, tzinfo=UTC))))
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        told = [entry.fact.working for entry in ledger.entries(DriverChanged) if isinstance(entry.fact, DriverChanged)]
    mistaken = 0 if proves or patience_s < 2 else 1  # the first silence is not told from work, the later ones are
    assert told == [False, *[True, False] * mistaken, True]
    assert shown[-1][1]
    assert shown[-1][0] - 9 * 3600 < 60  # back within a look's pause and patience


def test_a_start_after_a_breakdown_says_for_how_long_nobody_was_there(tmp_path: Path) -> None:
    noon = datetime(2026, 11, 2, 12, tzinfo=UTC)

    def moment(seconds: float, boot: str = "b1") -> Moment:
        return Moment(noon + timedelta(seconds=seconds), 1000 + seconds, boot, Trust.SYNCHRONISED)

    async def starts(ledger: Ledger) -> None:
        door = ServiceStarted("door", "1")
        announce(door, None, ledger, moment(0))  # the first start ever
        announce(door, moment(500), ledger, moment(530))  # a restart
        announce(door, moment(600), ledger, moment(720))  # two minutes after its last picture
        async with asyncio.timeout(30):
            while ledger.head().seq < 4:
                await asyncio.sleep(0.01)
        announce(door, moment(9000, "b1"), ledger, moment(9300, "b2"))  # another boot: since the newest fact

    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(starts(ledger))
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        facts = [entry.fact for entry in ledger.entries(ServiceAbsent, ServiceStarted)]
    at = [noon + timedelta(seconds=s) for s in (600, 720, 720, 9300)]
    door = ServiceStarted("door", "1")
    assert facts == [door, door, ServiceAbsent("door", at[0], at[1]), door, ServiceAbsent("door", at[2], at[3]), door]
