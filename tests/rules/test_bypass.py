"""Records of a device that nothing of ours can have sent. Tier: rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.rules.attempts import Notebook
from agent.rules.bypass import Bypass, Shown, Streams, Verdict
from agent.rules.paper import PastMended, PrintedPast, PrintsUnmatched
from drivers.contract import DeviceId, DeviceJob, DeviceReading, DeviceState, JobState, Moment, SpoolJob, Trust
from drivers.spooling import SpoolAttempt

T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
ALONE = Shown(0.0, apart=True, settled=True, room=5, visit=False, claims=False)


def at(mono_s: float) -> Moment:
    return Moment(T0 + timedelta(seconds=mono_s), mono_s, "boot", Trust.SYNCHRONISED)


def record(number: int, sides: int | None = 5, user: str = "alice") -> DeviceJob:
    return DeviceJob(
        DeviceId("c"), "S1", number, f"u{number}", user, JobState.COMPLETED, None, sides, 0, sides, 1, two_sided=False
    )


def reading(mono_s: float, *jobs: DeviceJob, serial: str = "S1") -> DeviceReading:
    return DeviceReading(at(mono_s), DeviceId("c"), serial, DeviceState.IDLE, (), (), None, jobs, settled=True)


def spooled(number: int, state: JobState = JobState.COMPLETED, claimed: int = 5) -> SpoolJob:
    return SpoolJob(at(0), "q", number, 100, "alice", state, "", claimed, claimed, "ipp://c")


def note(number: int, device_job: int | None, code: int | None = 0, run: int = 0, user: str = "alice") -> SpoolAttempt:
    return SpoolAttempt(f"{number}-{run}", "q", number, 100, user, 0.0, device_job, code)


def spool(bypass: Bypass, at_s: float, notes: tuple[SpoolAttempt, ...] = (), jobs: tuple[SpoolJob, ...] = ()) -> None:
    bypass.spool(jobs, Notebook(notes), at_s)


def watched(*notes: SpoolAttempt, jobs: tuple[SpoolJob, ...] = (), known_s: float = 5000.0) -> Bypass:
    """Watch from 0 s; all is known from `known_s` on; record 1 was there, record 7 came between 10000 and 10010 s."""
    bypass = Bypass()
    bypass.look(reading(0, record(1)))
    spool(bypass, known_s, notes, jobs)
    bypass.look(reading(10000, record(1)))
    bypass.look(reading(10010, record(1), record(7)))
    return bypass


def test_a_record_that_came_while_we_listened_and_sent_nothing_was_printed_past_us() -> None:
    assert watched().judge(record(7), ALONE) is Verdict.PAST
    assert watched(note(3, 6), jobs=(spooled(3),)).judge(record(7), ALONE) is Verdict.PAST  # ours is another one


def test_what_was_there_when_we_came_and_what_says_no_sides_is_booked_as_ever() -> None:
    assert watched().judge(record(1), ALONE) is Verdict.OURS
    assert watched().judge(record(7, None), ALONE) is Verdict.OURS
    bypass = watched()
    bypass.look(reading(10020, record(9), serial="S2"))
    assert bypass.judge(record(9), ALONE) is Verdict.OURS


@pytest.mark.parametrize("code", [None, 0, -9])
def test_a_sending_whose_number_nobody_heard_may_be_any_record_for_half_an_hour(code: int | None) -> None:
    """Its backend was killed (no code; a signal), or speaks a protocol that tells no number (0)."""
    for known_s, verdict in ((8201.0, Verdict.OURS), (8200.0, Verdict.PAST)):
        bypass = watched(note(3, None, code), jobs=(spooled(3, JobState.CANCELED, 0),), known_s=known_s)
        assert bypass.judge(record(7, user="bob"), ALONE) is verdict


def test_half_an_hour_is_counted_from_when_it_was_last_seen_to_go_on() -> None:
    for ended_s, verdict in ((8201.0, Verdict.OURS), (8200.0, Verdict.PAST)):
        bypass = watched()
        spool(bypass, 6000, (note(3, None, None),), (spooled(3, JobState.PROCESSING),))
        spool(bypass, ended_s, (note(3, None, None),), (spooled(3, JobState.PROCESSING),))
        spool(bypass, 9000, (note(3, None, 1),), (spooled(3, JobState.CANCELED),))
        assert bypass.judge(record(7), ALONE) is verdict


def test_a_note_lost_with_its_job_is_remembered_for_half_an_hour() -> None:
    """The spooler was killed too and lists the job no more; then somebody cleared its note away."""
    for known_s, verdict in ((8201.0, Verdict.OURS), (8200.0, Verdict.PAST)):
        bypass = watched(note(3, None, None), known_s=known_s)
        spool(bypass, 9900)
        assert bypass.judge(record(7), ALONE) is verdict
    spool(bypass, 10000.0)
    assert bypass.judge(record(7), ALONE) is Verdict.PAST


def test_while_ours_is_under_way_its_number_is_waited_for_but_not_for_ever() -> None:
    busy = (spooled(3, JobState.PROCESSING, 0),)
    bypass = watched(note(3, None, None), jobs=busy)
    assert bypass.judge(record(7), ALONE) is Verdict.WAIT
    spool(bypass, 10012, (note(3, None, None),), busy)
    assert bypass.judge(record(7), replace(ALONE, waited_s=44.9)) is Verdict.WAIT
    assert bypass.judge(record(7), replace(ALONE, waited_s=45)) is Verdict.OURS
    spool(bypass, 10013, (note(3, 8, None, user="bob"),), busy)
    assert bypass.judge(record(7), ALONE) is Verdict.PAST  # it is number 8: 7 is not ours


@pytest.mark.parametrize(
    ("job", "verdict"),
    [
        (spooled(3, JobState.PROCESSING), Verdict.WAIT),
        (spooled(3, JobState.COMPLETED, 0), Verdict.OURS),
        (spooled(3, JobState.CANCELED, 4), Verdict.OURS),
        (spooled(3, JobState.CANCELED, 0), Verdict.PAST),  # it never began
        (spooled(3, JobState.HELD, 0), Verdict.PAST),
    ],
)
def test_a_spooled_job_that_nobody_noted_may_be_any_record_if_it_may_have_printed(
    job: SpoolJob, verdict: Verdict
) -> None:
    assert watched(jobs=(job,), known_s=9000).judge(record(7, user="bob"), ALONE) is verdict


def test_a_job_that_was_noted_after_all_or_is_booked_may_be_no_record_any_more() -> None:
    bypass = watched(jobs=(spooled(3), spooled(4)), known_s=9000)
    spool(bypass, 9001, (note(3, 6),), (spooled(3), spooled(4)))
    assert bypass.judge(record(7), ALONE) is Verdict.OURS
    bypass.booked("q/4/100")
    spool(bypass, 9002, (note(3, 6),), (spooled(3), spooled(4, claimed=6)))
    assert bypass.judge(record(7), ALONE) is Verdict.PAST


def test_a_number_that_was_heard_may_be_its_record_for_ever_whatever_name_the_device_writes() -> None:
    """A device may write its users' names in its own way, and may give its numbers out anew."""
    bypass = watched(note(3, 7, user="jean-christophe"), jobs=(spooled(3),), known_s=1.0)
    assert bypass.judge(record(7), ALONE) is Verdict.OURS


