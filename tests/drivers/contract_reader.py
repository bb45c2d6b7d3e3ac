"""What every CardReader does, whatever the wire. A subject is one line in the test file that runs this suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drivers.cardreader import SerialCardReader
from drivers.clock import SystemClock
from drivers.contract import BadgeRead, CardReader, ReaderId
from drivers.peers.readers import ReaderPeer
from drivers.sim import SimBuilding
from drivers.verbs import BadgeVerb
from drivers.virtual import VirtualClock, VirtualLoop


@dataclass
class Bench:
    reader: CardReader
    present: Callable[[str], None]  # hold a card to it once and take it away


@asynccontextmanager
async def serial_rdm6300(folder: Path) -> AsyncIterator[Bench]:
    """The real driver on a pseudo-terminal; the reader repeats its frame while the card is there, as RDM6300 do."""
    with ReaderPeer(folder / "reader") as peer:
        reader = SerialCardReader(SystemClock(), ReaderId("door"), str(peer.path))
        yield Bench(reader, lambda card: peer.present(card, repeats=3, every_s=0.01))


@asynccontextmanager
async def serial_line(folder: Path) -> AsyncIterator[Bench]:
    """The real driver with a reader that sends lines, bytes reversed."""
    with ReaderPeer(folder / "reader", frame="line", line_prefix="UID:", byte_order="reversed") as peer:
        path = str(peer.path)
        reader = SerialCardReader(
            SystemClock(), ReaderId("door"), path, frame="line", line_prefix="UID:", byte_order="reversed"
        )
        yield Bench(reader, peer.present)


@asynccontextmanager
async def sim(_folder: Path) -> AsyncIterator[Bench]:
    """The simulated building's reader, in virtual time."""
    building = SimBuilding(VirtualClock(asyncio.get_running_loop(), datetime(2026, 11, 1, tzinfo=UTC)))
    reader = building.reader(ReaderId("door"))
    yield Bench(reader, lambda card: print(building.obey(BadgeVerb("door", card))))


class ReaderContract:
    """Inherit, and name the subject."""

    opened: Callable[[Path], AbstractAsyncContextManager[Bench]]
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop

    def present(self, folder: Path, *cards: str | float) -> list[BadgeRead]:
        """Present cards (and wait the seconds between them); return one badge for each card."""

        async def main() -> list[BadgeRead]:
            async with asyncio.timeout(20), type(self).opened(folder) as bench:
                badges = bench.reader.badges()
                first = asyncio.ensure_future(anext(badges))
                await asyncio.sleep(0.05)  # the port opens
                for card in cards:
                    if isinstance(card, float):
                        await asyncio.sleep(card)
                    else:
                        bench.present(card)
                read = [await first]
                read += [await anext(badges) for _ in range(sum(isinstance(card, str) for card in cards) - 1)]
                await badges.aclose()
                return read

        with asyncio.Runner(loop_factory=type(self).loop) as runner:
            return runner.run(main())

    def test_a_card_is_read_with_all_its_bits(self, tmp_path: Path) -> None:
        (badge,) = self.present(tmp_path, "0A00C8F31B")
        assert (badge.card.hex, badge.reader) == ("0A00C8F31B", "door")

    def test_leading_zeros_stay(self, tmp_path: Path) -> None:
        (badge,) = self.present(tmp_path, "0000000001")
        assert badge.card.hex == "0000000001"

    def test_two_people_one_after_the_other(self, tmp_path: Path) -> None:
        read = self.present(tmp_path, "0A00C8F31B", "0A00C8F31C")
        assert [badge.card.hex for badge in read] == ["0A00C8F31B", "0A00C8F31C"]
        assert read[0].at.mono_s <= read[1].at.mono_s

    def test_the_same_card_a_second_time_after_it_was_away(self, tmp_path: Path) -> None:
        read = self.present(tmp_path, "0A00C8F31B", 1.2, "0A00C8F31B")
        assert [badge.card.hex for badge in read] == ["0A00C8F31B", "0A00C8F31B"]
        assert read[1].at.mono_s - read[0].at.mono_s >= 1.0

    def test_its_repr_hides_the_number(self, tmp_path: Path) -> None:
        (badge,) = self.present(tmp_path, "0A00C8F31B")
        assert "C8F31B" not in repr(badge)


SIM_LOOP = VirtualLoop
