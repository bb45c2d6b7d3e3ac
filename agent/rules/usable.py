"""Tells whether a line that answers pings also does what people need: names, pages, full-sized packets.

The one idea: a failure counts when it is *repeated while echoes are answered*; a probe lost on a line that loses probes
says nothing. What the far end itself says (a wrong page, a wrong address, a refusal) needs one repetition; silence
needs one on a clean line and several on a lossy one. A first failure asks for a closer look, which repeats it at once.

A wrong page is a portal (RFC 8952: captive); a wrong or missing answer of the link's own resolver is broken DNS; lost
full-sized echoes beside answered small ones are a hole (RFC 2923). Pure; judged by `rules.links`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.rules.linkfacts import Cause, Health
from drivers.probing import Outcome, ProbeKind, ProbeReply

REPEATED, REPEATED_LOSSY = 2, 5
SAID = frozenset({Outcome.WRONG, Outcome.REFUSED})


@dataclass(slots=True)
class _Asked:
    failed: int = 0  # in a row
    answered: int = 0
    said: bool = False  # the last failure was said by the far end, not silence
    wrong: bool = False

    def take(self, outcome: Outcome) -> None:
        if outcome is Outcome.REPLIED:
            self.failed, self.answered = 0, self.answered + 1
            return
        self.failed, self.answered = self.failed + 1, 0
        self.said, self.wrong = outcome in SAID, outcome is Outcome.WRONG

    def broken(self, *, lossy: bool) -> bool:
        return self.failed >= (REPEATED if self.said or not lossy else REPEATED_LOSSY)


@dataclass(slots=True)
class Usable:
    """Follows one link's DNS, CANARY and full-sized ECHO fates. `resolver`: the link's own, "" any."""

    resolver: str = ""
    _resolvers: dict[str, _Asked] = field(default_factory=dict)
    _canary: _Asked = field(default_factory=_Asked)
    _full: _Asked = field(default_factory=_Asked)
    says: str = ""  # the last wrong word: an address, a status

    def take(self, reply: ProbeReply) -> None:
        """Take in one fate of these kinds."""
        if reply.kind is ProbeKind.DNS:
            asked = self._resolvers.setdefault(reply.target, _Asked())
        else:
            asked = self._canary if reply.kind is ProbeKind.CANARY else self._full
        asked.take(reply.outcome)
        if reply.outcome in SAID:
            self.says = f"{reply.kind} {reply.says.partition(' ')[0]}".strip()  # no Location: it may name a customer

    def forget(self) -> None:
        """Forget all: the line was down, or nobody measured."""
        self._resolvers.clear()
        self._canary, self._full, self.says = _Asked(), _Asked(), ""

    def portal(self, *, silent: bool) -> bool:
        """Tell whether another page answers than ours; where pings are not answered either, once is enough."""
        return self._canary.wrong and self._canary.failed >= (1 if silent else REPEATED)

    def suspects(self) -> bool:
        """Tell whether something failed that should be asked again now."""
        asked = [asked for name, asked in self._resolvers.items() if self._counts(name)]
        asked += [self._full, *([self._canary] if self._canary.wrong else [])]
        return any(0 < one.failed <= REPEATED_LOSSY for one in asked)

    def judge(self, present: Health, *, lossy: bool) -> tuple[Health, Cause]:
        """Return PORTAL, DNS_BROKEN, DEGRADED(hole) or UP, of a line that answers pings; slow to end."""
        if self.portal(silent=present is Health.PORTAL):
            return Health.PORTAL, Cause.PAGE
        asked = [asked for name, asked in self._resolvers.items() if self._counts(name)]
        stays = present is Health.DNS_BROKEN and all(one.answered < REPEATED for one in asked)
        if asked and (stays or all(one.broken(lossy=lossy) for one in asked)):
            return Health.DNS_BROKEN, Cause.DNS_LYING if any(one.wrong for one in asked) else Cause.DNS_DEAD
        if self._full.broken(lossy=lossy):
            return Health.DEGRADED, Cause.HOLE
        return Health.UP, Cause.NONE

    def _counts(self, resolver: str) -> bool:
        return resolver == self.resolver if self.resolver else True

    @property
    def alone(self) -> tuple[str, ...]:
        """Return the resolvers that fail while another one answers, and are not the link's own."""
        fine = any(asked.answered for asked in self._resolvers.values())
        return tuple(
            name
            for name, asked in self._resolvers.items()
            if fine and asked.failed >= REPEATED_LOSSY and not (self.resolver and self._counts(name))
        )
