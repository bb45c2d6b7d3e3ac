"""Who pays is asked at the copier: what its screen was touched for, between the touch, the badge and the choice.

The one idea: *a badge prints at once unless somebody asked first*. Whoever badges pays, and is asked nothing. Whoever
touched « un compte partagé paie » is asked after their badge, among the accounts that pay for them and no others, and
nothing comes out before they chose. What was touched or asked stands for `ASK_STANDS_S`; then it is forgotten: what
waits still waits, and the next badge is an ordinary one, as is a second badge in place of a choice. Each question has a
turn, so that a late finger never answers the next one's. Nothing outlives a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.ask import Request
from agent.live import ASK_STANDS_S, LiveAsk
from agent.rules.facts import MemberId
from agent.rules.members import Member
from agent.rules.release import Name
from drivers.contract import BadgeRead


@dataclass(frozen=True, slots=True)
class Question:
    """A member badged, and is to choose who pays."""

    read: BadgeRead
    member: Member
    jobs: frozenset[Name]  # what they were told of; what comes meanwhile waits


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody touched at a device's screen: `payer` "" is whoever badged, None nobody: nothing comes out."""

    device: str
    turn: int
    payer: MemberId | None


def touched(request: Request) -> tuple[str, bool] | None:
    """Read a touch that asks for a question, or takes that back: `counter-touch` with `device` and `on`."""
    device = request.arguments.get("device", "")
    return (device, bool(request.arguments.get("on"))) if request.action == "counter-touch" and device else None


def chosen(request: Request) -> Choice | None:
    """Read a choice: `counter-choose` with `device`, `turn`, and `payer`, "-" for nobody."""
    given = request.arguments
    turn, payer = given.get("turn", ""), given.get("payer", "")
    if request.action != "counter-choose" or not (turn.isascii() and turn.isdecimal()):
        return None
    return Choice(given.get("device", ""), int(turn), None if payer == "-" else MemberId(payer))


@dataclass(slots=True)
class Counter:
    """What stands at each copier. All on one event loop; `now_s` is monotonic."""

    live: Mapping[str, LiveAsk] = field(default_factory=dict)  # by device: for the screens
    _since_s: dict[str, float] = field(default_factory=dict)
    _questions: dict[str, Question] = field(default_factory=dict)
    _turn: int = 0

    def touch(self, device: str, live: LiveAsk | None, now_s: float) -> None:
        """Have the next badge asked who pays; None: no, after all."""
        self._forget(device)
        if live is not None:
            self._stand(device, live, now_s)

    def armed(self, device: str, now_s: float) -> bool:
        """Tell whether the next badge is to be asked."""
        return device not in self._questions and self._stands(device, now_s)

    def badged(self, device: str, now_s: float) -> bool:
        """Tell whether this badge is to be asked; whatever stood there is over."""
        asked = self.armed(device, now_s)
        self._forget(device)
        return asked

    def ask(self, device: str, question: Question, live: LiveAsk, now_s: float) -> None:
        """Ask."""
        self._stand(device, live, now_s)
        self._questions[device] = question

    def answered(self, choice: Choice, now_s: float) -> Question | None:
        """Return the question that a choice answers, which is over then; None: it was another, or too long ago."""
        question, live = self._questions.get(choice.device), self.live.get(choice.device)
        if question is None or live is None or live.turn != choice.turn or not self._stands(choice.device, now_s):
            return None
        self._forget(choice.device)
        return question

    def _stands(self, device: str, now_s: float) -> bool:
        return device in self._since_s and now_s - self._since_s[device] <= ASK_STANDS_S

    def _stand(self, device: str, live: LiveAsk, now_s: float) -> None:
        self._turn += 1
        self._since_s[device] = now_s
        self.live = {**self.live, device: LiveAsk(live.at, self._turn, live.payers, live.jobs, live.sides)}

    def _forget(self, device: str) -> None:
        self._since_s.pop(device, None)
        self._questions.pop(device, None)
        self.live = {name: live for name, live in self.live.items() if name != device}
