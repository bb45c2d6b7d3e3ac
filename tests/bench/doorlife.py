"""How soon the door is ready, refuses and tells, and what it weighs.  `python -m tests.bench.doorlife`

The real door service over the emulated board and a reader on a pseudo-terminal (tier: peers). Ready: its socket answers
and its latch has claimed the line. RSS as the kernel says. Lost and back: by the live picture, which the page reads.
"""

from __future__ import annotations

import os
import tempfile
import time
from datetime import date
from pathlib import Path

from agent.live import read_pictures
from agent.memory.ledger import Entry, Ledger
from agent.memory.roster import RosterStore
from agent.rules.door import EntryDecided
from agent.rules.facts import FormulaId
from drivers.clock import SystemClock, boottime_s
from drivers.contract import CardNumber
from tests.acceptance.test_door_faults import Site, site, until


def rss_mb(pid: int) -> float:
    rows = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(row.split()[1] for row in rows if row.startswith("VmRSS:"))) / 1024


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def working(place: Site) -> bool | None:
    picture = read_pictures(place.folder / "run").get("door")
    reader = picture.drivers.get("readers.porte") if picture is not None else None
    return None if reader is None else reader.working


def measure(folder: Path) -> None:
    with site(folder) as place:
        starts = []
        for _ in range(5):
            assert place.service is not None
            place.service.kill()
            place.service.wait()
            (folder / "run" / "ask" / "door.sock").unlink(missing_ok=True)
            began = time.monotonic()
            place.start()
            until((folder / "run" / "ask" / "door.sock").exists, 20.0)
            starts.append(time.monotonic() - began)
        print("start to ready:", ", ".join(f"{s:.2f}" for s in sorted(starts)), "s")
        until(lambda: working(place) is True, 10.0)
        print(f"RSS: door {rss_mb(place.pid):.1f} MB, latch {rss_mb(place.latch or 0):.1f} MB")
        shown, used_share, opened = [], [], []
        for _ in range(5):
            began, used = time.monotonic(), cpu_s(place.pid)
            place.reader.unplug()
            until(lambda: working(place) is False, 20.0)
            shown.append(1000 * (time.monotonic() - began))
            time.sleep(4.0)
            used_share.append(100 * (cpu_s(place.pid) - used) / (time.monotonic() - began))
            began = time.monotonic()
            place.reader.replug()
            assert until(place.reads, 20.0)
            opened.append(1000 * (time.monotonic() - began))
            assert place.opens(10.0)
            until(lambda: working(place) is True, 20.0)
            until(lambda: not place.board.level(17), 5.0)
        said("unplugged to shown", shown)
        print(f"CPU while it is gone: at most {max(used_share):.2f} %")
        said("replugged to read again", opened)


REVOKED = 200


def revoke(folder: Path) -> None:
    """Block a card, present it at once, and look when the door refused it: by its own fact's stamp."""
    with site(folder) as place:
        cards = [f"0C00{n:06X}" for n in range(REVOKED)]
        with Ledger.open(folder / "state" / "ledger.db") as ledger:
            store = RosterStore.open(folder / "state", ledger, SystemClock())
            member = store.add_member("Bob", FormulaId("subscriber"), actor="bench", since=date(2020, 1, 1))
            keys = [store.give_card(member, CardNumber(card), actor="bench") for card in cards]
            store.settle()
            took, opened = [], 0
            for card, key in zip(cards, keys, strict=True):
                since, began_s = ledger.head().seq, boottime_s()
                store.block_card(key, actor="bench")
                store.settle()
                place.reader.present(card)
                decided = decision(ledger, since)
                opened += isinstance(decided.fact, EntryDecided) and decided.fact.granted
                took.append(1000 * (decided.at.mono_s - began_s))
            store.close()
        said("blocked to refused", took, f", {opened} still opened")


def decision(ledger: Ledger, since: int) -> Entry:
    limit = time.monotonic() + 20.0
    while time.monotonic() < limit:
        for entry in ledger.entries(EntryDecided, since=since):
            return entry
        time.sleep(0.002)
    raise TimeoutError("the door did not decide")


def said(what: str, took: list[float], more: str = "") -> None:
    ordered = sorted(took)
    p50, p99 = ordered[len(took) // 2], ordered[len(took) * 99 // 100]
    print(f"{what}, {len(took)} times: p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {ordered[-1]:.1f} ms{more}")


INPUTS = "[door.inputs.contact]\nline = 22\n[door.inputs.exit_button]\nline = 27\n"


def force(folder: Path, times: int = 20) -> None:
    """Open the leaf with no grant and no press, and wait until the picture says so."""
    with site(folder, INPUTS) as place:

        def leaf_is(wanted: str) -> bool:
            picture = read_pictures(folder / "run").get("door")
            return picture is not None and picture.door is not None and picture.door.leaf == wanted

        took = []
        for _ in range(times):
            place.board.drive(22, high=False)
            assert until(lambda: leaf_is("closed"), 20.0)
            began = time.monotonic()
            place.board.drive(22, high=True)
            assert until(lambda: leaf_is("forced"), 5.0)
            took.append(1000 * (time.monotonic() - began))
        said("forced to shown", took)


if __name__ == "__main__":
    for bench in (revoke, force, measure):
        with tempfile.TemporaryDirectory() as name:
            bench(Path(name))
