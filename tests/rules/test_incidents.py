"""What is wrong, by transcripts a person can read, and laws over everything that can be seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.rules.door import Passage
from agent.rules.incidents import (
    KEYS,
    Area,
    DeviceSeen,
    DoorSeen,
    Incident,
    Level,
    LinkSeen,
    ReaderSeen,
    Seen,
    ServiceSeen,
    judge,
    worst,
)
from agent.rules.links import Cause, Health
from agent.rules.reasons import KNOWN
from agent.rules.spoolset import Drift
from drivers.contract import Trust

STALE_S = 10.0
T1 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
T2 = datetime(2026, 11, 24, 12, 20, tzinfo=UTC)
FRESH = tuple(ServiceSeen(name, 1.0, T2) for name in ("links", "paper", "door", "web"))
CLOSED = DoorSeen(Passage.CLOSED, "resting", contact=True)
UP, DOWN, UNKNOWN = Health.UP, Health.DOWN, Health.UNKNOWN


def link(name: str, health: Health, cause: Cause = Cause.NONE, since: datetime | None = T1) -> LinkSeen:
    return LinkSeen(name, health, cause, since)


def expect(seen: Seen, *said: tuple[Level, str, str]) -> tuple[Incident, ...]:
    found = judge(seen, STALE_S)
    assert [(one.level, one.key, one.subject) for one in found] == list(said)
    return found


def links(*seen: LinkSeen) -> Seen:
    return Seen(FRESH, links=seen)


def devices(*seen: DeviceSeen) -> Seen:
    return Seen(FRESH, devices=seen)


def door(seen: DoorSeen, *readers: ReaderSeen) -> Seen:
    return Seen(FRESH, door=seen, readers=readers)


def test_all_is_well() -> None:
    all_up = Seen(FRESH, (link("a", UP), link("b", UP)), (DeviceSeen("c", "idle", ("none",)),), door=CLOSED)
    expect(all_up)
    expect(Seen())
    assert worst([]) is Level.OK


def test_one_dead_link_of_two_is_to_be_watched() -> None:
    for cause, key in ((Cause.CABLE, "link-cable"), (Cause.BOX, "link-box"), (Cause.INTERNET, "link-internet")):
        (one,) = expect(links(link("a", DOWN, cause), link("b", UP)), (Level.WATCH, key, "a"))
        assert one.area is Area.INTERNET
        assert one.since == T1
    for cause in (Cause.NONE, Cause.GAP):
        expect(links(link("a", DOWN, cause), link("b", UP)), (Level.WATCH, "link-down", "a"))


def test_the_only_link_dead_is_a_breakdown() -> None:
    expect(links(link("a", DOWN, Cause.BOX)), (Level.DOWN, "link-box", "a"))


def test_all_links_dead_are_one_incident_with_one_remedy() -> None:
    for cause, key in ((Cause.CABLE, "all-cable"), (Cause.BOX, "all-box"), (Cause.INTERNET, "all-internet")):
        (one,) = expect(links(link("a", DOWN, cause), link("b", DOWN, cause, T2)), (Level.DOWN, key, ""))
        assert one.since == T2  # there was internet until the second died
    expect(links(link("a", DOWN, Cause.BOX), link("b", DOWN, Cause.INTERNET)), (Level.DOWN, "all-mixed", ""))
    (one,) = expect(
        links(link("a", DOWN, Cause.GAP, None), link("b", DOWN, Cause.GAP, None)), (Level.DOWN, "all-mixed", "")
    )
    assert one.since is None


def test_a_link_nobody_measured_is_unknown_and_never_down() -> None:
    expect(links(link("a", UNKNOWN, Cause.GAP), link("b", UP)), (Level.WATCH, "link-unknown", "a"))
    expect(links(link("a", UNKNOWN)), (Level.UNKNOWN, "link-unknown", "a"))
    (one,) = expect(links(link("a", UNKNOWN), link("b", UNKNOWN, since=T2)), (Level.UNKNOWN, "all-unknown", ""))
    assert one.since == T2
    (one,) = expect(
        links(link("a", UNKNOWN, since=None), link("b", UNKNOWN, since=None)), (Level.UNKNOWN, "all-unknown", "")
    )
    assert one.since is None
    expect(
        links(link("a", UNKNOWN), link("b", DOWN, Cause.BOX)),
        (Level.DOWN, "link-box", "b"),
        (Level.UNKNOWN, "link-unknown", "a"),
    )


def test_a_silent_service_makes_its_area_unknown_whatever_it_said_last() -> None:
    everything = (link("a", DOWN, Cause.BOX),), (DeviceSeen("c", "stopped"),)
    for age_s in (None, 10.1, float("inf")):
        silent = tuple(ServiceSeen(name, age_s, T1, ledger_ok=False) for name in ("links", "paper", "door", "sync"))
        found = expect(
            Seen(silent, *everything, door=DoorSeen(Passage.FORCED, "resting", contact=True)),
            (Level.UNKNOWN, "silent-links", "links"),
            (Level.UNKNOWN, "silent-paper", "paper"),
            (Level.UNKNOWN, "silent-door", "door"),
            (Level.UNKNOWN, "silent-box", "sync"),
        )
        assert [one.area for one in found] == [Area.INTERNET, Area.PAPER, Area.DOOR, Area.BOX]
        assert found[0].since == T1
    expect(Seen((ServiceSeen("links", 10.0),), (link("a", UP),)))


def test_a_printer_says_why_it_stopped() -> None:
    empty = DeviceSeen("c", "stopped", ("media-empty-error", "media-needed-error", "toner-low-report"))
    expect(devices(empty), (Level.DOWN, "printer-no-paper", "c"), (Level.WATCH, "printer-toner-low", "c"))
    expect(devices(DeviceSeen("c", "stopped", ("none",))), (Level.DOWN, "printer-stopped", "c"))
    mixed = devices(DeviceSeen("c", "stopped", ("toner-low-report",)))
    expect(mixed, (Level.DOWN, "printer-stopped", "c"), (Level.WATCH, "printer-toner-low", "c"))


def test_the_worse_of_two_reasons_with_the_same_words_is_told() -> None:
    worse_last = DeviceSeen("c", "idle", ("media-empty-warning", "media-needed-error"))
    worse_first = DeviceSeen("c", "idle", ("media-needed-error", "media-empty-warning"))
    for device in (worse_last, worse_first):
        (one,) = expect(devices(device), (Level.DOWN, "printer-no-paper", "c"))
        assert one.detail == "media-needed-error"


def test_unknown_reasons_each_stand_for_themselves() -> None:
    odd = DeviceSeen("c", "idle", ("acme-one-warning", "acme-two-report"))
    found = expect(devices(odd), (Level.WATCH, "printer-other", "c"), (Level.WATCH, "printer-other", "c"))
    assert [one.detail for one in found] == ["acme-one-warning", "acme-two-report"]


def test_a_printer_that_does_not_answer() -> None:
    lost = DeviceSeen("c", "idle", reachable=False, since=T1)
    (one,) = expect(devices(lost), (Level.DOWN, "printer-lost", "c"))
    assert one.since == T1
    expect(devices(lost, DeviceSeen("d", "idle")), (Level.WATCH, "printer-lost", "c"))
    expect(
        devices(lost, DeviceSeen("d", "stopped")),
        (Level.DOWN, "printer-lost", "c"),
        (Level.DOWN, "printer-stopped", "d"),
    )
    expect(devices(DeviceSeen("c", "unknown")), (Level.UNKNOWN, "printer-unknown", "c"))


def test_the_spooler_and_the_copiers_reader() -> None:
    seen = Seen(FRESH, devices=(DeviceSeen("c", "idle"),), spooler_working=False)
    expect(seen, (Level.DOWN, "spooler-lost", ""))
    readers = (ReaderSeen("k", door=False, working=False, since=T1), ReaderSeen("l", door=False, working=True))
    expect(Seen(FRESH, readers=readers), (Level.WATCH, "copier-reader-lost", "k"))


def test_the_door() -> None:
    for leaf in (Passage.CLOSED, Passage.OPEN):
        expect(door(DoorSeen(leaf, "released", contact=True)))
    expect(door(DoorSeen(Passage.FORCED, "resting", contact=True)), (Level.DOWN, "door-forced", ""))
    expect(door(DoorSeen(Passage.HELD, "resting", contact=True)), (Level.WATCH, "door-held", ""))
    expect(door(DoorSeen(Passage.UNKNOWN, "resting", contact=True)), (Level.WATCH, "contact-silent", ""))
    expect(door(DoorSeen(Passage.UNKNOWN, "resting", contact=False)))
    expect(
        door(DoorSeen(Passage.UNKNOWN, "resting", contact=True, inputs_working=False)), (Level.WATCH, "inputs-lost", "")
    )
    expect(door(DoorSeen(Passage.CLOSED, "unknown", contact=True)), (Level.UNKNOWN, "latch-unknown", ""))
    expect(door(DoorSeen(Passage.CLOSED, "unknown", contact=True, lock_working=False)), (Level.DOWN, "lock-lost", ""))


def test_the_doors_wiring() -> None:
    def shut(**seen: object) -> Seen:
        return door(replace(CLOSED, **seen))

    expect(shut(faults=("stays-locked",)), (Level.DOWN, "door-stays-locked", ""))
    expect(shut(faults=("stays-unlocked",)), (Level.DOWN, "door-stays-unlocked", ""))
    expect(shut(faults=("call-point",)), (Level.DOWN, "door-call-point", ""))
    expect(shut(faults=("exit-stuck",)), (Level.WATCH, "door-exit-stuck", ""))
    expect(shut(faults=("no-effect",)), (Level.WATCH, "door-no-effect", ""))
    expect(shut(deaf=True), (Level.WATCH, "inputs-deaf", ""))
    expect(shut(deaf=True, inputs_working=False), (Level.WATCH, "inputs-lost", ""))
    expect(shut(noisy=("porte",)), (Level.WATCH, "reader-noise", "porte"))
    expect(shut(strangers=(("porte", "sequence"),)), (Level.WATCH, "strangers-sequence", "porte"))
    since = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    expect(shut(lockdown=since), (Level.DOWN, "lockdown", ""))
    expect(shut(list_from=since), (Level.WATCH, "door-last-list", ""))
    expect(shut(leaf=Passage.OPEN, lingers=True), (Level.WATCH, "door-lingers", ""))
    expect(shut(leaf=Passage.HELD, lingers=True), (Level.WATCH, "door-held", ""))
    expect(shut(leaf=Passage.HELD, all_gone=True), (Level.DOWN, "door-left-open", ""))
    expect(shut(leaf=Passage.PROPPED, all_gone=True))
    for leaf in (Passage.FORCED, Passage.HELD, Passage.OPEN):  # whoever reads it learns since when it stands open
        assert [one.since for one in judge(shut(leaf=leaf, lingers=True, opened=since), 10.0)] == [since]
    expect(shut(overstay=2), (Level.WATCH, "people-left", ""))
    expect(shut(leaf=Passage.PROPPED))


def test_the_doors_readers() -> None:
    lost, good = ReaderSeen("r", door=True, working=False, since=T1), ReaderSeen("s", door=True, working=True)
    expect(door(CLOSED, lost), (Level.DOWN, "reader-lost", "r"))
    expect(door(CLOSED, lost, good), (Level.WATCH, "reader-lost", "r"))
    expect(Seen(FRESH, readers=(lost,)))  # a site without a door has no door's reader


def test_the_box() -> None:
    broken = (ServiceSeen("links", 1.0), ServiceSeen("paper", 1.0, ledger_ok=False))
    expect(Seen(broken), (Level.DOWN, "ledger-fault", "paper"))
    blind = (ServiceSeen("links", 1.0), ServiceSeen("door", 1.0, roster_ok=False))
    expect(Seen(blind), (Level.DOWN, "roster-fault", "door"))
    for trust in (Trust.DRIFTING, Trust.RESTORED, Trust.UNKNOWN):
        (one,) = expect(Seen(FRESH, trust=trust), (Level.WATCH, "clock-untrusted", ""))
        assert one.detail == trust


def test_paper_without_the_roster_goes_on_by_its_last_list_or_with_nobody_known() -> None:
    others = FRESH[:1] + FRESH[2:]
    listed = ServiceSeen("paper", 1.0, list_from=T1)
    (one,) = expect(Seen((*others, listed)), (Level.WATCH, "paper-last-list", ""))
    assert one.since == T1
    expect(Seen((*others, replace(listed, list_from=None, nobody_known=True))), (Level.DOWN, "paper-no-list", ""))


def test_what_the_print_queue_forgets_is_to_watch_and_each_its_own_incident() -> None:
    expect(
        Seen(FRESH, spool_faults=("prunes", "gap")), (Level.WATCH, "spool-prunes", ""), (Level.WATCH, "spool-gap", "")
    )
    silent = (ServiceSeen("paper", None),)
    expect(Seen(silent, spool_faults=("prunes",)), (Level.UNKNOWN, "silent-paper", "paper"))


names = st.sampled_from(["a", "b", "c"])
services = st.builds(
    ServiceSeen,
    st.sampled_from(["links", "paper", "door", "web", "sync"]),
    st.none() | st.floats(0, 20),
    st.none() | st.just(T1),
    st.booleans(),
)
seen_links = st.builds(LinkSeen, names, st.sampled_from(Health), st.sampled_from(Cause), st.none() | st.just(T1))
reasons = st.lists(st.sampled_from([*sorted(KNOWN), "acme-x"]), max_size=3).map(tuple)
states = st.sampled_from(["idle", "processing", "stopped", "unknown"])
seen_devices = st.builds(DeviceSeen, names, states, reasons, st.booleans())
latches = st.sampled_from(["resting", "released", "unknown"])
doors = st.builds(DoorSeen, st.sampled_from(Passage), latches, st.booleans(), st.booleans(), st.booleans())
everything = st.builds(
    Seen,
    st.lists(services, max_size=5).map(tuple),
    st.lists(seen_links, max_size=3, unique_by=lambda one: one.link).map(tuple),
    st.lists(seen_devices, max_size=2, unique_by=lambda one: one.device).map(tuple),
    st.booleans(),
    st.none() | doors,
    st.lists(st.builds(ReaderSeen, names, st.booleans(), st.booleans()), max_size=3).map(tuple),
    st.sampled_from(Trust),
    spool_faults=st.lists(st.sampled_from([*Drift, "gap", "tamper"]), max_size=3, unique=True).map(tuple),
)


@settings(max_examples=200)
@given(everything)
def test_every_incident_has_a_known_key_and_the_worst_comes_first(seen: Seen) -> None:
    found = judge(seen, STALE_S)
    order = [Level.OK, Level.WATCH, Level.UNKNOWN, Level.DOWN]
    assert {one.key for one in found} <= set(KEYS)
    assert [order.index(one.level) for one in found] == sorted((order.index(one.level) for one in found), reverse=True)
    assert all(one.level is not Level.OK for one in found)


@settings(max_examples=200)
@given(everything)
def test_silence_is_never_fine_and_never_a_breakdown(seen: Seen) -> None:
    silent = [one for one in seen.services if one.age_s is None or one.age_s > STALE_S]
    found = judge(seen, STALE_S)
    areas = {"links": Area.INTERNET, "paper": Area.PAPER, "door": Area.DOOR}
    for one in silent:
        area = areas.get(one.service, Area.BOX)
        said = [incident for incident in found if incident.area is area]
        assert any(incident.level is Level.UNKNOWN for incident in said)
        assert area is Area.BOX or all(incident.level is Level.UNKNOWN for incident in said)


def test_alerts_that_do_not_leave_are_to_be_watched() -> None:
    expect(Seen(FRESH, alerts_working=False), (Level.WATCH, "alerts-lost", ""))


def test_a_printer_that_is_off_as_it_may_be_is_no_incident() -> None:
    expect(devices(DeviceSeen("c", "idle", reachable=False, since=T1, off=True)))
    expect(devices(DeviceSeen("c", "idle", off=True)))


def test_a_reason_says_since_when_and_a_stuck_job_and_silent_meters_are_watched() -> None:
    seen = DeviceSeen("c", "idle", ("media-jam-error",), ages={"media-jam-error": T1}, stuck=2, meters_silent=True)
    found = expect(
        devices(seen),
        (Level.DOWN, "printer-jam", "c"),
        (Level.WATCH, "jobs-stuck", "c"),
        (Level.WATCH, "meters-lost", "c"),
    )
    assert found[0].since == T1


def test_a_copier_that_no_badge_frees_any_more_is_down() -> None:
    seen = DeviceSeen("c", "idle", control_lost=True)
    expect(devices(seen), (Level.DOWN, "copy-control-lost", "c"))


def test_copies_of_nobody_are_watched_since_the_first_and_whatever_the_device_does() -> None:
    lately = DeviceSeen("c", "idle", nobodys=7, nobodys_since=T1)
    found = expect(devices(lately), (Level.WATCH, "copies-nobodys", "c"))
    assert (found[0].since, found[0].detail) == (T1, "7")
    expect(devices(replace(lately, reachable=False, off=True)), (Level.WATCH, "copies-nobodys", "c"))


def test_what_was_printed_past_the_box_is_told_of_a_device_that_is_off_too() -> None:
    lately = DeviceSeen("c", "idle", past=12, past_since=T1)
    found = expect(devices(lately), (Level.WATCH, "printed-past", "c"))
    assert (found[0].since, found[0].detail) == (T1, "12")
    expect(devices(replace(lately, reachable=False, off=True)), (Level.WATCH, "printed-past", "c"))
