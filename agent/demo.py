"""`gardien demo`: the whole appliance on one machine, every wire real, every far end emulated.

It starts the peers (`drivers.peers.building`), writes a site file that points at them, seeds a roster, starts the
services as `gardien run` does, and a real Prometheus where there is one. Verbs come from the prompt or from
`gardien tell`. What this machine cannot run falls back to `kind = "sim"`, and the ready line says so.
Everything lives in one folder, made anew at each start; nothing of it survives but what a killed run left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import stat
import sys
import urllib.request
from datetime import date
from importlib.resources import files
from pathlib import Path
from string import Template

from agent.ask import Answer, AskError, Request, answering, tell
from agent.config import Places
from agent.memory.accounts import AccountStore
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.access import Role
from agent.rules.facts import FormulaId, MemberId
from agent.services.standing import own_lock
from agent.services.together import Household, keep_house
from agent.sitefile import read_site
from drivers.clock import SystemClock
from drivers.contract import CardNumber, DriverError
from drivers.peers import prometheus
from drivers.peers.building import CONNECTOR, PeerBuilding
from drivers.verbs import BadgeVerb, DoorVerb, LinkVerb, Verb, VerbError, VisitVerb, parse

log = logging.getLogger(__name__)

LINKS = ("adsl1", "adsl2")
READERS = {"door": "rdm6300", "copier": "line"}
COPIER = "copieur"
MEMBERS = (  # id, formula, card; no names: the demo has none
    ("m001", "subscriber", "0F00A1B2C3"),
    ("m013", "occasional", "0F00D4E5F6"),
    ("m042", "subscriber", "04A2B3C4D5"),
)
READY_S = 60.0
WIRED = """
[printers.copieur.connector]        # nobody copies without a badge; each side is a pulse on the board
kind = "{kind}"
chip = "{chip}"
enable = {lines[0]}
pulse = {lines[1]}
colour = {lines[2]}
large = {lines[3]}
sheet = {lines[4]}
"""


async def run_demo(folder: Path, port: int, for_s: float | None, *, wired: bool = False) -> int:
    """Run the demo until `quit`, SIGINT or `for_s`; return the exit code. `wired`: with a copy-control connector."""
    try:
        lock = own_lock(folder / "demo.lock")
    except DriverError as error:
        print(error, file=sys.stderr)  # noqa: T201  (the command's answer)
        return 69
    demo = Demo(folder, port, wired=wired)
    try:
        return await demo.run(for_s)
    finally:
        os.close(lock)


class Demo:
    """One run of the demo."""

    def __init__(self, folder: Path, port: int, *, wired: bool = False) -> None:
        self.folder, self.port, self.wired = folder, port, wired
        self.places = Places(folder / "state", folder / "run")
        self.site_file = folder / "site.toml"
        self.clock = SystemClock()
        self.peers = PeerBuilding(folder / "peers", LINKS, READERS, COPIER, wired=wired)
        self.prometheus: prometheus.PrometheusPeer | None = None
        self._turn = asyncio.Lock()  # the peers obey one verb at a time

    async def run(self, for_s: float | None) -> int:
        """Start everything, obey until the end, stop everything."""
        self.folder.chmod(0o711)  # cupsd's filters walk through it
        await asyncio.to_thread(self.peers.reclaim)
        await asyncio.to_thread(prometheus.reclaim, self.folder / "prometheus")
        for left in ("state", "run", "prometheus", "peers"):
            shutil.rmtree(self.folder / left, ignore_errors=True)
        async with contextlib.AsyncExitStack() as stack:
            say("démarre les bouts de ligne émulés… — starting the emulated far ends…")
            await asyncio.to_thread(self.peers.start)
            stack.push_async_callback(asyncio.to_thread, self.peers.stop)
            self.write_site()
            await asyncio.to_thread(self.seed_roster)
            house = asyncio.create_task(keep_house(self.household()))
            stack.push_async_callback(_end, house)
            await stack.enter_async_context(answering(self.places.run, "demo", self.clock, self.answer))
            self.start_prometheus(stack)
            await self.until_ready(house)
            self.say_ready()
            await self.obey_until_end(house, for_s)
        say("tout est arrêté — everything stopped")
        return 0

    def write_site(self) -> None:
        """Write the site file, with the kinds this machine can run."""
        real_links, real_paper = "links" not in self.peers.missing, "paper" not in self.peers.missing
        kind = "gpio" if real_paper else "sim"
        connector = WIRED.format(kind=kind, chip=self.peers.board.chip, lines=CONNECTOR) if self.wired else ""
        template = Template(files("agent").joinpath("demo-site.toml").read_text(encoding="utf-8"))
        text = template.substitute(
            port=self.port,
            links="scapy" if real_links else "sim",
            spooler="cups" if real_paper else "sim",
            printer="ipp" if real_paper else "sim",
            cups=self.peers.cups.server if self.peers.cups else "",
            attempts=self.peers.cups.attempts if self.peers.cups else "",
            page_log=self.peers.cups.page_log if self.peers.cups else "",
            copier=self.peers.copier_uri or "ipp://127.0.0.1/ipp/print",
            tty_door=self.peers.readers["door"].path,
            tty_copier=self.peers.readers["copier"].path,
            board=self.peers.board.chip,
            copies="connector" if self.wired else "counters",
            connector=connector,
        )
        self.site_file.write_text(text, encoding="utf-8")
        tariff = files("agent.views").joinpath("tariff-example.toml").read_bytes()
        (self.folder / "tariff.toml").write_bytes(tariff)

    def seed_roster(self) -> None:
        """Add three members with a card each, and their ids as print names."""
        self.places.state.mkdir(parents=True, exist_ok=True)
        ledger_file = self.places.state / "ledger.db"
        with Ledger.open(ledger_file) as ledger, RosterStore.open(self.places.state, ledger, self.clock) as store:
            for identity, formula, card in MEMBERS:
                member = MemberId(identity)
                store.add_member(identity, FormulaId(formula), actor="demo", since=date(2026, 1, 1), member=member)
                store.give_card(member, CardNumber(card), actor="demo")
                store.give_alias(member, identity, actor="demo")
            store.settle()

    def household(self) -> Household:
        """Return what to start: the links service stands between the emulated boxes."""
        inside = self.peers.providers.enter_prefix() if self.peers.providers else []
        site = read_site(self.site_file)
        return Household(self.site_file, self.places, site.services, {"links": inside} if inside else {})

    def start_prometheus(self, stack: contextlib.AsyncExitStack) -> None:
        """Start a real Prometheus on our alert rules, where the program is installed."""
        if prometheus.available():
            return
        rules = Path(str(files("agent.views").joinpath("alerts.yml")))
        peer = prometheus.PrometheusPeer(self.folder / "prometheus", f"127.0.0.1:{self.port}", rules)
        self.prometheus = stack.enter_context(peer)

    async def until_ready(self, house: asyncio.Task[None]) -> None:
        """Wait until the page answers. Raises DriverError when it does not."""
        limit = asyncio.get_running_loop().time() + READY_S
        while asyncio.get_running_loop().time() < limit and not house.done():
            with contextlib.suppress(OSError):
                await asyncio.to_thread(_get, f"http://127.0.0.1:{self.port}/healthz")
                return
            await asyncio.sleep(0.1)
        if house.done():
            await house
        raise DriverError(f"la page ne répond pas sur le port {self.port} — the page does not answer")

    def say_ready(self) -> None:
        """Say where, and what to try."""
        for part, why in self.peers.missing.items():
            say(f"{part}: simulé ici (kind = sim) — simulated here: {why}")
        page = f"http://127.0.0.1:{self.port}/"
        watched = f" · Prometheus http://{self.prometheus.address}/alerts" if self.prometheus else ""
        code = self.claim_code()
        say(f"prêt — ready: {page} · {page}ecran · {page}metrics{watched} · code : {code} → {page}premiere-fois")
        say("essayez — try: cut adsl1 · mend adsl1 · print m042 5 two-sided x3 · copy 3 · badge copier 04A2B3C4D5")
        say("              print m042 3 held, puis — then badge copier 04A2B3C4D5")
        if self.wired:
            say("              badge copier 04A2B3C4D5, puis — then copy 3 : personne ne copie sans badge")
        say("              badge door 04A2B3C4D5 · badge door FFFFFFFFFF · arrive m013 09:05 · leave m013 11:15 · quit")

    def claim_code(self) -> str:
        """Return a code that makes the animator's account, as `gardien account claim` prints it on a site."""
        with AccountStore.open(self.places.state, self.clock) as accounts:
            return accounts.issue(Role.ANIMATOR)

    async def obey_until_end(self, house: asyncio.Task[None], for_s: float | None) -> None:
        """Read verbs from the prompt until `quit`, a signal, the time limit, or the end of the house."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        prompt = asyncio.create_task(self.prompt(ended))
        over = asyncio.create_task(ended.wait())
        await asyncio.wait({over, house}, timeout=for_s, return_when=asyncio.FIRST_COMPLETED)
        for task in (prompt, over):
            task.cancel()
        if house.done():
            await house

    async def prompt(self, ended: asyncio.Event) -> None:
        """Obey typed lines; the end of the input ends nothing: verbs may still come by `gardien tell`."""
        kind = os.fstat(sys.stdin.fileno()).st_mode
        if not (sys.stdin.isatty() or stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):  # /dev/null, a file: no prompt
            return
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while raw := await lines.readline():
            line = raw.decode(errors="replace").strip()
            if line in ("quit", "q"):
                ended.set()
                return
            if line:
                say((await self.obey(line)).says)

    async def answer(self, request: Request) -> Answer:
        """Answer `gardien tell`."""
        return await self.obey(request.arguments.get("line", ""))

    async def obey(self, line: str) -> Answer:
        """Do what one line says, through the peers, the simulated part, or the animator's desk."""
        try:
            verb = parse(line)
            if isinstance(verb, VisitVerb) or _part(verb) in self.peers.missing:
                return await tell(self.places.run, line, "demo", self.clock)
            async with self._turn:
                return Answer(done=True, says=await asyncio.to_thread(self.peers.obey, verb))
        except (VerbError, AskError) as error:
            return Answer(done=False, says=str(error))


def _part(verb: Verb) -> str:
    """Return which part of the building a verb concerns."""
    if isinstance(verb, LinkVerb):
        return "links"
    return "door" if isinstance(verb, BadgeVerb | DoorVerb) else "paper"


async def _end(house: asyncio.Task[None]) -> None:
    house.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await house


def _get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=2):  # noqa: S310  (our own page)
        pass


def say(line: str) -> None:
    """Print one line for the person at the prompt."""
    print(line, flush=True)  # noqa: T201  (the command's answer)
