"""Tells whether a line that answers pings also does what people need: names, pages, full-sized packets.

The one idea: what the far end *says* (a wrong page, a wrong address, a refusal) needs one repetition, for no loss can
say it. *Silence* is weighed against the line's own: each question is lost by chance as often as its echoes are, so
silence counts only when so many in a row, none of them answered late, are next to impossible at the present loss: eight
on a line that loses up to 13 %, more on a worse one, and never within less time than a slow resolver takes. A first
failure asks for a closer look, which repeats the question at once, beside the echoes that tell the loss.

A wrong page is a portal (RFC 8952: captive); a wrong or missing answer of the link's own resolver is broken DNS; lost
full-sized echoes beside answered small ones are a hole (RFC 2923), but not where a router says that they are too big
(RFC 1191 section 4): that is how the way is found. Pure; judged by `rules.links`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from agent.rules.linkfacts import Cause, Health
from agent.rules.reach import left_s
from drivers.probing import Outcome, ProbeKind, ProbeReply

REPEATED = 2
SILENT, SILENT_S = 8, 2.5  # questions in a row, and the time from the first one's sending
CHANCE = 1e-7  # of so many losses in a row, at most
MOST = 24  # silences in a row after which nobody looks closer
ALONE = 5  # ... after which a resolver that has no say is named
TOO_BIG = 4  # RFC 792, code of type 3
SAID = frozenset({Outcome.WRONG, Outcome.REFUSED})


def meant(reply: ProbeReply) -> Outcome:
    """Return what a fate says of names, pages and full-sized packets; of others it is the outcome itself."""
    if reply.error is None or not (reply.size or reply.kind in {ProbeKind.DNS, ProbeKind.CANARY}):
        return reply.outcome
    if reply.size:
        return Outcome.REPLIED if (reply.error.type, reply.error.code) == (3, TOO_BIG) else reply.outcome
    return Outcome.REFUSED if reply.error.by == reply.target else reply.outcome


def silences(share: float) -> int:
    """Return how many lost in a row are no chance any more on a line that loses this share."""
    return max(SILENT, math.ceil(math.log(CHANCE) / math.log(min(max(share, CHANCE), 0.5))))


@dataclass(slots=True)
class _Asked:
    silent: int = 0  # lost in a row ...
    silent_from_s: float = 0.0  # ... of which the first was sent then ...
    silent_to_s: float = 0.0  # ... and the last told then
    said: int = 0  # wrong words and refusals since the last right answer
    wrong: bool = False  # the last word was a wrong one
    answered: int = 0  # in a row

    def take(self, reply: ProbeReply) -> None:
        outcome = meant(reply)
        if outcome is Outcome.REPLIED:
            self.silent, self.said, self.wrong, self.answered = 0, 0, False, self.answered + 1
        elif outcome in SAID:
            self.silent, self.said, self.wrong, self.answered = 0, self.said + 1, outcome is Outcome.WRONG, 0
        elif outcome is Outcome.LATE:
            self.silent = 0
        else:
            self.silent_from_s = self.silent_from_s if self.silent else left_s(reply)
            self.silent, self.silent_to_s, self.answered = self.silent + 1, reply.at.mono_s, 0

    def mute(self, share: float) -> bool:
        enough = self.silent >= SILENT and self.silent >= silences(share)
        return enough and self.silent_to_s - self.silent_from_s >= SILENT_S

    def broken(self, share: float) -> bool:
        return self.said >= REPEATED or self.mute(share)

    def doubtful(self) -> bool:
        return self.said == 1 or 0 < self.silent <= MOST


@dataclass(slots=True)
class Usable:
    """Follows one link's DNS, CANARY and full-sized ECHO fates. `resolver`: the link's own, "" any."""

    resolver: str = ""
    _resolvers: dict[str, _Asked] = field(default_factory=dict)
    _canary: _Asked = field(default_factory=_Asked)
    _full: _Asked = field(default_factory=_Asked)
    says: str = ""  # the last wrong word: an address, a status
    _broken_by: Cause = Cause.DNS_DEAD  # what broke names last
    _calm: bool = True  # nothing failed that was asked last: asked at every fate of the line, known at few
    silent: bool = False  # something was not answered so often that it depends on the line's loss what that means

    def take(self, reply: ProbeReply) -> None:
        """Take in one fate of these kinds, or a late answer."""
        if reply.kind is ProbeKind.DNS:
            asked = self._resolvers.setdefault(reply.target, _Asked())
        else:
            asked = self._canary if reply.kind is ProbeKind.CANARY else self._full
        asked.take(reply)
        every = (self._canary, self._full, *self._resolvers.values())
        self._calm = not any(one.silent or one.said for one in every)
        self.silent = any(one.silent >= SILENT for one in every)
        if meant(reply) in SAID:
            self.says = f"{reply.kind} {reply.says.partition(' ')[0]}".strip()  # no Location: it may name a customer

    def forget(self) -> None:
        """Forget all: the line was down, or nobody measured."""
        self._resolvers.clear()
        self._canary, self._full, self.says = _Asked(), _Asked(), ""
        self._calm, self.silent = True, False

    def portal(self, present: Health, *, silent: bool) -> bool:
        """Tell whether another page answers than ours. One that stands outlasts a single page that does not come.

        Where pings are not answered either, the last page decides.
        """
        page = self._canary
        if silent or not page.wrong:
            return page.wrong and not page.silent
        return page.silent < REPEATED and page.said >= (1 if present is Health.PORTAL else REPEATED)

    def doubts(self) -> ProbeKind | None:
        """Return what failed and should be asked again now, if anything: DNS, CANARY or (of full size) ECHO."""
        if self._calm:
            return None
        if any(one.doubtful() for one in self._counted()):
            return ProbeKind.DNS
        if self._canary.wrong and self._canary.said == 1:
            return ProbeKind.CANARY
        return ProbeKind.ECHO if self._full.doubtful() else None

    def judge(self, present: Health, share: float) -> tuple[Health, Cause]:
        """Return PORTAL, DNS_BROKEN, DEGRADED(hole) or UP, of a line that answers pings and loses a share of them.

        Slow to end.
        """
        if self._calm and present is not Health.DNS_BROKEN:
            return Health.UP, Cause.NONE
        if self.portal(present, silent=False):
            return Health.PORTAL, Cause.PAGE
        asked = self._counted()
        stays = present is Health.DNS_BROKEN and all(one.answered < REPEATED for one in asked)
        if asked and (stays or all(one.broken(share) for one in asked)):
            return Health.DNS_BROKEN, self._breaks(asked, share)
        return (Health.DEGRADED, Cause.HOLE) if self._full.broken(share) else (Health.UP, Cause.NONE)

    def _breaks(self, asked: list[_Asked], share: float) -> Cause:
        """Return what breaks names: the last word, or the silence since. A first right answer changes no cause."""
        if any(one.wrong and not one.mute(share) for one in asked):
            self._broken_by = Cause.DNS_LYING
        elif any(one.broken(share) for one in asked):
            self._broken_by = Cause.DNS_DEAD
        return self._broken_by

    def _counted(self) -> list[_Asked]:
        return [asked for name, asked in self._resolvers.items() if name == (self.resolver or name)]

    @property
    def alone(self) -> tuple[str, ...]:
        """Return the resolvers that fail while another one answers, and are not the link's own."""
        fine = any(asked.answered for asked in self._resolvers.values())
        return tuple(
            name
            for name, asked in self._resolvers.items()
            if fine and (asked.silent >= ALONE or asked.said >= REPEATED) and name != self.resolver
        )
