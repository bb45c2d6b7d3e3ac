"""Names that are nobody's, and the ladder."""

from __future__ import annotations

from datetime import date

import pytest

from agent.rules.facts import MemberId
from agent.rules.identity import Level, Proven, level, nobodys

NOBODYS = r"""iPhone|iPad|iphone|iPhone (2)|iPhone-3|iPod touch|MacBook Pro|MacBook-Pro|MacBookAir|DESKTOP-4F2
desktop-a1b|DESKTOP-4F2QX7B|DESKTOP-QWERTYU|LAPTOP-9KD02JFL|WIN-3OV2K1|PC-7|Administrator|Administrateur|ADMINISTRATOR|admin|root
PORTABLE\Administrateur|anonymous|Guest|Invité|invitee|utilisateur|User|user1|localhost|192.168.1.20|::1|fe80::1
android|Android_12|android-3f9a0c2b1d4e5f60|SM-G991B|mobile|Chromebook|raspberrypi|defaultuser0|remote user||   |@
DESKTOP-4F2$|pc1|Utilisateur2|Galaxy S21|galaxy-a52s|Redmi Note 10|Surface Pro|LENOVO|airprint
withheld|Windows-PC|localuser
S-1-5-21-1-2-3-1001|4a7d1ed4-1111-2222-3333-444455556666|DOM\
"""
SOMEBODYS = (
    "alice|m042|j.dupont|Élodie Martin|iphone de lea|desktop publishing|pierre-mac|paul|madmin|scanlon|pia|win|pc-alice"
    "|homer|della"
)


@pytest.mark.parametrize("name", [name for line in NOBODYS.strip("\n").split("\n") for name in line.split("|")])
def test_what_any_device_calls_itself_is_nobodys(name: str) -> None:
    assert nobodys(name)


@pytest.mark.parametrize("name", SOMEBODYS.split("|"))
def test_what_a_person_is_called_is_somebodys(name: str) -> None:
    assert not nobodys(name)


def test_the_ladder_from_a_claim_to_a_password() -> None:
    assert level("alice", known=True) is Level.CLAIMED
    assert level("alice", known=True, same_host=True) is Level.HOST
    assert level("alice", known=True, authenticated=True) is Level.AUTHENTICATED
    assert level("alice", known=True, same_host=True, authenticated=True) is Level.AUTHENTICATED


def test_an_unknown_name_and_a_devices_name_are_nobodys_whatever_else_is_known() -> None:
    assert level("mallory", known=False, same_host=True) is Level.NOBODY
    assert level("iPhone", known=True, authenticated=True) is Level.NOBODY
    assert level("", known=True) is Level.NOBODY


def test_a_host_proves_a_name_for_one_day_and_for_whom_it_was() -> None:
    monday, tuesday, alice = date(2026, 11, 23), date(2026, 11, 24), MemberId("m042")
    proven = Proven().after(monday, "192.0.2.7", "ALICE", alice)
    assert proven.same_host(monday, "192.0.2.7", "DOM\\alice", alice)
    assert not proven.same_host(monday, "192.0.2.8", "alice", alice)
    assert not proven.same_host(monday, "192.0.2.7", "bob", alice)
    assert not proven.same_host(monday, "192.0.2.7", "alice", MemberId("m013"))  # the name is another's by now
    assert not proven.same_host(tuesday, "192.0.2.7", "alice", alice)
    both = proven.after(monday, "192.0.2.8", "bob", MemberId("m013"))
    assert both.same_host(monday, "192.0.2.7", "alice", alice)
    assert not both.after(tuesday, "192.0.2.9", "pia", alice).same_host(monday, "192.0.2.7", "alice", alice)
    assert proven.after(monday, "localhost", "bob", alice) is proven


def test_a_level_reaches_itself_and_what_is_weaker() -> None:
    assert Level.CLAIMED.reaches(Level.CLAIMED)
    assert Level.BADGE.reaches(Level.AUTHENTICATED)
    assert not Level.CLAIMED.reaches(Level.HOST)
    assert not Level.NOBODY.reaches(Level.CLAIMED)
