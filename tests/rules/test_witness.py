"""Which attempts left no record: with notes of the print path, and without."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from agent.rules.attempts import Notebook, Sent
from agent.rules.pages import spooled_name
from agent.rules.witness import Lost, Witness
from drivers.contract import DeviceId, DeviceJob, JobState, Moment, SpoolJob, Trust
from drivers.spooling import SpoolAttempt

AT = Moment(datetime(2026, 11, 2, 9, 0, tzinfo=UTC), 100.0, "boot", Trust.SYNCHRONISED)
SPOOLED = SpoolJob(AT, "copieur", 3, 1000, "CORDEE\\Alice", JobState.COMPLETED, "", 20, 10, "ipp://127.0.0.1/ipp/print")


def spooled(job: int, user: str = "alice", **change: object) -> SpoolJob:
    return replace(SPOOLED, job=job, user=user, created_s=1000 + job, **change)


def note(name: str, job: int = 1, device_job: int | None = 7, **change: object) -> SpoolAttempt:
    began_s, code, heard = change.get("began_s", 2000.0), change.get("code", 0), change.get("heard", True)
    return SpoolAttempt(name, "copieur", job, 1000 + job, "alice", began_s, device_job, code, heard)


def test_jobs_beyond_their_users_records_are_missing():
    witness = Witness(0.0)
    jobs = (spooled(1), spooled(2), spooled(3, "bob"))
    assert witness.missing(jobs) == (Lost(jobs[0]), Lost(jobs[1]), Lost(jobs[2]))
    witness.recorded("r1", "ALICE@laptop.local")
    witness.recorded("r1", "alice")
    assert witness.missing(jobs) == (Lost(jobs[1]), Lost(jobs[2]))


def test_a_job_that_waits_or_claims_nothing_or_is_old_is_not_missing():
    waiting = spooled(1, state=JobState.PROCESSING)
    assert Witness(0.0).missing((waiting, spooled(2, claimed_sides=0))) == ()
    assert Witness(1002.0).missing((spooled(1), spooled(2))) == (Lost(spooled(2)),)


def test_balanced_counters_end_the_case_and_a_record_ahead_of_its_job_still_pairs():
    witness = Witness(0.0)
    witness.recorded("r1", "alice")  # the device ends before CUPS notices
    witness.balanced(())
    assert witness.missing((spooled(1),)) == ()
    witness.balanced((spooled(1),))
    witness.recorded("r1", "alice")  # seen again in every look
    assert witness.missing((spooled(1), spooled(2))) == (Lost(spooled(2)),)
    witness.balanced((spooled(1), spooled(2)))
    assert witness.missing((spooled(1), spooled(2))) == ()


def test_a_noted_record_ends_the_case_of_its_very_job_and_of_no_other():
    witness = Witness(0.0)
    jobs = (spooled(1), spooled(2))
    witness.recorded("r1", "alice", Sent(note("2-0", 2, 9), system=False))
    witness.recorded("r1", "alice")
    assert witness.missing(jobs) == (Lost(jobs[0]),)
    witness.balanced(())
    assert witness.missing((*jobs, spooled(3))) == (Lost(jobs[0]), Lost(spooled(3)))


def test_a_job_printed_again_is_missed_for_the_attempt_whose_record_was_lost():
    job, first, second = spooled(1), note("1-0", device_job=7), note("1-1", device_job=8)
    witness, notes = Witness(0.0), Notebook((first, second))
    witness.recorded("S1/7/u", "alice", Sent(first, system=False))
    assert witness.missing((job,), Notebook((first,))) == ()
    (lost,) = witness.missing((job,), notes)
    assert (lost, lost.turn) == (Lost(job, ("1-1",), system=False, taken=2), "2")
    witness.settled(lost)
    assert witness.missing((job,), notes) == ()


def test_attempts_of_one_job_that_are_all_lost_are_missed_together():
    job, notes = spooled(1), Notebook((note("1-0"), note("1-1", device_job=None, code=1), note("1-2", device_job=8)))
    witness = Witness(0.0)
    (lost,) = witness.missing((job,), notes)
    assert (lost.notes, lost.turn) == (("1-0", "1-2"), "")
    witness.balanced((job,), notes)
    assert witness.missing((job,), notes) == ()
    more = Notebook((*notes.notes, note("1-3", device_job=9)))  # and printed once more, a day later
    assert [(one.notes, one.turn) for one in witness.missing((job,), more)] == [(("1-3",), "3")]


def running(sides: int | None, job: int = 7, uuid: str = "u", user: str = "alice") -> DeviceJob:
    return DeviceJob(
        DeviceId("copieur"), "S1", job, uuid, user, JobState.PROCESSING, AT.utc, sides, None, None, 1, None
    )


def test_what_is_lost_is_told_with_how_far_it_was_seen_to_come():
    job, under_way = spooled(1), Notebook((note("1-0", code=None),))
    witness = Witness(0.0)
    witness.watched((running(3),), Notebook())  # nobody noted it
    witness.watched((running(None), running(0), replace(running(9), state=JobState.COMPLETED)), under_way)
    witness.watched((running(3),), under_way)
    witness.watched((running(5),), under_way)
    witness.watched((running(4), running(9, user="bob")), under_way)
    (lost,) = witness.missing((job,), Notebook((note("1-0"),)))
    assert [one.sides for one in lost.seen] == [5]


def test_a_number_that_is_given_out_again_says_nothing_of_the_attempt_that_had_it():
    job, over = spooled(1), Notebook((note("1-0"),))
    witness = Witness(0.0)
    witness.watched((running(3),), Notebook((note("1-0", code=None),)))
    witness.watched((running(8, uuid="v"),), Notebook((note("1-0", code=None),)))
    witness.watched((running(8),), over)  # its note is to come
    assert [[one.sides for one in lost.seen] for lost in witness.missing((job,), over)] == [[3]]


def test_only_the_newest_attempts_are_remembered_as_they_printed():
    witness = Witness(0.0)
    notes = [note(f"{job}-0", job=job, device_job=job, code=None) for job in range(1, 52)]
    for one in notes:
        witness.watched((running(2, job=one.job),), Notebook((one,)))
    jobs = tuple(spooled(job) for job in (1, 2, 51))
    told = witness.missing(jobs, Notebook(replace(one, code=0) for one in notes))
    assert [len(lost.seen) for lost in told] == [0, 1, 1]


def test_what_we_made_print_again_is_missed_apart_for_it_is_free():
    job, notes = spooled(1), Notebook((note("1-0", code=None, heard=False), note("1-1", device_job=8)))
    told = Witness(0.0).missing((job,), notes)
    assert [(one.notes, one.system, one.turn) for one in told] == [(("1-0",), False, "2"), (("1-1",), True, "2-again")]


def test_a_job_the_spooler_claims_nothing_of_is_missed_if_the_device_took_it():
    job = spooled(1, claimed_sides=0)
    assert Witness(0.0).missing((job,), Notebook((note("1-0", device_job=None, code=1),))) == ()
    assert [one.notes for one in Witness(0.0).missing((job,), Notebook((note("1-0"),)))] == [("1-0",)]


def test_attempts_before_our_time_or_in_the_ledger_are_not_missed():
    job, notes = spooled(1), Notebook((note("1-0", began_s=1001.0), note("1-1", device_job=8, began_s=1900.0)))
    assert [one.notes for one in Witness(1500.0).missing((job,), notes)] == [("1-1",)]
    assert [one.notes for one in Witness(0.0, [spooled_name(job)]).missing((job,), notes)] == [("1-1",)]
    assert Witness(0.0, [spooled_name(job)] * 2).missing((job,), notes) == ()
    assert Witness(0.0, [spooled_name(job)]).missing((job,)) == ()


def test_a_record_that_came_without_its_note_still_pairs_with_a_noted_job():
    job, notes = spooled(1), Notebook((note("1-0"),))
    witness = Witness(0.0)
    witness.recorded("S1/7/u", "alice")
    assert witness.missing((job,), notes) == ()
    witness.balanced((job,), notes)
    witness.balanced((job,), notes)
    assert witness.missing((job, spooled(2)), notes) == (Lost(spooled(2)),)


def test_what_the_device_took_no_attempt_of_is_not_missing():
    job = spooled(1, state=JobState.CANCELED, device_uri="gardien:ipp://127.0.0.1/ipp/print")
    assert Witness(0.0).missing((job,), Notebook([note("a", device_job=None, code=5)])) == ()
    assert Witness(0.0).missing((job,), Notebook([note("a", device_job=None, code=None)])) == (Lost(job),)
