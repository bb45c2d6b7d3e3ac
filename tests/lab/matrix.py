"""The fault laboratory: every fault of a line on real wires, all at once, each on a line of its own, under its judge.

A *case* is a fault and the verdicts that are right for it. `Lab.play` gives every line its next fault, lets each judge
ask its prober for what it wants, and says what was told and when. Between two plays the faults move on by one line, so
that no line keeps its own. Expected words are literals.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from datetime import timedelta

from agent.rules.links import Cause, Health, LinkPolicy, LinkWatch
from drivers.clock import SystemClock
from drivers.contract import LinkId
from drivers.peers.providers import FAR_TARGETS, Providers
from drivers.prober import ScapyProber
from drivers.probing import Page, ProbePlan
from drivers.verbs import parse
from tests.lab.baselines import Dpinger, Misses, Mwan3

PUBLIC = "198.51.100.53"
CANARY = Page("192.0.2.80", "canari.example.org", "/canari", "gardien canari")
WITHIN_S, GAP_S = 10.0, 11.0
OUT = {"down", "portal", "dns_broken"}

# name: (verb, verdicts that are right within ten seconds, may it ever be called out of use?)
CASES = {
    "sound": ("", {"up none"}, False),
    "cable out": ("unplug {}", {"down cable"}, True),
    "box dead": ("box {}", {"down box"}, True),
    "line down, silent": ("cut {}", {"down line"}, True),
    "line down, refused": ("refuse {}", {"down line"}, True),
    "beyond dead": ("isp {}", {"down isp"}, True),
    "one target dead": ("silence {} 198.51.100.1", {"up none"}, False),
    "ISP DNS dead": ("dns {} dead", {"dns_broken dns_dead"}, True),
    "DNS lying": ("dns {} lying", {"dns_broken dns_lying"}, True),
    "portal": ("portal {}", {"portal page"}, True),
    "saturated up": ("saturate {} up", {"saturated upload"}, False),
    "saturated down": ("saturate {} down", {"saturated download"}, False),
    "lossy 5 %": ("loss {} 0.05", {"degraded loss"}, False),
    "PMTU hole": ("hole {}", {"degraded hole"}, False),
    "one fate, A": ("cut {}", {"down line"}, True),
    "one fate, B": ("cut {}", {"down line"}, True),
    "box gap": ("gap", {"unknown gap"}, False),
    "clock step": ("step", {"up none", "unknown doubt"}, False),
    "gateway MAC": ("move {}", {"up none"}, False),
}


class SteppedClock:
    """The machine's clock, with a wall time that can be put forward."""

    def __init__(self) -> None:
        self._clock, self.ahead = SystemClock(), timedelta(0)

    def now(self):
        now = self._clock.now()
        return replace(now, utc=now.utc + self.ahead)


@dataclass(frozen=True, slots=True)
class Told:
    """What was said of one case."""

    case: str
    right: bool
    after_s: float | None  # from the fault to the right verdict
    said: tuple[str, ...]  # every verdict from the fault on
    recovered_s: float | None  # from the mending to UP again
    down: tuple[str, ...]  # the rules of others that called it down meanwhile


@dataclass
class Line:
    """One link under its judge, and under those of others."""

    providers: Providers
    link: str
    changes: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = SteppedClock()
        resolver = self.providers.resolver(self.link)
        plan = ProbePlan(
            gateway=self.providers.gateway(self.link),
            targets=FAR_TARGETS,
            resolvers=(resolver, PUBLIC),
            name="canari.example.org",
            answers=("192.0.2.80",),
            canary=CANARY,
        )
        self.prober = ScapyProber(self.clock, LinkId(self.link), self.link, plan)
        self.watch = LinkWatch(LinkId(self.link), LinkPolicy(resolver=resolver), FAR_TARGETS)
        self.deaf = False
        self.hurt_from_s = 0.0
        self.others = ()

    def compare(self) -> None:
        """Begin the others anew: what they hold of an earlier fault is not theirs to answer for."""
        self.others = (Dpinger(FAR_TARGETS[1]), Mwan3(), Misses(FAR_TARGETS[1]))
        self.called_down = set()

    async def run(self) -> None:
        self.compare()
        while True:
            async with contextlib.aclosing(self.prober.replies()) as sights:
                async for sight in sights:
                    if self.deaf:
                        break
                    self._judge(sight)
            while self.deaf:
                await asyncio.sleep(0.05)

    def _judge(self, sight) -> None:
        before = (self.watch.health, self.watch.cause)
        self.watch.see(sight)
        for ask in self.watch.asks():
            self.prober.ask(ask)
        if (self.watch.health, self.watch.cause) != before:
            self.changes.append((sight.at.mono_s, self.verdict))
        for other in self.others:
            other.see(sight)
            if other.down:
                self.called_down.add(type(other).__name__)

    @property
    def verdict(self) -> str:
        return f"{self.watch.health} {self.watch.cause}"

    def since(self, mono_s: float) -> list[tuple[float, str]]:
        return [change for change in self.changes if change[0] >= mono_s]


