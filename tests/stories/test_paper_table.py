"""Where each of the 45 cases is tried that a paper meter must get right, and those that need no wire.

The table is for whoever asks "and if the counter wraps?": the case, in the order of the list we keep, and the tests
that fail when it is wrong. A name that is no longer there fails here. Cases of the print path stand with a real cupsd,
those of the device with the emulated copier's own log of its sides, those of rules beside the rule.
"""

from __future__ import annotations

import ast
import asyncio
from functools import cache
from pathlib import Path

import pytest

from agent.rules.pages import AttemptCounted, PagesCounted
from agent.rules.paper import BooksOpened
from drivers.contract import JobState
from tests.stories.week import Week
from tests.stories.week_machine import MEMBERS, Work

TESTS = Path(__file__).parents[1]
CASES, SPOOL, PEERS = "stories/test_paper_cases.py", "stories/test_spool_story.py", "stories/test_printing_peers.py"
CUPS, COPIES, RELEASE = (
    "drivers/test_copier_libcups.py",
    "stories/test_copies_peers.py",
    "stories/test_release_peers.py",
)
CONNECTOR, WIRED = "stories/test_connector_story.py", "stories/test_connector_peers.py"
HERE, LEAFING, LOG = "stories/test_paper_table.py", "drivers/test_leafing.py", "drivers/test_pagelog.py"
WHAT_LP_ASKS = (CUPS, "test_a_real_cupsd_prints_through_a_driverless_queue")
BOOKED = (CASES, "test_what_came_out_is_what_is_booked")
FORECAST = ("rules/test_forecast.py", "test_options")
STOPPED = (CASES, "test_8_and_9_a_job_stopped_in_the_middle_is_what_came_out")
COLOUR = (CASES, "test_30_to_32_colour_is_what_the_device_says")
CRASH = (SPOOL, "test_a_job_that_a_crash_took_out_of_the_history_and_its_number_given_out_again")
AGAIN = (SPOOL, "test_a_job_printed_again_is_a_row_each_time_and_a_crash_of_ours_is_marked")
HOSTILE = (SPOOL, "test_what_hostile_clients_send_is_billed_and_told")
CLIENTS = (RELEASE, "test_each_client_is_held_forecast_and_released_to_whom_it_is")
WHO_COPIES = (CASES, "test_34_to_36_who_copies_is_who_badged_while_somebody_prints")
NEXT_BADGE = (COPIES, "test_nobody_badged_and_the_next_badge_ends_the_visit")
KILLED = (PEERS, "test_rows_equal_the_paper_whoever_is_killed_and_when")

