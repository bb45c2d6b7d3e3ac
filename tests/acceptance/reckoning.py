"""The morning after: what the far ends saw, what people did, and what the ledger says, compared.

Each function asserts one promise over a whole `Night` and returns one line of the report. "Nothing lost" is meant as
it can be meant: a card held to a reader whose process is dead was never read (the driver drops what a terminal kept,
so that no door opens for somebody who has gone); a refusal or a leaf's change read in the very millisecond of a
`kill -9` is lost with the process. An opening never is: every activation of the relay has its fact.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import timedelta

from tests.acceptance.house import REPO, sides
from tests.acceptance.night import MEMBERS, WORKS, Night

DOORS = {"door", "door stopped", "parent", "latch"}
READ_S = 1.0  # from the card on the reader to the decision, on a machine this busy
DEATH_S, LATCH_S = 0.250, 2.0  # the relay after the door's death, after the latch's


def every_opening_is_a_fact(night: Night) -> str:
    """Each activation of the relay has its decision, or somebody pressed the exit button."""
    granted = [fact.mono_s for fact in night.facts("entry-decided") if fact.granted]
    edges = [at_s for level, at_s in night.moves() if level]
    reasons = sorted([(at_s, "badge") for at_s in granted] + [(at_s, "exit") for at_s in night.exits])
    for edge_s in edges:
        assert any(0 <= edge_s - at_s <= 1.5 for at_s, _ in reasons), (
            f"the relay moved at {edge_s} and nobody knows why"
        )
    unopened = [at_s for at_s in granted if not any(0 <= edge_s - at_s <= 1.5 for edge_s in edges)]
    for at_s in unopened:
        near = [kill for kill in night.kills if kill.kind in DOORS and kill.at_s - 1.5 <= at_s <= kill.back_s]
        assert near, f"the badge granted at {at_s} opened nothing, and nobody had killed door or latch"
    return f"door: {len(edges)} activations of the relay, each with its fact or an exit press; {len(unopened)} cut off"


def no_badge_is_decided_twice(night: Night) -> str:
    """Each decision belongs to one presentation; a presentation without one met a dead reader."""
    waiting = list(night.presented)
    decided = night.facts("entry-decided")
    for fact in decided:
        mine = [one for one in waiting if 0 <= fact.mono_s - one[0] <= READ_S]
        assert mine, f"a decision at {fact.mono_s} that nobody's badge explains"
        waiting.remove(mine[0])
        assert fact.granted == (mine[0][1] in MEMBERS.values())
    down = [kill for kill in night.kills if kill.kind in DOORS - {"latch"}]
    for at_s, card in waiting:
        near = [kill for kill in down if kill.at_s - READ_S <= at_s <= kill.back_s + READ_S]
        assert near, f"the badge {card} at {at_s} was lost, and nobody had killed the door"
    return f"door: {len(night.presented)} badges, {len(decided)} decisions, {len(waiting)} held to a dead reader"


def the_relay_rests_in_time(night: Night) -> str:
    """From the death of the door or the latch to the relay at rest, by the board's recorder."""
    worst = Counter[str]()
    met = Counter[str]()
    for kill in night.kills:
        limit_s = {"door": DEATH_S, "door stopped": DEATH_S, "parent": DEATH_S, "latch": LATCH_S}.get(kill.kind)
        if limit_s is None or not kill.active:
            continue
        fell = [at_s for level, at_s in night.moves() if not level and at_s > kill.at_s - 0.002]
        assert fell, f"the relay never fell after {kill}"
        took_s = fell[0] - kill.at_s
        met[kill.kind] += 1
        worst[kill.kind] = max(worst[kill.kind], round(1000 * took_s))
        assert took_s <= limit_s, f"the relay was active for {took_s:.3f} s after {kill}"
    assert not night.moves() or not night.moves()[-1][0]
    return "relay at rest after: " + (", ".join(f"{k} {met[k]} x, worst {worst[k]} ms" for k in sorted(met)) or "-")


