"""Lamps on the emulated board: dark at the start, lit for their time, and never in the door's way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.peers.board import Board
from drivers.signs import GpioSigns, SignLine

GREEN, RED = 5, 6
WIRED = {"granted": SignLine(GREEN, flash_s=0.2), "degraded": SignLine(RED, active_high=False)}


def test_a_flash_lasts_its_time_and_a_steady_lamp_stays(tmp_path: Path) -> None:
    async def scene() -> None:
        with GpioSigns(board.chip, WIRED) as signs:
            assert (board.level(GREEN), board.level(RED)) == (False, True)
            signs.flash("granted")
            signs.show("degraded", lit=True)
            signs.flash("buzzer")  # not wired
            assert (board.level(GREEN), board.level(RED)) == (True, False)
            await asyncio.sleep(0.1)
            signs.flash("granted")  # a second card: its whole time again
            await asyncio.sleep(0.5)
            assert (board.level(GREEN), board.level(RED)) == (False, False)
        assert board.level(RED)

    with Board(tmp_path / "board", pulls={RED: "up"}) as board:
        asyncio.run(scene())
        assert len(board.record(GREEN)) == 2


def test_a_lamp_that_cannot_be_driven_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        with GpioSigns(f"board:{tmp_path}/none", WIRED) as signs:
            signs.flash("granted")
            signs.show("degraded", lit=True)
        with Board(tmp_path / "board") as board, GpioSigns(board.chip, {"granted": SignLine(99)}) as signs:
            signs.flash("granted")

    asyncio.run(scene())
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