INDEX: dict[int, tuple[tuple[str, str], ...]] = {
    1: (BOOKED, WHAT_LP_ASKS, (CASES, "test_a_padded_back_is_paper_and_no_side")),
    2: (WHAT_LP_ASKS,),
    3: (BOOKED, WHAT_LP_ASKS),
    4: (BOOKED, WHAT_LP_ASKS),
    5: (BOOKED, WHAT_LP_ASKS, FORECAST),
    6: (BOOKED, WHAT_LP_ASKS, FORECAST),
    7: ((CASES, "test_7_what_the_device_refuses_is_nothing_and_is_claimed_in_vain"),),
    8: (STOPPED, ("drivers/test_copier.py", "test_canceled_over_ipp_while_it_prints")),
    9: (STOPPED, (CUPS, "test_a_job_through_cups_canceled_at_the_panel_is_what_was_printed")),
    10: ((CASES, "test_10_a_jam_in_the_middle_is_one_attempt"),),
    11: (
        (CASES, "test_11_a_power_cut_that_lost_the_records_is_settled_by_the_counters"),
        (CASES, "test_11_two_lost_jobs_share_the_movement_and_wait_for_somebody"),
        (CASES, "test_11_of_a_job_sent_twice_the_attempt_whose_record_was_lost_is_counted_too"),
        (CASES, "test_11_a_power_cut_that_kept_the_records_is_the_record"),
        (PEERS, "test_a_printer_unplugged_in_the_middle_of_a_job_balances_when_it_is_back"),
    ),
    12: ((CASES, "test_12_a_busy_device_refuses_and_one_attempt_prints"),),
    13: (AGAIN, ("rules/test_attempts.py", "test_sent_again_because_cups_died_in_the_middle")),
    14: ((SPOOL, "test_a_restart_of_cups_in_the_middle_leaves_a_closed_row_and_not_a_job_for_ever"),),
    15: ((CASES, "test_15_a_reprint_is_a_row_of_its_own"), AGAIN),
    16: (CRASH, ("rules/test_spool.py", "test_notes_and_the_page_log_fill_holes")),
    17: (CRASH,),
    18: ((SPOOL, "test_a_spool_that_was_wiped_opens_an_epoch_and_the_next_job_is_counted"),),
    19: (
        (HERE, "test_19_six_hundred_jobs_while_nobody_watched_are_six_hundred_rows"),
        ("drivers/test_spooler.py", "test_more_jobs_than_one_reply_holds"),
    ),
    20: ((SPOOL, "test_jobs_cut_out_of_the_history_are_billed_and_a_hole_is_told_with_its_paper"),),
    21: (  # events only ring: what rang is read from the list of jobs, and a hole in their numbers is told
        ("rules/test_spool.py", "test_every_id_after_the_first_look_is_listed_or_in_one_hole"),
        (HERE, "test_19_six_hundred_jobs_while_nobody_watched_are_six_hundred_rows"),
    ),
    22: (AGAIN, ("drivers/test_spooler.py", "test_a_cupsd_that_was_killed_is_found_again_with_its_jobs")),
    23: (KILLED, ("rules/test_books.py", "test_a_restart_at_any_cut_books_the_same_rows_to_the_same_people")),
    24: (HOSTILE, ("rules/test_spool.py", "test_a_purged_job_is_told_but_not_one_that_the_housekeeping_took")),
    25: (HOSTILE, (SPOOL, "test_a_line_forged_into_the_page_log_is_told_and_charges_nobody")),
    26: (HOSTILE, ("rules/test_spool.py", "test_a_uuid_that_came_twice_is_told_for_the_later_job")),
    27: (CLIENTS, ("rules/test_release.py", "test_who_badged_pays_and_the_last_release_counts")),
    28: (
        CLIENTS,
        ("rules/test_folding.py", "test_one_person"),
        ("rules/test_identity.py", "test_the_ladder_from_a_claim_to_a_password"),
    ),
    29: (CLIENTS,),
    30: (CLIENTS, COLOUR, (LEAFING, "test_pages_and_colour_of_the_labelled_corpus")),
    31: (FORECAST, ("rules/test_pages.py", "test_colour_is_what_the_record_says_and_mono_if_it_does_not")),
    32: (FORECAST, COLOUR),
    33: (
        (CASES, "test_33_a3_is_one_side_however_often_the_counter_clicks"),
        ("rules/test_pages.py", "test_an_a3_side_is_one_side_and_two_clicks_where_the_device_counts_so"),
    ),
    34: (WHO_COPIES, (COPIES, "test_prints_and_copies_at_once_go_to_whose_they_are")),
    35: (WHO_COPIES, NEXT_BADGE),
    36: (WHO_COPIES, NEXT_BADGE),
    37: (
        ("rules/test_clicks.py", "test_case_37_a_duplex_copy_is_two_sides_and_one_sheet_of_whoever_is_badged_in"),
        (CONNECTOR, "test_case_37_a_duplex_copy_is_two_sides_on_one_sheet_in_one_row"),
        (WIRED, "test_cases_36_and_37_two_members_one_after_the_other_every_side_is_whose_it_is"),
    ),
    38: (
        (CONNECTOR, "test_case_38_pulses_during_an_outage_are_lost_without_a_counter_and_the_copier_is_locked"),
        (CONNECTOR, "test_case_38_where_the_machine_has_counters_they_close_the_books_and_nothing_is_booked_twice"),
        ("drivers/test_connector.py", "test_case_38_a_pulse_under_way_at_the_start_is_counted_once"),
    ),
    39: (
        (CASES, "test_39_a_device_that_counts_no_job_is_settled_by_its_counters"),
        (CASES, "test_39_a_device_that_says_nothing_leaves_the_spoolers_claim_and_its_doubt"),
        (RELEASE, "test_a_machine_that_tells_nothing_is_believed_by_the_document"),
    ),
    40: (
        ("rules/test_pages.py", "test_a_banner_is_what_came_out_beyond_the_document"),
        ("rules/test_review.py", "test_the_banner_of_a_settled_print_is_nobodys_and_its_document_is_paid"),
    ),
    41: ((SPOOL, "test_a_job_sent_to_a_class_is_the_devices_and_its_members"),),
    42: (
        (LOG, "test_a_log_that_was_turned_over_between_two_looks_loses_nothing"),
        (LOG, "test_lines_are_told_once_and_half_a_line_when_it_is_whole"),
    ),
    43: (
        (HERE, "test_43_a_clock_that_jumps_neither_loses_nor_doubles"),
        ("rules/test_spool.py", "test_a_clock_that_was_set_is_no_new_epoch"),
    ),
    44: (
        (CASES, "test_44_a_swap_a_reset_and_a_wrap_open_new_books_and_lose_no_row"),
        (CASES, "test_44_what_was_lost_when_the_counters_fell_is_never_a_certain_nothing"),
        (CASES, "test_44_what_was_on_paper_when_the_machine_was_swapped_is_never_a_certain_nothing"),
        ("rules/test_metering.py", "test_a_counter_that_wraps_goes_on"),
        (COPIES, "test_a_swapped_device_opens_new_books"),
    ),
    45: (
        (CASES, "test_45_garbage_is_an_error_and_books_nothing_and_the_next_look_finds_all"),
        (SPOOL, "test_a_cups_that_hangs_is_an_alarm_within_thirty_seconds_and_no_row"),
        ("drivers/test_printer_far_ends.py", "test_nobody_there"),
    ),
}  # fmt: skip


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_case_has_its_number():
    assert set(INDEX) == set(range(1, 46))