def every_side_is_counted_once(night: Night) -> str:
    """Each job of the copier is one row with its very sides; the copies are what else came out."""
    copier = night.folder / "peers/copier"
    records = [json.loads(line) for line in (copier / "records.jsonl").read_text().splitlines()]
    jobs = {record["job"]["job"]: record["job"] for record in records if record["kind"] == "job"}
    on_paper: Counter[tuple[str, bool]] = Counter()
    copied: Counter[bool] = Counter()
    for side in sides(copier):
        if side["work"] == "copy":
            copied[side["colour"]] += 1
        else:
            on_paper[jobs[side["job"]]["uuid"], side["colour"]] += 1
    rows = night.facts("attempt-known")
    booked: Counter[tuple[str, bool]] = Counter()
    for row in rows:
        uuid = row.attempt.split("/")[-1]
        booked[uuid, False] += row.sides_mono
        booked[uuid, True] += row.sides_colour
        user = next(job["user"] for job in jobs.values() if job["uuid"] == uuid)
        assert row.member == (user if user in MEMBERS else "")
    assert +booked == on_paper
    assert len({row.attempt for row in rows}) == len(rows)
    moves = night.facts("copies-metered")
    assert (sum(move.mono for move in moves), sum(move.colour for move in moves)) == (copied[False], copied[True])
    assert sum(fact.mono + fact.colour for fact in night.facts("prints-unmatched")) == 0
    return (
        f"paper: {len(rows)} jobs, {on_paper.total()} sides printed, {copied.total()} copied, each in the ledger once"
    )


def every_visit_is_there_once(night: Night) -> str:
    """The visits noted are the visits written down: 13 minutes each, 20 minutes apart."""
    started = [(fact.member, fact.started) for fact in night.facts("visit-started")]
    at = [night.base + timedelta(minutes=20 * number) for number in range(night.visits)]
    assert started == [("m013", f"{when.isoformat()}") for when in at]
    ended = night.facts("visit-ended")
    assert [fact.minutes for fact in ended] == [13] * night.visits
    assert [fact.started for fact in ended] == [when for _, when in started]
    return f"visits: {night.visits} noted, {len(ended)} in the ledger"


def every_second_of_a_link_is_booked_once(night: Night) -> str:
    """The books of a link add up to the night: no second twice, and but a few at its edges missing."""
    span_s = night.ended_s - night.began_s
    sums: Counter[str] = Counter()
    last: dict[str, str] = {}
    for fact in night.facts("link-changed", "link-measured"):
        if fact.kind == "link-changed":
            assert fact.was == last.get(fact.link, "unknown"), fact
            last[fact.link] = fact.now
            sums[fact.link] += fact.lasted_s
        else:
            sums[fact.link] += fact.seconds
    for link in ("adsl1", "adsl2"):
        assert span_s - 10.0 <= sums[link] <= span_s, (link, sums[link], span_s)
        assert last[link] in WORKS
    return f"links: {span_s:.0f} s of night, booked {', '.join(f'{sums[one]:.0f} s' for one in sorted(sums))}"


def the_chain_is_whole(night: Night) -> str:
    words = [sys.executable, "-m", "agent.cli", "--site", str(night.site), "--state", str(night.state)]
    done = subprocess.run(
        [*words, "ledger", "verify"], cwd=REPO, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return f"ledger: {done.stdout.strip()}"


def reckon(night: Night) -> list[str]:
    """Compare everything; return the report."""
    kills = Counter(kill.kind for kill in night.kills)
    head = f"{len(night.kills)} kills in {night.ended_s - night.began_s:.0f} s: " + ", ".join(
        f"{kind} {count}" for kind, count in sorted(kills.items())
    )
    back = Counter[str]()
    for kill in night.kills:
        back[kill.kind] = max(back[kill.kind], round(1000 * (kill.back_s - kill.at_s)))
    return [
        head,
        "back again, worst: " + ", ".join(f"{kind} {ms} ms" for kind, ms in sorted(back.items())),
        the_relay_rests_in_time(night),
        every_opening_is_a_fact(night),
        no_badge_is_decided_twice(night),
        every_side_is_counted_once(night),
        every_visit_is_there_once(night),
        every_second_of_a_link_is_booked_once(night),
        the_chain_is_whole(night),
    ]
