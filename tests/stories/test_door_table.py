"""Where each case is tried that a door must get right: relay, inputs, reader, time and people, law, and the libraries.

The table is for whoever asks "and if the latch is killed?": the case, in the words of the list we keep, and the tests
that fail when it is wrong. A name that is no longer there fails here. Faults of the latch stand with the emulated board
and its own recorder, those of readers with a terminal that is unplugged, those of rules beside the rule; the same latch
on a real GPIO character device, and a reader on a real USB bus, stand in `./dev board` (tests/board), outside of CI.
`LATER` says what nothing tries, and why.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LOCK, ANY_LOCK, PROVE = "drivers/test_lock.py", "drivers/contract_lock.py", "test_prove.py"
PINS, INPUTS, READER, CLOCK = (
    "drivers/test_pins.py",
    "drivers/test_inputs.py",
    "drivers/test_cardreader.py",
    "drivers/test_clock.py",
)
RULE, LEAF, HOURS, STRANGERS = (
    "rules/test_door.py",
    "rules/test_leaf.py",
    "rules/test_hours.py",
    "rules/test_readers.py",
)
STORY, ADMISSION, REMOTE, CARDS = (
    "stories/test_door_story.py",
    "stories/test_admission.py",
    "stories/test_remote_story.py",
    "stories/test_cards_and_hours.py",
)
KEPT, ROSTER, LEDGER = "memory/test_kept.py", "memory/test_roster.py", "memory/test_verify.py"
FAULTS = ("acceptance/test_door_faults.py", "test_the_door_is_never_left_unlocked_and_lets_its_members_in")
SERVICE_DIES = (LOCK, "test_the_relay_is_off_at_most_250_ms_after_the_door_service_dies")
SERVICE_HANGS = (LOCK, "test_a_stopped_door_service_does_not_lengthen_the_pulse")
STARTS = (LOCK, "test_starting_never_touches_the_strike")
SECOND_NET = (LOCK, "test_the_second_net_puts_an_orphaned_line_to_rest")
WRONG_CHIP = (LOCK, "test_a_wrong_chip_is_a_driver_error_that_says_so")
LAST_LIST = ("test_standing.py", "test_a_door_whose_roster_is_broken_at_its_start_lets_in_by_its_last_list")
BOUNCE = (INPUTS, "test_bounce_spike_and_press_on_a_real_line")
LEAF_PLAYS = (LEAF, "test_the_leaf")
DEAF = (INPUTS, "test_a_dead_notifier_is_survived_by_polling_and_shown")
RAISES = (PINS, "test_a_callback_that_raises_deafens_nobody")
UNPLUGGED = (READER, "test_unplugged_mid_frame_is_a_driver_error_that_spins_nothing_and_replugged_works")
ALL_BITS = (READER, "test_a_frame_is_a_card_with_all_40_bits")
LOCKDOWN = (RULE, "test_a_lockdown_stops_every_entry_and_no_leaving")

INDEX: dict[str, tuple[tuple[str, str], ...]] = {
    # the relay
    "A1 policy killed in a pulse": (SERVICE_DIES, (LOCK, "test_soak_the_door_service_dies_200_times"), FAULTS),
    "A2 policy hung in a pulse": (
        SERVICE_HANGS,
        (LOCK, "test_a_parent_silent_for_two_seconds_loses_a_long_pulse"),
    ),
    "A3 the latch itself killed or hung": (
        (LOCK, "test_the_relay_is_off_at_most_2_s_after_the_latch_is_killed"),
        (LOCK, "test_a_hung_latch_is_killed_and_the_relay_is_off_within_2_s"),
        (LOCK, "test_the_story_is_told_of_a_new_latch_and_the_next_badge_opens"),
        SECOND_NET,
    ),
    "A4 stop and restart lock first, one writer": (
        SERVICE_DIES,
        (LOCK, "test_a_latch_told_to_end_locks_first"),
        (LOCK, "test_a_line_held_by_somebody_else_is_a_driver_error"),
    ),
    "A5 no blip at a thousand starts": (STARTS, (LOCK, "test_soak_a_thousand_starts_never_touch_the_strike")),
    "A6 disk full, database corrupt: locked, last list": (
        FAULTS,
        LAST_LIST,
        (STORY, "test_the_door_opens_with_a_broken_ledger_and_forgets_nothing"),
        (ADMISSION, "test_a_door_that_never_read_a_roster_judges_by_the_list_it_was_left"),
        (ADMISSION, "test_each_new_list_is_kept_until_the_disk_has_taken_it"),
    ),
    "A7 overlapping badges under a hard cap": (
        (ANY_LOCK, "test_a_second_badge_gets_a_full_pulse_without_a_dip"),
        (ANY_LOCK, "test_overlapping_badges_stop_at_the_cap"),
        (ANY_LOCK, "test_one_hold_longer_than_the_cap_is_cut"),
        (REMOTE, "test_a_fed_window_renews_the_pulse_within_the_cap_and_stops_at_its_end"),
    ),
    "A8 nothing is forked, a restart succeeds": (
        (PINS, "test_a_forked_child_keeps_the_line_of_its_dead_parent"),  # why the latch is made by exec
        (LOCK, "test_a_badge_at_the_very_moment_the_latch_dies_opens_with_the_next_one"),
        FAULTS,
    ),
    "A9 the chip by its label, what the kernel does with a line": (
        WRONG_CHIP,
        (PINS, "test_a_wrong_label_says_which_there_are"),
        (PROVE, "test_the_report_says_what_the_kernel_does_with_a_line_nobody_owns"),
    ),
    "A10 feedback disagrees for a second": (
        (LEAF, "test_faults"),
        ("rules/test_incidents.py", "test_the_doors_wiring"),
    ),
    # the inputs
    "B1 a handler raises": (RAISES,),
    "B2 the notifier is dead": (DEAF,),
    "B3 slow work delays no exit": (
        (INPUTS, "test_a_change_is_dated_to_its_edge_even_when_the_loop_was_busy"),
        (INPUTS, "test_a_storm_is_bounded_and_the_level_comes_through"),
    ),
    "B4 bounce, spike, press": (BOUNCE, (INPUTS, "test_settled_changes_alternate_and_end_at_the_last_level")),
    "B5 the exit button stuck": (
        (STORY, "test_a_stuck_button_is_told_and_releases_once"),
        (LEAF, "test_faults"),
    ),
    "B6 open at boot": (LEAF_PLAYS, ("drivers/contract_inputs.py", "test_a_door_open_at_the_start_is_said_to_be_open")),
    "B7 forced, held, propped": (
        LEAF_PLAYS,
        (LEAF, "test_the_laws_of_the_leaf"),
        (LEAF, "test_it_warns_at_four_fifths"),
        (LEAF, "test_ten_thousand_bouncy_cycles_force_nothing"),
        (STORY, "test_the_held_alarm_comes_on_time"),
    ),
    "B8 opening relocks, a grant expires": (
        (STORY, "test_the_leaf_relocks_is_held_and_is_forced"),
        (STORY, "test_a_grant_that_nobody_used_is_written_down"),
        (ANY_LOCK, "test_relock_cuts_the_pulse_and_the_next_is_whole"),
        LEAF_PLAYS,
    ),
    # the reader
    "C1 malformed frames": (
        (READER, "test_malformed_bytes_are_counted_and_are_no_card"),
        (READER, "test_one_wrong_bit_is_never_a_card_of_another"),
        (READER, "test_no_bytes_make_it_raise_or_miscount"),
        (READER, "test_a_megabyte_of_noise_is_counted_in_bounded_memory_and_the_next_card_works"),
        ("acceptance/test_bad_input.py", "test_noise_on_a_reader_and_then_a_card"),
    ),
    "C2 frames split anywhere": (
        (READER, "test_a_frame_in_two_pieces_is_one_card"),
        (READER, "test_frames_split_at_every_byte_with_pauses"),
        (READER, "test_half_a_frame_is_not_continued_a_second_later"),
    ),
    "C3 a card left on the reader": (
        (READER, "test_a_card_left_on_the_reader_is_one_presentation_until_it_was_away_for_a_second"),
        (READER, "test_a_second_person_while_the_first_card_lies_there"),
        (READER, "test_a_card_lying_there_while_another_comes_is_two_badges"),
    ),
    "C4 read twice at once": (
        (READER, "test_a_card_lying_there_while_another_comes_is_two_badges"),
        (READER, "test_presence_remembers_little"),
    ),
    "C5 unplugged and back under another name": (
        UNPLUGGED,
        FAULTS,
        ("rules/test_incidents.py", "test_the_doors_readers"),
    ),
    "C6 another program at the port": (
        (READER, "test_a_port_somebody_holds_is_a_driver_error"),
        (STRANGERS, "test_noise_is_a_hundred_bytes_in_a_minute"),
    ),
    "C7 all bits, as a keyed hash": (
        ALL_BITS,
        ("drivers/contract_reader.py", "test_leading_zeros_stay"),
        (ROSTER, "test_no_number_and_no_name_reaches_the_ledger"),
        (ROSTER, "test_the_files_are_the_groups_and_the_key_is_read_only_to_it"),
    ),
    "C8 numbers are tried": (
        (STRANGERS, "test_the_fifth_names_the_pattern"),
        (STRANGERS, "test_the_delay_doubles_up_to_a_minute"),
        (STORY, "test_a_member_is_let_in_at_once_while_numbers_are_tried"),
    ),
    # time, lists, people
    "D1 a clock that is wrong": (
        (RULE, "test_when_the_clock_cannot_be_believed"),
        (RULE, "test_time_never_moves_below_the_newest_known"),
        (STORY, "test_time_never_falls_below_the_newest_known"),
        (CLOCK, "test_trust_is_the_kernels_and_falls_back_to_what_the_boot_knows"),
        FAULTS,
    ),
    "D2 the nights the clocks jump": (
        (RULE, "test_the_nights_the_wall_clock_jumps"),
        (RULE, "test_a_code_on_the_night_the_clock_goes_back_lasts_its_real_time"),
        (HOURS, "test_the_long_night_of_october_does_not_open_twice"),
        (HOURS, "test_the_short_night_of_march_ends_at_the_jump"),
        ("rules/test_presence.py", "test_minutes_are_real_minutes"),
        ("views/test_exports.py", "test_the_nights_the_wall_clock_jumps"),
    ),
    "D3 holidays, closures, nights": (
        ("test_feasts.py", "test_france_has_eleven_public_holidays_and_the_east_two_more"),
        ("memory/test_calendar.py", "test_a_public_holiday_closes_by_itself_until_people_open_it"),
        (HOURS, "test_a_closed_day_closes_its_own_night_and_the_night_that_runs_into_it"),
        (CARDS, "test_what_is_closed_on_the_page_is_closed_at_the_door"),
    ),
    "D4 revoked: refused within two seconds": (
        (CARDS, "test_a_card_is_given_through_a_reader_opens_and_once_lost_is_refused"),
    ),
    "D6 a list is whole and ours, or the old one stays": (
        (KEPT, "test_a_torn_list_is_no_list"),
        (KEPT, "test_an_edited_or_foreign_list_is_no_list"),
        (KEPT, "test_the_newest_of_two_lists_counts"),
        (KEPT, "test_a_disk_really_full_keeps_the_old_list_whole"),
        (ROSTER, "test_one_fault_and_nothing_is_imported_and_every_fault_is_told"),
    ),
    "D7 a deleted card is gone": (
        (ROSTER, "test_a_card_is_given_blocked_and_taken"),
        (ROSTER, "test_an_erased_member_is_gone_from_the_disk_and_the_id_is_not_used_again"),
    ),
    "D8 no rights until granted": ((RULE, "test_deny_by_default"), (RULE, "test_one_named_rule_decides")),
    "D9 names stop nothing": (
        ("rules/test_memberlist.py", "test_a_name_with_emoji_is_a_name"),
        ("rules/test_memberlist.py", "test_no_bytes_make_the_reading_fail"),
        (KEPT, "test_what_is_kept_is_read_again_without_print_names"),
    ),
    "D10 guests' codes": (
        (RULE, "test_a_guests_code_opens_from_its_start_until_its_end"),
        (RULE, "test_a_code_opens_earlier_by_the_sites_margin"),
        (RULE, "test_a_code_is_good_once_or_n_times"),
        (ADMISSION, "test_a_code_for_two_entries_opens_twice_also_when_the_door_starts_again"),
    ),
    "D11 remote opening": (
        (REMOTE, "test_only_the_listed_reasons_and_six_times_in_ten_minutes"),
        (REMOTE, "test_it_says_when_the_leaf_opened"),
        ("test_ask.py", "test_a_request_is_answered_once_and_refused_late"),
        ("views/test_door_page.py", "test_open_in_two_steps_and_only_once"),
        ("views/test_door_page.py", "test_nobody_unknown_comes_near_the_door"),
    ),
    "D12 a lockdown stops entry and never exit": (
        LOCKDOWN,
        (RULE, "test_a_lockdown_never_opens_and_a_window_never_shuts"),
        (ADMISSION, "test_a_lockdown_ends_a_fed_window_and_refuses_the_page_until_it_is_lifted"),
    ),
    "D13 the first in": (
        (RULE, "test_an_occasional_member_waits_for_the_first_in"),
        (ADMISSION, "test_the_first_subscriber_opens_the_day_once_and_a_restart_remembers"),
    ),
    "D14 a missing exit is never midnight": (
        ("rules/test_presence.py", "test_forgotten_visits_are_listed_and_stay_open"),
        ("rules/test_leaving.py", "test_closing_is_the_end_of_the_opening_the_visit_began_in"),
        ("views/test_visits_page.py", "test_a_forgotten_visit_comes_to_the_top_and_closing_is_proposed"),
    ),
    "D15 a breakdown during a visit": (
        ("views/test_visits_page.py", "test_a_breakdown_during_a_visit_is_marked_on_the_page_and_in_the_statement"),
        ("stories/test_supervise.py", "test_a_start_after_a_breakdown_says_for_how_long_nobody_was_there"),
    ),
    # the law, and the way out
    "E1 the call point is only observed": (LEAF_PLAYS, (LEAF, "test_faults")),
    "E2 no state of ours holds the way out": (
        LOCKDOWN,
        (RULE, "test_the_way_out_is_refused_to_no_card_we_know"),
        (RULE, "test_a_code_leads_out_at_any_time"),
    ),
    "E3 movements for ninety days, the chain for ever": (
        ("rules/test_retention.py", "test_a_passage_is_kept_ninety_days"),
        ("memory/test_redaction.py", "test_old_passages_go_and_the_chain_stays"),
        ("memory/test_redaction.py", "test_a_redaction_that_deleted_less_than_it_says_is_found"),
        ("views/test_forgetting.py", "test_a_billed_visit_lives_on_without_its_movements"),
        (LEDGER, "test_a_truncated_ledger_is_found_by_the_anchor_alone"),
    ),
    # the libraries
    "F1 an explicit factory, claimed at its level": (
        WRONG_CHIP,
        (PINS, "test_an_active_low_output_is_claimed_at_its_level_in_one_go"),
        (PINS, "test_an_output_without_a_level_is_refused"),
    ),
    "F2 a closed factory leaves nothing": ((PINS, "test_a_closed_factory_leaves_no_thread_and_no_line"),),
    "F3 no work in callbacks": (RAISES, DEAF),
    "F4 told to end, it locks first": ((LOCK, "test_a_latch_told_to_end_locks_first"), SERVICE_DIES),
    "F5 the latch is small and loads no gpiozero": ((LOCK, "test_the_latch_is_small_and_its_parts_few"),),
    "F6 the hardware watchdog": (("board/units.py", "kernel_dies_in_a_pulse"),),
    "F7 the port is exclusive, bounded and let go": (
        UNPLUGGED,
        (READER, "test_a_port_somebody_holds_is_a_driver_error"),
        (READER, "test_badges_nobody_takes_are_an_error_and_not_a_silence"),
    ),
    "F8 tiers: mock board, real device, the site's own door": (
        (PROVE, "test_every_fault_is_struck_and_the_report_written"),
        (PROVE, "test_the_kernels_words_about_a_line"),
        ("board/proof.py", "proven"),
        ("board/reader.py", "reader"),
        ("board/units.py", "reboot_in_a_pulse"),
    ),
}  # fmt: skip

LATER = {
    "D5 leases": "cards of one site end by their date or at once; leases across sites need a centre",
    "D16 one card in two places": "clone alarms across sites need a centre; a second entry proves nothing here",
}
NUMBERS = {"A": 10, "B": 8, "C": 8, "D": 16, "E": 3, "F": 8}


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_case_has_its_number_once() -> None:
    wanted = [f"{letter}{number}" for letter, last in NUMBERS.items() for number in range(1, last + 1)]
    assert sorted(case.split()[0] for case in (*INDEX, *LATER)) == sorted(wanted)


@pytest.mark.parametrize("case", INDEX)
def test_what_tries_a_case_is_there(case: str) -> None:
    assert [name for file, name in INDEX[case] if name not in functions(file)] == []
