"""Tells whether anything answers beyond our interface, and where the way ends.

The one idea: silence is counted in *probes, targets and time together*. A link is silent when `silent_echoes` echoes
in a row were lost, `silent_rounds` of each target that has a vote, over at least `silent_s`: nine losses inside one bad
spell of 100 ms are one loss. A target that is silent while another answers has no vote. An ICMP error from the way
(RFC 792 type 3) is better than silence: the router that sends it says where the way ends. A router refuses
few and drops the rest (a Linux box: two at once), whatever these were: refused names and pages count beside one echo.
Names and pages that left while the box or all targets were silent (`clear`) bear no witness, whenever their own silence
is told: a box that is changed takes with it what was on its way.

Where it ends is read from what answered *since the silence began*: the box (ARP), the provider's first router (HOP), a
far target. A late reply is a reply: a full queue is no silence. Pure; judged by `rules.links`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agent.rules.linkfacts import Cause, LinkPolicy
from drivers.contract import Moment
from drivers.probing import Outcome, ProbeKind, ProbeReply

SPOKEN_S = 20.0  # a SYN is sent every 15 s: pings may be filtered while TCP works
UNREACHABLE = 3  # RFC 792
BEYOND = frozenset({0, 1, 6, 7})  # codes of RFC 1122 section 3.2.2.1: no way to that net or host, whatever was asked
LAST = 8  # fates of the box and the first router that the evidence tells


@dataclass(slots=True)
class _Target:
    silent: int = 0  # echoes lost in a row ...
    silent_from_s: float = 0.0  # ... of which the first was sent then ...
    silent_to_s: float = 0.0  # ... and the last then
    run: int = 0  # of these, since any target last answered
    good: int = 0  # echoes answered in a row since the present health began
    good_from: Moment | None = None  # the first of them
    mute: bool = False  # silent while others answer: no vote


@dataclass(slots=True)
class _Witness:
    """The box, or the first router behind it."""

    fates: deque[bool]
    known: bool = False  # it ever answered
    asked_s: float = float("-inf")  # when the last probe that it answered was sent
    mac: str = ""

    def take(self, reply: ProbeReply, *, replied: bool) -> None:
        self.fates.append(replied)
        if replied:
            self.known, self.mac = True, reply.mac or self.mac
            self.asked_s = left_s(reply)

    def silent(self, rounds: int) -> bool:
        last = list(self.fates)[-rounds:]
        return len(last) == rounds and not any(last)


class Reach:
    """Follows one link's ARP, HOP and ECHO fates."""

    def __init__(self, policy: LinkPolicy, targets: tuple[str, ...]) -> None:
        self.policy = policy
        self.targets = {target: _Target() for target in targets}
        self.echoes: deque[bool] = deque(maxlen=policy.silent_echoes)
        self.box = _Witness(deque(maxlen=LAST))
        self.hop = _Witness(deque(maxlen=LAST))
        self.good: Moment | None = None  # of the last echo that came back
        self._came_s = float("-inf")  # when the last echo that came back was sent
        self.run_from_s: float | None = None  # when the first echo of the present silence was sent
        self._run_to_s = 0.0
        self._dark = False  # the box missed an ARP, or echoes of two moments in a row were lost, and none came back
        self._dark_to_s = float("-inf")  # what left before it, or just then, left in the dark
        self._beyond = 0  # echoes lost in a row while the box answered
        self._boxless_s = float("-inf")  # when the last ARP that was lost was sent
        self._refused: dict[str, str] = {}  # since the last answer: target -> the router that refused it
        self._refusals = 0
        self._gateways: set[str] = set()
        self._spoke_s = float("-inf")  # when the last SYN that was answered was sent
        self._last_error = ""

    # --- what it takes in ----------------------------------------------------------------------------------

    def take(self, reply: ProbeReply) -> None:
        """Take in a fate of ARP, HOP or ECHO, or a late echo."""
        replied = reply.outcome in {Outcome.REPLIED, Outcome.LATE}
        if reply.kind is ProbeKind.ARP:
            self.box.take(reply, replied=replied)
            if not replied:
                self._boxless_s = left_s(reply)
            if self.box_silent():
                self._refused.clear()  # whoever refused did so before
            self._darken(left_s(reply), dark=not replied)
            self._gateways.add(reply.target)
            self._beyond = self._beyond if replied else 0
        elif reply.kind is ProbeKind.HOP:
            self.hop.take(reply, replied=replied)
            if reply.says in self.targets:  # refused on its way there
                self._refuse(reply.says, reply)
        elif replied:
            self._answered(reply)
        else:
            self._missed(reply)

    def spoke(self, reply: ProbeReply) -> None:
        """Take in a SYN's fate: a far end that answers TCP, and be it with a reset, is no silence."""
        if reply.outcome in {Outcome.REPLIED, Outcome.REFUSED}:
            self._spoke_s = left_s(reply)
        self.turned_away(reply)

    def turned_away(self, reply: ProbeReply) -> None:
        """Take in the fate of another kind, if a router between us and its target refused it.

        A refused full-sized echo is a refused echo; a name or a page bears witness, and alone proves nothing.
        """
        error = reply.error
        if error is None or error.type != UNREACHABLE or error.code not in BEYOND or error.by == reply.target:
            return
        if reply.kind is ProbeKind.ECHO:
            self._missed(reply)
        else:
            self._refuse(reply.target, reply)

    def _answered(self, reply: ProbeReply) -> None:
        target = self.targets.setdefault(reply.target, _Target())
        self.echoes.append(True)
        self.good = reply.at
        self._came_s = max(self._came_s, left_s(reply))
        self._beyond = 0
        target.silent = 0
        target.good_from = target.good_from if target.good else reply.at
        target.good += 1
        for each in self.targets.values():
            lasted_s = each.silent_to_s - each.silent_from_s
            each.mute = each.silent >= self.policy.silent_rounds and lasted_s >= self.policy.silent_s
            each.run = 0
        if self.hop.silent(self.policy.silent_rounds):  # it does not answer us, whatever the line does
            self.hop.known = False
        self._end_run()
        if self._dark and left_s(reply) >= self._dark_to_s:
            self._dark, self._dark_to_s = False, left_s(reply)

    def _darken(self, sent_s: float, *, dark: bool) -> None:
        if dark:
            self._dark, self._dark_to_s = True, max(sent_s, self._dark_to_s)

    def _end_run(self) -> None:
        self.run_from_s, self._refusals = None, 0
        self._refused.clear()

    def _missed(self, reply: ProbeReply) -> None:
        target = self.targets.setdefault(reply.target, _Target())
        sent_s = left_s(reply)
        self.echoes.append(False)
        target.silent_from_s = target.silent_from_s if target.silent else sent_s
        target.silent_to_s = sent_s
        target.silent += 1
        target.good = 0
        if sent_s < self._came_s and reply.error is None:
            return  # what left after it came back: no silence began there
        target.run += 1
        self._beyond += bool(self.box.fates and self.box.fates[-1] and sent_s >= self._boxless_s)
        if self.run_from_s is None:
            self.run_from_s = self._run_to_s = sent_s
        self._run_to_s = max(sent_s, self._run_to_s)
        self._darken(sent_s, dark=self._run_to_s - self.run_from_s >= self.policy.moment_s)
        if reply.outcome is Outcome.UNREACHABLE and reply.error is not None:
            self._refusals += 1
        self._refuse(reply.target, reply)

    def _refuse(self, target: str, reply: ProbeReply) -> None:
        if reply.outcome is Outcome.UNREACHABLE and reply.error is not None:
            self._refused[target] = reply.error.by
            said = f"icmp {reply.error.type}/{reply.error.code} from {reply.error.by}"
            self._last_error = said if reply.error.by else self._last_error

    def void(self) -> None:
        """Forget the present silence: we do not believe our own ears."""
        for target in self.targets.values():
            target.silent = target.run = 0
        self._beyond = 0
        self._end_run()
        for witness in (self.box, self.hop):
            while witness.fates and not witness.fates[-1]:
                witness.fates.pop()

    def forget(self) -> None:
        """Forget all that was heard; what the first router is called, not."""
        for target in self.targets.values():
            target.silent = target.run = target.good = 0
        for fates in (self.box.fates, self.hop.fates, self.echoes):
            fates.clear()
        self._beyond = 0
        self._dark, self._dark_to_s = False, float("-inf")
        self.good, self._came_s = None, float("-inf")
        self._end_run()

    def down(self) -> None:
        """Count answers anew: what was answered before it went down is no recovery."""
        for target in self.targets.values():
            target.good = 0

    # --- what it says --------------------------------------------------------------------------------------

    @property
    def mute(self) -> tuple[str, ...]:
        """Return the targets that stay silent while others answer: a fault of theirs, not of the link."""
        return tuple(name for name, target in self.targets.items() if target.mute)

    def _voters(self) -> list[str]:
        return [name for name, target in self.targets.items() if not target.mute]

    def suspects(self) -> bool:
        """Tell whether it is time to look hard."""
        if not self._refused.keys().isdisjoint(self.targets):
            return True
        if self.run_from_s is None or self._run_to_s - self.run_from_s < self.policy.moment_s:
            return False
        return sum(self.targets[name].run for name in self._voters()) >= self.policy.suspect_echoes

    def clear(self, reply: ProbeReply) -> bool:
        """Tell whether a probe that is told now left while box and targets answered, and they still do."""
        return self.run_from_s is None and not self._dark and left_s(reply) > self._dark_to_s

    def silent(self) -> bool:
        """Tell whether nothing beyond answers any more."""
        if self.run_from_s is None or self._run_to_s - SPOKEN_S < self._spoke_s > self.run_from_s:
            return False
        return self._refused_by_all() or self._silent_long_enough(self.run_from_s)

    def _silent_long_enough(self, from_s: float) -> bool:
        runs = [self.targets[name].run for name in self._voters()]
        enough = sum(runs) >= self.policy.silent_echoes and min(runs) >= self.policy.silent_rounds
        return enough and self._run_to_s - from_s >= self.policy.silent_s

    def _refused_by_all(self) -> bool:
        """Tell whether routers said no for different targets (for the one there is, once more).

        What else the same router refused meanwhile counts with them; nobody knows who refused the kernel's own packet.
        """
        voters = self._voters()
        voting = [self._refused[name] for name in voters if name in self._refused]
        if voting:
            also = [by for name, by in self._refused.items() if name not in self.targets and by in {"", *voting}]
            if len(voting) + len(also) >= self.policy.refusals:
                return True
        return len(voters) == 1 and self._refusals > self.policy.refusals

    def box_silent(self) -> bool:
        """Tell whether the provider's box is silent."""
        return self.box.silent(self.policy.silent_arps)

    def box_missed(self) -> bool:
        """Tell whether the box did not answer the last ARP."""
        return bool(self.box.fates) and not self.box.fates[-1]

    def where(self, present: Cause) -> Cause:
        """Return where the way ends, now that it ends; `present` while that cannot be told yet."""
        if self.box_silent():
            return Cause.BOX
        refusers = set(self._refused.values()) - {""}
        if refusers and not (refusers <= self._gateways and self._hop_lives(LAST)):  # the line came back since
            return Cause.LINE if refusers <= self._gateways else Cause.ISP
        if present is not Cause.NONE and self._beyond < self.policy.silent_echoes:
            return present
        if not self.hop.known:
            return present if present in {Cause.LINE, Cause.ISP} else Cause.INTERNET
        if self._hop_lives(2 if present is Cause.NONE else LAST):
            return Cause.ISP
        return Cause.LINE if present is Cause.NONE or self.hop.silent(2) else present

    def _hop_lives(self, rounds: int) -> bool:
        """Tell whether the first router answered a probe that left after the silence began.

        Of the last 2 rounds once will do; a line that comes back answers there first, so a known cause waits for more.
        """
        asked_s = float("inf") if self.run_from_s is None else self.run_from_s
        last = list(self.hop.fates)[-rounds:]
        return self.hop.asked_s >= asked_s and (any(last) if rounds == 2 else len(last) == rounds and all(last))

    def recovered_from(self) -> Moment | None:
        """Return since when a target answers steadily; None if none does."""
        found = [
            target.good_from
            for target in self.targets.values()
            if target.good >= self.policy.good_rounds and target.good_from and self._lasts(target.good_from)
        ]
        return min(found, key=_mono_s, default=None)

    def _lasts(self, good_from: Moment) -> bool:
        return self.good is not None and self.good.mono_s - good_from.mono_s >= self.policy.good_s

    def good_from(self) -> Moment | None:
        """Return the first of the answers that may become a recovery."""
        return min((t.good_from for t in self.targets.values() if t.good and t.good_from), key=_mono_s, default=None)

    def evidence(self) -> str:
        """Say which probes, which MAC, which router: "arp 2/2 02:aa.., hop 0/3, echo 0/9, icmp 3/1 from ..."."""
        arps = list(self.box.fates)[-self.policy.silent_arps :]
        said = [f"arp {sum(arps)}/{len(arps)}"]
        if self.box.mac:
            said[0] += f" {self.box.mac}"
        if self.hop.fates:
            said.append(f"hop {sum(self.hop.fates)}/{len(self.hop.fates)}")
        said.append(f"echo {sum(self.echoes)}/{len(self.echoes)}")
        if self._last_error and self._refused:
            said.append(self._last_error)
        return ", ".join(said)


def left_s(reply: ProbeReply) -> float:
    """Return when a probe was sent; where that is not told, when its fate was."""
    return reply.at.mono_s if reply.sent_s is None else reply.sent_s


def _mono_s(moment: Moment) -> float:
    return moment.mono_s
