"""One-line verbs."""

from __future__ import annotations

import pytest

from drivers.verbs import (
    GRAMMAR,
    BadgeVerb,
    CopyVerb,
    DeviceVerb,
    DoorVerb,
    LinkVerb,
    PrintVerb,
    VerbError,
    VisitVerb,
    parse,
)


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("cut adsl1 90s", LinkVerb("cut", "adsl1", for_s=90.0)),
        ("box adsl2", LinkVerb("box", "adsl2")),
        ("unplug adsl1 2m", LinkVerb("unplug", "adsl1", for_s=120.0)),
        ("mend adsl1", LinkVerb("mend", "adsl1")),
        ("loss adsl1 0.1", LinkVerb("loss", "adsl1", 0.1)),
        ("delay adsl1 80ms", LinkVerb("delay", "adsl1", 0.08)),
        ("rate adsl1 1000kbit", LinkVerb("rate", "adsl1", 1e6)),
        ("print m042 12 colour", PrintVerb("m042", 12, colour=True)),
        ("print m042 5 two-sided x3", PrintVerb("m042", 5, two_sided=True, copies=3)),
        ("print m042 1 held account=p:001", PrintVerb("m042", 1, held=True, account="p:001")),
        ("copy 3", CopyVerb(3)),
        ("copy 3 colour", CopyVerb(3, colour=True)),
        ("paper out", DeviceVerb("paper", "out")),
        ("toner black 0.04", DeviceVerb("toner", "black", 0.04)),
        ("badge copier 04a2b3c4d5", BadgeVerb("copier", "04A2B3C4D5")),
        ("arrive m013 09:05", VisitVerb("arrive", "m013", "09:05")),
        ("leave m013", VisitVerb("leave", "m013")),
        ("door open", DoorVerb("open")),
        ("exit", DoorVerb("exit")),
    ],
)
def test_a_verb_is_read(line: str, verb: object) -> None:
    assert parse(line) == verb


@pytest.mark.parametrize(
    "line",
    [
        *("", "dance", "cut", "cut adsl1 soon", "cut adsl1 1s 2s", "mend adsl1 3s", "loss adsl1 2", "rate adsl1 fast"),
        *("print m042", "print m042 0", "print m042 3 x0", "print m042 3 red", "copy", "copy -1", "copy 3 red"),
        *("paper", "paper low", "toner black", "badge porte 04A", "badge porte zz112233", "arrive", "arrive m1 9:00"),
        *("arrive m1 24:00", "door", "door ajar", "exit now", "delay adsl1 slow"),
    ],
)
def test_what_is_not_a_verb_says_what_was_expected(line: str) -> None:
    with pytest.raises(VerbError, match=r"expected: |verbs: "):
        parse(line)


@pytest.mark.parametrize("form", GRAMMAR.values())
def test_every_form_of_the_grammar_is_its_own_example(form: str) -> None:
    example = form.replace("[", "").replace("]", "").replace("READER CARD", "porte 04A2B3C4D5")
    example = example.replace("SIDES", "3").replace("PAGES", "3").replace("out|in", "out").replace("open|close", "open")
    example = (
        example.replace("dead|lying", "dead")
        .replace("up|down", "up")
        .replace("held|past", "past")
        .replace("TARGET", "192.0.2.1")
    )
    assert parse(example)