class Lab:
    """As many lines as cases. Use inside `providers.inside()`."""

    def __init__(self, providers: Providers, patience_s: float = 40.0) -> None:
        self.providers, self.patience_s = providers, patience_s
        self.lines = [Line(providers, link) for link in providers.links]
        self._turn = 0

    @contextlib.asynccontextmanager
    async def open(self):
        """Probe every line, and wait until each is UP."""
        tasks = [asyncio.ensure_future(line.run()) for line in self.lines]
        try:
            await self._all_up(30.0)
            yield self
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended

    async def _all_up(self, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not all(line.watch.health is Health.UP and line.watch.cause is Cause.NONE for line in self.lines):
                await asyncio.sleep(0.05)

    async def play(self, names: tuple[str, ...] = tuple(CASES)) -> list[Told]:
        """Hurt every line by its case, listen, mend all, and wait for them to be UP."""
        lines = {name: self.lines[(at + self._turn) % len(self.lines)] for at, name in enumerate(names)}
        self._turn += 1
        hurts = {name: asyncio.ensure_future(self._hurt(line, CASES[name][0])) for name, line in lines.items()}
        for line in lines.values():
            line.compare()
        hurt_s = {name: await hurt for name, hurt in hurts.items() if CASES[name][0] != "gap"}
        await asyncio.sleep(WITHIN_S + 0.5)
        hurt_s |= {name: await hurt for name, hurt in hurts.items() if name not in hurt_s}
        await asyncio.sleep(0.5)
        heard = {name: line.since(line.hurt_from_s) for name, line in lines.items()}
        mended = {}
        for name, line in lines.items():
            await asyncio.to_thread(self.providers.mend, line.link)
            line.clock.ahead = timedelta(0)
            mended[name] = line.clock.now().mono_s
        with contextlib.suppress(TimeoutError):
            await self._all_up(self.patience_s)
        return [self._told(name, line, hurt_s[name], heard[name], mended[name]) for name, line in lines.items()]

    async def _hurt(self, line: Line, verb: str) -> float:
        """Do the fault and return when it was done; of a gap, when it ended. Who is quick tells it while it is done."""
        if verb == "gap":
            line.deaf = True
            await asyncio.sleep(GAP_S)
            line.deaf = False
            line.hurt_from_s = line.clock.now().mono_s
            return line.hurt_from_s
        line.hurt_from_s = line.clock.now().mono_s
        if verb == "step":
            line.clock.ahead = timedelta(hours=1)
        elif verb:
            await asyncio.to_thread(self.providers.obey, parse(verb.format(line.link)))
        return line.clock.now().mono_s

    def _told(self, name, line, hurt_s, heard, mended_s) -> Told:
        _, right, may_be_out = CASES[name]
        said = [verdict for _, verdict in heard]
        first = next((max(0.0, at_s - hurt_s) for at_s, verdict in heard if verdict in right), None)
        if "up none" in right:
            first = 0.0 if first is None else first
            good = not said or said[-1] in right
        else:
            in_time = [verdict for at_s, verdict in heard if at_s - hurt_s <= WITHIN_S]
            good = bool(in_time) and (in_time[-1] in right or (name == "box gap" and first is not None))
        never_out = may_be_out or not any(verdict.split()[0] in OUT for verdict in said)
        ups = [at_s - mended_s for at_s, verdict in line.since(mended_s) if verdict == "up none"]
        recovered_s = ups[0] if ups and said and said[-1] != "up none" else None
        return Told(name, good and never_out, first, tuple(said), recovered_s, tuple(sorted(line.called_down)))