@pytest.mark.parametrize("case", INDEX)
def test_what_tries_a_case_is_there(case):
    assert [name for file, name in INDEX[case] if name not in functions(file)] == []


def test_19_six_hundred_jobs_while_nobody_watched_are_six_hundred_rows(tmp_path):
    async def main(week: Week) -> None:
        await week.look()
        for number in range(600):
            week.clock.now_s += 5
            name = week.spool_name()
            user, sides = ("alice", "DOMAIN\\bob", "iPhone")[number % 3], number % 7 + 1
            done = JobState.COMPLETED
            week.job(user, sides, done, week.machine.prints(Work(user, sides), name, done))
        week.seen = week.machine.shows = 600
        await week.look()
        rows = [entry.fact for entry in week.ledger.entries(AttemptCounted)]
        assert len(rows) == 600
        sides = {who: sum(row.low for row in rows if row.member == who) for who in ("m1", "m2", "")}  # type: ignore[attr-defined]
        assert sides == {"m1": 799, "m2": 796, "": 800}
        assert week.strays() == 0
        told = week.verdict()
        assert (told.wrong, told.balanced, told.uncertain) == ([], True, 0)

    week = Week(tmp_path, 1)
    try:
        asyncio.run(main(week))
    finally:
        week.close()


def test_43_a_clock_that_jumps_neither_loses_nor_doubles(tmp_path):
    async def main(week: Week) -> None:
        await week.look()
        for jump_s in (0, -3600, 3 * 3600, -86400):
            week.clock.set_s += jump_s  # the wall clock is set; what measures durations goes on
            name = week.spool_name()
            week.job(
                "alice", 5, JobState.COMPLETED,
                week.machine.prints(Work("alice", 5), name, JobState.COMPLETED),
            )  # fmt: skip
            await week.look()
        rows = [entry.fact for entry in week.ledger.entries(PagesCounted)]
        assert [(row.member, row.low, row.high) for row in rows] == [(MEMBERS["alice"], 5, 5)] * 4  # type: ignore[attr-defined]
        assert len([*week.ledger.entries(BooksOpened)]) == 1
        assert week.strays() == 0

    week = Week(tmp_path, 1)
    try:
        asyncio.run(main(week))
    finally:
        week.close()
