"""What the two halves of release by badge share: the waiting room (`stories.release`), the counter (`stories.serving`).

The one idea: *what is known of held jobs is written here, and shown from here*, whoever found it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from agent.live import LiveRelease
from agent.memory.followed import Followed
from agent.memory.ledger import Ledger
from agent.rules.facts import Fact, MemberId
from agent.rules.forecast import Forecast
from agent.rules.payers import JobCharged
from agent.rules.release import RELEASE_FACTS, Name, Slate
from agent.rules.tariff import Tariff
from agent.stories.copier import People
from agent.stories.owners import alias_of
from agent.stories.through import seen_through
from drivers.contract import Clock, DeviceId, Printer
from drivers.holding import HeldJob, Releaser


def followed_slate(ledger: Ledger) -> Followed[Slate]:
    """Return what was said and done about held jobs, kept up."""
    return Followed(ledger, RELEASE_FACTS, Slate(), lambda slate, new: slate.after(entry.fact for entry in new))


@dataclass(frozen=True, slots=True)
class Way:
    """One device that releases: its reader, the queue to it, and who is asked whether it can print."""

    device: DeviceId
    out: str  # the queue that prints to it
    intake: frozenset[str]  # the queues it lets out: one queue may wait for several devices
    printer: Printer


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """How this site releases."""

    zone: tzinfo
    keep: timedelta = timedelta(hours=72)
    tariff: Tariff | None = None


class Room:
    """What is known of held jobs, and whom it is shown to. One per site, on one event loop."""

    def __init__(
        self,
        releaser: Releaser,
        ledger: Ledger,
        people: People,
        clock: Clock,
        policy: ReleasePolicy,
        show: Callable[[LiveRelease], None],
    ) -> None:
        self.releaser, self._ledger, self.people, self.clock = releaser, ledger, people, clock
        self.policy, self._shown = policy, show
        self.slate = followed_slate(ledger)
        self.live = LiveRelease()
        self.told: dict[Name, Forecast] = {}  # what each job will print

    def show(self, live: LiveRelease) -> None:
        """Show what is so now."""
        self.live = live
        self._shown(live)

    def today(self) -> date:
        """Return the day on the site's calendar."""
        return self.clock.now().utc.astimezone(self.policy.zone).date()

    async def write(self, fact: Fact, key: str) -> None:
        """Write a fact and wait until it is on the disk. Raises LedgerError."""
        async with seen_through() as written:
            written.append(self._ledger.append(fact, self.clock.now(), key))

    async def write_charge(self, job: HeldJob, payer: MemberId, by: MemberId, actor: str) -> None:
        """Write down who pays for a job."""
        said = self.slate.read().charged.get(job.name)
        turn = 1 if said is None else said.turn + 1
        alias = alias_of(self.people, job.user).id
        fact = JobCharged(job.job, job.created_s, turn, alias, payer, by, actor)
        await self.write(fact, f"{job.job}/{job.created_s}/{turn}")
