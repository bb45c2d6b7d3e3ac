"""A bad night: one whole house on real wires, people who use it, and somebody who kills its processes.

The house is what `gardien run` starts, on the far ends of `drivers.peers`. What people did is kept here, what the far
ends saw is in their own files; `tests.acceptance.reckoning` compares both with the ledger afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Self
from zoneinfo import ZoneInfo

from agent.ask import AskError, Request, ask
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.facts import FormulaId, MemberId
from drivers.clock import SystemClock
from drivers.contract import CardNumber
from drivers.peers.building import PeerBuilding
from tests.acceptance.house import REPO, Page, Stored, facts, free_port, now_s, processes, relay_moves, until

PARIS = ZoneInfo("Europe/Paris")
MEMBERS = {"m001": "0F00A1B2C3", "m013": "0F00D4E5F6", "m042": "04A2B3C4D5"}
STRANGER = "0FFFFFFFFF"
SERVICES = ("door", "links", "paper", "web")
WORKS = {"up", "degraded", "saturated"}  # members get through
BACKLOG = 3  # jobs in CUPS at once
HOLD_S = 1.5
APART_S = 1.2  # a card seen again within a second is still lying there


@dataclass(frozen=True)
class Kill:
    """Somebody killed a process."""

    kind: str
    at_s: float
    active: bool  # the relay was active at that moment
    back_s: float  # when it was there again


@dataclass
class Night(Page):
    """One house and its night. A context manager."""

    folder: Path
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    tape: str = "-"  # a folder to record in
    memory: Path | None = None  # where the run folder is, if not beside the rest
    presented: list[tuple[float, str]] = field(default_factory=list)  # at the door: when, card
    exits: list[float] = field(default_factory=list)
    visits: int = 0  # asked for, and answered
    kills: list[Kill] = field(default_factory=list)
    parents: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.folder.chmod(0o755)
        readers = {"door": "rdm6300", "copier": "line"}
        self.peers = PeerBuilding(self.folder / "peers", ("adsl1", "adsl2"), readers, "copieur", sides_per_s=20.0)
        self.state, self.run = self.folder / "state", (self.memory or self.folder) / "run"
        self.ledger, self.record = self.state / "ledger.db", self.folder / "peers/board.record"
        self.port = free_port()
        self.peers.start()
        assert not self.peers.missing
        self._write_site()
        self._seed()
        self.base = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=48)
        self.began_s = now_s()
        self.start_parent()
        for service in SERVICES:
            self.wait_back(service, {0})
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.parents[-1].terminate()
        self.parents[-1].wait(20)
        self.peers.stop()

    def _write_site(self) -> None:
        text = Template((REPO / "agent/demo-site.toml").read_text(encoding="utf-8")).substitute(
            port=self.port,
            links="scapy",
            spooler="cups",
            printer="ipp",
            cups=self.peers.cups.server,
            attempts=self.peers.cups.attempts,
            page_log=self.peers.cups.page_log,
            copier=self.peers.copier_uri,
            tty_door=self.peers.readers["door"].path,
            tty_copier=self.peers.readers["copier"].path,
            board=self.peers.board.chip,
            copies="counters",
            connector="",
        )
        self.site = self.folder / "site.toml"
        self.site.write_text(text.replace("hold_s = 3.0", f"hold_s = {HOLD_S}"), encoding="utf-8")
        (self.folder / "tariff.toml").write_bytes((REPO / "agent/views/tariff-example.toml").read_bytes())

    def _seed(self) -> None:
        self.state.mkdir(exist_ok=True)
        with Ledger.open(self.ledger) as ledger, RosterStore.open(self.state, ledger, SystemClock()) as store:
            for name, card in MEMBERS.items():
                member = MemberId(name)
                store.add_member(name, FormulaId("subscriber"), actor="test", since=date(2026, 1, 1), member=member)
                store.give_card(member, CardNumber(card), actor="test")
                store.give_alias(member, name, actor="test")
            store.settle()

    # --- the house ---------------------------------------------------------------------------------------------

    def start_parent(self) -> None:
        command = [sys.executable, "-m", "tests.acceptance.parent", str(self.site), str(self.state), str(self.run)]
        command += [self.tape, *self.peers.providers.enter_prefix()]
        with (self.folder / "log.txt").open("ab") as log:
            parent = subprocess.Popen(command, cwd=REPO, stdin=subprocess.DEVNULL, stderr=log)
        self.parents.append(parent)

    def pid(self, service: str) -> int:
        """Return the process of a service by its live picture; 0 if it never wrote one, or an old one."""
        try:
            picture = json.loads((self.run / "live" / f"{service}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
        return int(picture["pid"]) if now_s() - picture["at"]["mono_s"] < 3.0 else 0

    def latch(self) -> int:
        found = [pid for pid, words in processes(str(self.folder)).items() if "drivers.latch" in words]
        return found[0] if len(found) == 1 else 0

    def wait_back(self, service: str, old: set[int]) -> None:
        find = self.latch if service == "latch" else lambda: self.pid(service)
        until(lambda: find() not in {0, *old} and Path(f"/proc/{find()}").exists(), 30, what=f"{service} back")

    # --- what people do ------------------------------------------------------------------------------------------

    def badge_at_the_door(self, card: str) -> None:
        last_s = max((at_s for at_s, one in self.presented if one == card), default=0.0)
        time.sleep(max(0.0, APART_S - (now_s() - last_s)))
        until(lambda: not self.relay_active(), 5)
        self.presented.append((now_s(), card))
        self.peers.readers["door"].present(card)

    def relay_active(self) -> bool:
        return bool(self.peers.board.level(17))

    def leave_by_the_button(self) -> None:
        until(lambda: not self.relay_active(), 5)
        self.exits.append(now_s())
        self.peers.board.press(27, 0.3)

    def print_something(self) -> None:
        with contextlib.suppress(Exception):  # cupsd may be dead: then nothing was asked for
            waiting = len(self.peers.cups._run("lpstat", "-o").splitlines())
            if waiting < BACKLOG:
                self.peers.cups.print_pdf(
                    self.dice.choice([*MEMBERS, "guest"]),
                    self.dice.randint(1, 6),
                    queue="copieur",
                    colour=self.dice.random() < 0.3,
                    two_sided=self.dice.random() < 0.5,
                    copies=self.dice.randint(1, 2),
                )

    def copy_something(self) -> None:
        self.peers._press("copy", str(self.dice.randint(1, 5)))

    def badge_at_the_copier(self) -> None:
        self.peers.readers["copier"].present(self.dice.choice(list(MEMBERS.values())))

    def note_a_visit(self) -> None:
        """Note the next visit: 13 minutes long, 20 after the last; asked again until the web service answers."""
        came = self.base + timedelta(minutes=20 * self.visits)
        self._ask("visit-start", came)
        self._ask("visit-end", came + timedelta(minutes=13))
        self.visits += 1

    def _ask(self, action: str, at: datetime) -> None:
        arguments = {"member": "m013", "at": f"{at.astimezone(PARIS):%Y-%m-%d %H:%M}"}
        limit_s = time.monotonic() + 30
        again = False
        while True:
            request = Request(action, "test", "", now_s() + 10, arguments)
            try:
                answer = asyncio.run(ask(self.run, "web", request))
            except AskError:
                assert time.monotonic() < limit_s
                again = True
                time.sleep(0.1)
                continue
            # asked again after a death, the first one may have been written down: then it is refused as known
            assert answer.done or (again and ("déjà là" in answer.says or "pas de visite" in answer.says)), answer
            return

    def cut_and_mend(self) -> None:
        link = self.dice.choice(["adsl1", "adsl2"])
        if self.dice.random() < 0.5:
            self.peers.providers.cut(link)
        else:
            self.peers.providers.mend(link)

    def people(self) -> None:
        """Do one thing somebody does."""
        acts = [self.print_something, self.copy_something, self.badge_at_the_copier, self.cut_and_mend]
        acts += [lambda: self.badge_at_the_door(self.dice.choice([*MEMBERS.values(), STRANGER]))] * 2
        acts += [self.leave_by_the_button]
        self.dice.choice(acts)()

    # --- what the night does -------------------------------------------------------------------------------------

    def kill(self, kind: str) -> Kill:
        """Kill a process at a moment of its work, and see it back."""
        if kind in {"door", "latch", "parent", "door stopped"}:
            self.badge_at_the_door(self.dice.choice(list(MEMBERS.values())))
            if self.dice.random() < 0.8:  # in the pulse; else around its beginning, before the fact is written
                with contextlib.suppress(TimeoutError):
                    until(self.relay_active, 1.0, 0.005)
                time.sleep(self.dice.uniform(0.0, HOLD_S * 0.6))
            else:
                time.sleep(self.dice.uniform(0.0, 0.02))
        elif kind in {"paper", "cupsd"}:
            self.print_something()
            time.sleep(self.dice.uniform(0.0, 1.5))
        elif kind == "links":
            self.cut_and_mend()
            time.sleep(self.dice.uniform(0.0, 3.0))
        if kind == "web":
            with self._noting():
                time.sleep(self.dice.uniform(0.0, 0.1))
                kill = self._kill(kind)
        else:
            kill = self._kill(kind)
        self.kills.append(kill)
        return kill

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """Note visits while something happens."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        with ThreadPoolExecutor(1) as desk:
            noted = desk.submit(self.note_a_visit)
            yield
            noted.result()

    def _kill(self, kind: str) -> Kill:
        if kind == "cupsd":
            active, at_s = self.relay_active(), now_s()
            self.peers.cups.kill9()
            time.sleep(self.dice.uniform(0.0, 1.0))
            self.peers.cups.restart()
            return Kill(kind, at_s, active, now_s())
        service = "door" if kind == "door stopped" else kind
        old = {name: self.latch() if name == "latch" else self.pid(name) for name in (*SERVICES, "latch")}
        pid = self.parents[-1].pid if kind == "parent" else old[service]
        assert pid, f"no {service} to kill"
        active, at_s = self.relay_active(), now_s()
        os.kill(pid, signal.SIGTERM if kind == "door stopped" else signal.SIGKILL)
        if kind == "parent":
            self.parents[-1].wait()
            self._children_end({old[name] for name in SERVICES})
            self.start_parent()
        for name in SERVICES if kind == "parent" else (service,):
            self.wait_back(name, set(old.values()))
        return Kill(kind, at_s, active, now_s())

    def _children_end(self, pids: set[int]) -> None:
        """A killed parent's children end by themselves; now and then the next run starts before they have."""
        if self.dice.random() < 0.7:
            until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids if pid), 10, what="children's end")

    def settle(self) -> None:
        """Let everything come to rest, then stop the house as a service manager does."""
        for link in ("adsl1", "adsl2"):
            self.peers.providers.mend(link)
        until(lambda: not self.peers.cups._run("lpstat", "-o").strip(), 120, 0.5, "CUPS to be idle")
        self.peers._press("settle")
        until(lambda: self.booked() == self.on_paper(), 40, 0.5, "the books")
        # a line that was cut again and again is called so for two minutes (flapping, lossy): it works, and is not out
        until(lambda: all(fact.now in WORKS for fact in self.last_of_links()), 60, 0.5, "the links")
        time.sleep(1.0)
        self.parents[-1].terminate()
        assert self.parents[-1].wait(20) == 0
        self.ended_s = now_s()

    def last_of_links(self) -> list[Stored]:
        return list({fact.link: fact for fact in self.facts("link-changed")}.values())

    def facts(self, *kinds: str) -> list[Stored]:
        return facts(self.ledger, *kinds)

    def booked(self) -> int:
        prints = sum(fact.sides_mono + fact.sides_colour for fact in self.facts("attempt-known"))
        return prints + sum(fact.mono + fact.colour for fact in self.facts("copies-metered", "prints-unmatched"))

    def on_paper(self) -> int:
        from tests.acceptance.house import sides  # noqa: PLC0415

        return len(sides(self.folder / "peers/copier"))

    def moves(self) -> list[tuple[bool, float]]:
        return relay_moves(self.record)