@pytest.mark.parametrize("name", ["alice", "DOMAIN\\Alice", ""])
def test_a_sending_may_be_any_record_of_its_user_until_it_has_ended(name: str) -> None:
    """The backend sends a document once for each copy, and the note has the last number."""
    busy = (spooled(3, JobState.PROCESSING),)
    for ended_s, verdict in ((10000.0, Verdict.OURS), (9999.0, Verdict.PAST)):
        bypass = watched()
        spool(bypass, ended_s, (note(3, 8, None),), busy)
        spool(bypass, ended_s + 1, (note(3, 8),), (spooled(3),))
        assert bypass.judge(record(7, user=name), ALONE) is verdict
        assert bypass.judge(record(7, user="bob"), ALONE) is Verdict.PAST


@pytest.mark.parametrize(
    ("shown", "verdict"),
    [
        (replace(ALONE, room=0), Verdict.WAIT),  # counters may come late
        (replace(ALONE, room=0, waited_s=45), Verdict.ASIDE),  # a copy, a scan, a fax
        (replace(ALONE, room=0, claims=True), Verdict.PAST),
        (replace(ALONE, settled=False), Verdict.WAIT),
        (replace(ALONE, settled=False, waited_s=600), Verdict.OURS),
        (replace(ALONE, apart=False, room=0), Verdict.PAST),
        (replace(ALONE, apart=False, visit=True), Verdict.OURS),  # it may be what the member copies
    ],
)
def test_the_print_counters_tell_a_print_from_a_copy_where_they_are_told_apart(shown: Shown, verdict: Verdict) -> None:
    assert watched().judge(record(7), shown) is verdict


def test_a_record_that_put_nothing_on_paper_is_set_aside() -> None:
    assert watched().judge(record(7, 0), ALONE) is Verdict.ASIDE


def test_the_counters_alone_speak_only_if_nothing_of_ours_and_no_record_was_there_for_a_while() -> None:
    assert not watched().silent(None)
    assert watched().silent(10300)
    assert not watched().silent(10299)  # a record came after 10000 s: the counters may still count it
    ended = watched(note(3, 6), jobs=(spooled(3),), known_s=10100)
    assert not ended.silent(10399)
    assert ended.silent(10400)
    loose = watched(note(3, None), known_s=10100)
    assert not loose.silent(11899)
    assert loose.silent(11900)
    busy = watched()
    spool(busy, 19000, (note(3, 6, None),), (spooled(3, JobState.PROCESSING),))
    spool(busy, 20000, (note(3, 6, None),), (spooled(3, JobState.PROCESSING),))
    assert not busy.silent(20000)


def past(sides: int, device: str = "c") -> PrintedPast:
    return PrintedPast(device, "S1", 1, sides, 0, 100, 0, f"S1/{sides}")


def test_it_stands_until_it_was_quiet_for_long_enough_or_somebody_mended_it() -> None:
    quiet, hour = timedelta(hours=24), timedelta(hours=1)
    streams = Streams().after([(past(5), T0), (past(0), T0 + hour), (past(7), T0 + 2 * hour)], quiet)
    stand = streams.standing(T0 + 3 * hour, quiet)["c"]
    assert (stand.since, stand.last, stand.sides) == (T0, T0 + 2 * hour, 12)
    assert streams.standing(T0 + 26 * hour, quiet) != {}
    assert streams.standing(T0 + 27 * hour, quiet) == {}
    later = streams.after([(past(3), T0 + 27 * hour)], quiet).standing(T0 + 27 * hour, quiet)["c"]
    assert (later.since, later.sides) == (T0 + 27 * hour, 3)
    mended = streams.after([(PastMended("c", 1, "a1"), T0 + 3 * hour)], quiet)
    assert mended.standing(T0 + 3 * hour, quiet) == {}
    assert mended.mended == {"c": 1}
    other = mended.after([(PrintsUnmatched("c", "S1", 1, 3, 0, 9, 9), T0), (PastMended("d", 1, "a1"), T0)], quiet)
    assert other.by_device == {}
    again = mended.after([(past(4), T0 + 4 * hour)], quiet)
    assert again.standing(T0 + 4 * hour, quiet)["c"].sides == 4
