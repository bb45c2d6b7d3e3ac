"""The wording files, the code and the templates hold the same keys, and every state has words and one remedy."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

import agent.views
from agent.config import COPIES, LINES
from agent.memory.calendar import HOLIDAYS, REASONS
from agent.rules.bookings import Alarm
from agent.rules.contract import COLOURS, FUNCTIONS, REST
from agent.rules.door import GRANTS, EntryRule, Passage
from agent.rules.forecast import UNTOLD
from agent.rules.identity import Level as Owned
from agent.rules.incidents import KEYS, Area, Level
from agent.rules.kinds import every_fact
from agent.rules.ladder import Rung, Step
from agent.rules.leaf import DoorFault
from agent.rules.leaving import Doubt
from agent.rules.linkfacts import CAUSES, Cause, Health, LinkChanged
from agent.rules.members import PEOPLE
from agent.rules.pages import Evidence, Free
from agent.rules.payers import PAYERS, Charge
from agent.rules.presence import PROPOSED, Reason
from agent.rules.readers import Pattern
from agent.rules.reasons import REASON_KEYS
from agent.rules.remote import Whom, WindowEnd
from agent.rules.settlement import BY_HAND
from agent.rules.unprinted import Why as Unprinted
from agent.rules.usage import Item
from agent.views.events import Labels, tell
from agent.views.journal import QUIET
from agent.views.linkwords import link_words
from agent.views.metrics import DEVICE_STATES
from agent.views.supplies import KINDS as SUPPLIES
from agent.views.supplies import NUMBERED, PAINTS, TRAYS
from agent.views.words import HOSTLESS, LANGUAGES, words
from drivers.contract import LatchState, Trust
from tests.views.scenes import NOON, day

FR, EN = words("fr"), words("en")
HERE = Path(agent.views.__file__).parent
REFUSALS = set(EntryRule) - GRANTS

NOT_KEYS = {"door.lock", "door.inputs"}  # names of drivers, written as keys are

FAMILIES: set[str] = {
    *(f"incident.{key}.{part}" for key in KEYS for part in ("title", "remedy")),
    *(f"level.{level}" for level in (*Level, "alarm")),
    *(f"card.{area}.name" for area in Area),
    *(f"link.{word}" for word in (*Health, *(cause for cause in Cause if cause not in {Cause.NONE, Cause.GAP}))),
    *(f"{section}.{line}" for section in ("line", "access") for line in LINES),
    *(f"rung.{rung}" for rung in Rung),
    *(f"step.{step}" for step in Step),
    *(f"device.{state}" for state in DEVICE_STATES),
    *(f"door.{leaf}" for leaf in Passage),
    *(f"latch.{state}{cut}" for state in (*LatchState, "unknown", "resting") for cut in ("", "_cut")),
    *("latch.resting_more", "latch.resting_cut_more"),
    *(f"trust.{trust}" for trust in Trust),
    *(f"rule.{rule}" for rule in (*REFUSALS, "other")),
    *(f"service.{name}" for name in ("links", "paper", "door", "web", "alerts", "other")),
    *(
        f"driver.{name}"
        for name in ("links", "printers", "readers", "spooler", "releases", "lock", "inputs", "alerts", "other")
    ),
    *(f"formula.{name}" for name in ("subscriber", "occasional", "visitor", "other")),
    *(f"{section}.{by}" for section in ("proposed", "taken") for by in PROPOSED),
    *(f"me.item.{item}" for item in Item if not item.startswith(("unattributed", "overhead"))),
    *(f"review.{why}" for why in BY_HAND),
    *(f"charge.{came}" for came in (*Charge, "unsure")),
    *(f"unpaid.{came}" for came in (*(one for one in Charge if one is not Charge.CHARGED), "other")),
    *(f"whose.{level}" for level in Owned),
    *(f"unprinted.{why}" for why in Unprinted),
    *(f"untold.{why}" for why in (*UNTOLD, "other")),
    *(f"review.free_{why}" for why in Free if why),
    *(f"review.proof_{evidence}" for evidence in Evidence),
    *(f"colour.{name}" for name in PAINTS),
    *(f"supply.{kind}" for kind in SUPPLIES),
    *(f"tray.{name}" for name in (*TRAYS, *(f"{kind}_n" for kind in NUMBERED))),
    *(f"refusal.{why}" for why in ("card", "spooler", "silent", "payer", "other")),
    *(f"reason.{name}" for name in (*REASONS[1:], "none")),
    *(f"holiday.{name}" for name in (*HOLIDAYS, "other")),
    *(f"event.link_{word}" for word in ("up", "unknown", "bad")),
    *(f"event.door_{leaf}" for leaf in Passage),
    *(f"fault.{fault}" for fault in (*DoorFault, "other")),
    *(f"event.strangers_{seen or 'over'}" for seen in Pattern),
    *(f"event.window_{why}" for why in WindowEnd),
    *(f"whom.{whom}" for whom in Whom),
    *(f"alarm.{alarm}" for alarm in Alarm),
    *(f"doubt.{why}" for why in Doubt),
    *(f"correction.{why}" for why in Reason),
    *(f"grant.{rule}" for rule in (*GRANTS, "other")),
    "rule.no-card",
    *(f"event.roster.{action}" for action in (*PEOPLE, *PAYERS, "other")),
    *(f"counters.way_{way}" for way in COPIES),
    *(f"counters.panel_{why}" for why in ("first", "counted", "fell", "short")),
    *(f"counters.doubt_{why}" for why in ("fell", "short", "leap")),
    *(f"counters.invoice_{verdict}" for verdict in ("open", "same", "more", "gap", "less")),
    *(f"counters.bill_{verdict}" for verdict in ("same", "more", "gap", "less")),
    *(f"counters.{line}" for line in (*COLOURS, *FUNCTIONS, *(colour + REST for colour in COLOURS))),
    *(f"certificate.{system}{part}" for system in ("android", "apple", "windows", "mac") for part in ("", "_how")),
}


def said_by_code() -> set[str]:
    """Every key written out in the code or a template."""
    found = set()
    for file in [*HERE.glob("*.py"), *HERE.glob("web/*.py"), *HERE.glob("web/templates/*")]:
        found |= set(re.findall(r"""["']([a-z]+(?:\.[a-z_]+)+)["']""", file.read_text()))
    sections = {key.split(".")[0] for key in FR.sentences}
    return {key for key in found if key.split(".")[0] in sections and not key.endswith((".html", ".csv"))} - NOT_KEYS


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_no_key_is_missing_and_none_is_unused() -> None:
    stand_ins = {key for key in FR.sentences if key.startswith(HOSTLESS)}
    said = FAMILIES | said_by_code()
    assert {key.removeprefix(HOSTLESS) for key in stand_ins} <= said
    assert set(FR.sentences) - stand_ins == said


def test_both_languages_say_the_same_things() -> None:
    assert set(FR.sentences) == set(EN.sentences)
    for key in FR.sentences:
        assert fields(FR.sentences[key]) == fields(EN.sentences[key]), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_incident_has_a_title_and_exactly_one_sentence_of_remedy(language: str) -> None:
    say = words(language)
    for key in KEYS:
        title = say(f"incident.{key}.title", name="le copieur", code=2)
        remedy = say(f"incident.{key}.remedy", name="Orange", code="")
        assert title
        assert not title.endswith(".")
        assert remedy.endswith(".")
        assert not re.search(r"[.!?]\s", remedy), remedy


def test_every_state_of_a_link_has_words() -> None:
    said = {(health, cause): link_words(health, cause, FR) for health, cause in product(Health, Cause)}
    assert all(said.values())
    assert said[Health.DOWN, Cause.BOX] == "coupé\u00a0: la box ne répond plus"
    assert said[Health.DOWN, Cause.INTERNET] == "coupé\u00a0: la box va bien, pas d'internet"
    assert said[Health.UNKNOWN, Cause.GAP] == "état inconnu"
    own = [said[health, cause] for health, causes in CAUSES.items() for cause in causes]
    assert len(set(own)) == len(own)  # no two states look the same
    for language in LANGUAGES:
        for cause in Cause:
            key = {Cause.NONE: "link-down", Cause.GAP: "link-unknown"}.get(cause, f"link-{cause}")
            assert words(language)(f"incident.{key}.remedy", name="Orange", code="")


def test_every_reason_of_a_printer_has_words() -> None:
    for language in LANGUAGES:
        for key in REASON_KEYS:
            assert words(language)(f"incident.printer-{key}.title", name="x", code="y")


def test_every_kind_of_fact_is_told_or_quiet() -> None:
    told = {type(fact) for _, fact in day()} | set(tell.registry) | set(QUIET)
    assert set(every_fact()) <= told, f"no words for {set(every_fact()) - told}"


def test_numbers_and_plurals_follow_the_language() -> None:
    assert FR("paper.books_pending", name="le copieur", counter=10_183, booked=10_182, n=1) == (
        "Le copieur\u00a0: compteur 10\u202f183, faces comptées 10\u202f182\u00a0: "
        "1\u00a0face est en cours de comptage."
    )
    assert FR("event.pages", member="m042", name="le copieur", n=0).startswith("m042\u00a0: 0\u00a0face imprimée ")
    assert EN("event.pages", member="m042", name="le copieur", n=0).startswith("m042: 0\u00a0sides printed ")
    assert EN.number(1_234_567) == "1,234,567"


def test_what_has_no_words_is_shown_as_it_came() -> None:
    assert FR.either("rule", "blue-moon") == "blue-moon"
    assert FR.either("rule", "blocked-card") == "carte bloquée"


def test_days_are_written_out() -> None:
    assert (FR.day(NOON), EN.day(NOON)) == ("mardi 24 novembre", "Tuesday 24 November")


def test_a_missing_key_is_a_bug() -> None:
    with pytest.raises(KeyError):
        FR("page.nowhere")


def test_an_event_of_a_link_says_what_its_incident_says() -> None:
    cut = LinkChanged("adsl1", Health.UP, Health.DOWN, Cause.LINE, NOON, "")
    labels = Labels(links={"adsl1": "Orange"})
    assert tell(cut, FR, labels) == "Orange coupé\u00a0: la box va bien, la ligne est coupée"
    assert tell(replace(cut, now=Health.DNS_BROKEN, cause=Cause.DNS_DEAD), FR, labels) == (
        "Orange ne trouve plus les sites par leur nom"
    )
    odd = replace(cut, now=Health.DEGRADED, cause=Cause.NONE)  # never called cut, which it is not
    assert tell(odd, FR, labels) == "Orange\u00a0: fonctionne mal"


def test_one_side_is_one_side() -> None:
    assert FR("incident.copies-nobodys.title", name="le copieur", code=1) == (
        "Le copieur\u00a0: 1\u00a0face copiée sans badge n'est à personne"
    )
    assert FR("incident.people-left.title", name="", code=2) == (
        "2\u00a0personnes encore comptées présentes après la fermeture"
    )


def test_names_months_and_quarters_are_written_out() -> None:
    assert [FR.listed(names) for names in ([], ["Orange"], ["Orange", "Free"], ["A", "B", "C"])] == [
        "",
        "Orange",
        "Orange et Free",
        "A, B et C",
    ]
    assert (FR.month("2026-08"), EN.month("2026-11")) == ("août 2026", "November 2026")
    assert (FR.quarter("2026-Q4"), EN.quarter("2027-Q1")) == ("4e trimestre 2026", "1st quarter of 2027")
