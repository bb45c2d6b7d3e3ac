"""Messages over real sockets to a mail server and an ntfy-like one on loopback."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from drivers.contract import DriverError
from drivers.messenger import AppriseMessenger
from tests.far_ends import free_port, mailbox, topic

TITLE, TEXT = "La Cordée Morez : Orange coupé", "Depuis mardi 24 novembre à 21:00.\nRedémarrez la box « Orange »."


def send(messenger: AppriseMessenger, title: str = TITLE) -> None:
    asyncio.run(messenger.send(title, TEXT))


def mail(port: int) -> AppriseMessenger:
    return AppriseMessenger(
        f"mailto://box:s3cret@127.0.0.1:{port}?from=box@example.org&to=ops@example.org&mode=insecure"
    )


def test_a_mail_arrives_word_for_word() -> None:
    with mailbox(free_port()) as far:
        send(mail(far.port))
        assert far.taken == [(TITLE, TEXT)]


def test_a_topic_is_told_word_for_word() -> None:
    with topic(free_port()) as far:
        send(AppriseMessenger(f"ntfy://127.0.0.1:{far.port}/morez"))
        assert far.taken == [(TITLE, TEXT)]


@pytest.mark.parametrize("refuses", [True, False], ids=["refuses", "is not there"])
@pytest.mark.parametrize("kind", ["mail", "topic"])
def test_what_is_not_taken_is_said_once_and_without_its_address(
    kind: str, refuses: bool, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    messenger = mail(port) if kind == "mail" else AppriseMessenger(f"ntfy://box:s3cret@127.0.0.1:{port}/hidden-topic")
    caplog.set_level(logging.DEBUG)
    if refuses:
        with mailbox(port) if kind == "mail" else topic(port) as far:
            far.refuses = True
            with pytest.raises(DriverError, match="accepté") as caught:
                send(messenger)
            assert (far.tries, far.taken) == (1, [])
    else:
        with pytest.raises(DriverError, match="accepté") as caught:
            send(messenger)
    spoken = str(caught.value) + "".join(record.getMessage() for record in caplog.records if record.name != "urllib3")
    assert "s3cret" not in spoken


def test_a_far_end_that_says_nothing_holds_up_nobody() -> None:
    with topic(free_port()) as far:
        far.silent.set()
        messenger = AppriseMessenger(f"ntfy://127.0.0.1:{far.port}/morez", limit_s=0.3)
        began = time.monotonic()

        async def story() -> None:
            with pytest.raises(DriverError, match="à temps"):
                await messenger.send(TITLE, TEXT)
            with pytest.raises(DriverError, match="précédent"):
                await messenger.send(TITLE, TEXT)

        asyncio.run(story())
        assert time.monotonic() - began < 2
        assert far.tries == 1


@pytest.mark.parametrize("url", ["", "nonsense://s3cret", "http", "mailto://"])
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(DriverError, match="pas comprise") as caught:
        AppriseMessenger(url)
    assert "s3cret" not in str(caught.value)
