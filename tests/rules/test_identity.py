"""Names that are nobody's, and the ladder."""

from __future__ import annotations

import pytest

from agent.rules.identity import Level, level, nobodys

NOBODYS = r"""iPhone|iPad|iphone|iPhone (2)|iPhone-3|iPod touch|MacBook Pro|MacBook-Pro|MacBookAir|DESKTOP-4F2
desktop-a1b|DESKTOP-4F2QX7B|DESKTOP-QWERTYU|LAPTOP-9KD02JFL|WIN-3OV2K1|PC-7|Administrator|Administrateur|ADMINISTRATOR|admin|root
PORTABLE\Administrateur|anonymous|Guest|Invité|invitee|utilisateur|User|user1|localhost|192.168.1.20|::1|fe80::1
android|Android_12|android-3f9a0c2b1d4e5f60|SM-G991B|mobile|Chromebook|raspberrypi|defaultuser0|remote user||   |@
S-1-5-21-1-2-3-1001|4a7d1ed4-1111-2222-3333-444455556666|DOM\
"""
SOMEBODYS = (
    "alice|m042|j.dupont|Élodie Martin|iphone de lea|desktop publishing|pierre-mac|paul|madmin|scanlon|pia|win|pc-alice"
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
