"""A message leaves by the living link while the best route leads into the dead one: two network namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.messenger import AppriseMessenger
from tests.far_ends import free_port, topic

REPO = Path(__file__).parents[2]
FAR = "203.0.113.5"
PORT = 8099
LISTEN = f"""
import sys
from tests.far_ends import topic
with topic({PORT}, "{FAR}") as far:
    print("ready", flush=True)
    sys.stdin.read()
    print(len(far.taken), flush=True)
"""
SEND = f"""
import asyncio, os, sys
from drivers import messenger
from drivers.contract import DriverError
messenger.CONNECT_S = messenger.READ_S = 1.0
mine = messenger.AppriseMessenger("ntfy://{FAR}:{PORT}/morez")
os.setgroups([]); os.setgid(65534); os.setuid(65534)  # as the unit runs it: no capability
try:
    asyncio.run(mine.send("t", "b", sys.argv[1]))
    print("taken")
except DriverError:
    print("refused")
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


@contextlib.contextmanager
def two_providers() -> Iterator[tuple[str, str]]:
    """Yield the names of the box's namespace and of the living provider's; the dead one is the box's best route."""
    box, dead, living = names = [f"gm{os.getpid()}{part}" for part in "bdl"]
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        for number, provider in ((1, dead), (2, living)):
            ip("-n", box, "link", "add", f"eth{number}", "type", "veth", "peer", "name", "wan", "netns", provider)
            ip("-n", box, "addr", "add", f"10.99.{number}.1/24", "dev", f"eth{number}")
            ip("-n", provider, "addr", "add", f"10.99.{number}.2/24", "dev", "wan")
            ip("-n", box, "link", "set", f"eth{number}", "up")
            ip("-n", provider, "link", "set", "wan", "up")
            way = ("default", "via", f"10.99.{number}.2", "dev", f"eth{number}", "metric", str(number * 100))
            ip("-n", box, "route", "add", *way)
        ip("-n", living, "addr", "add", f"{FAR}/32", "dev", "lo")
        yield box, living
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=10)


@pytest.mark.peers
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes network namespaces")
def test_a_message_leaves_by_the_link_that_lives() -> None:
    with two_providers() as (box, living):
        listen = ["ip", "netns", "exec", living, sys.executable, "-c", LISTEN]
        with subprocess.Popen(listen, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as far:
            try:
                assert far.stdout is not None
                assert far.stdout.readline() == "ready\n"
                said = [_send(box, via) for via in ("", "eth2", "eth1", "gone0")]
                counted, _ = far.communicate(timeout=10)
            finally:
                far.kill()
    assert said == ["refused", "taken", "refused", "refused"]
    assert counted == "1\n"


def _send(box: str, via: str) -> str:
    command = ["ip", "netns", "exec", box, sys.executable, "-c", SEND, via]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_a_pin_holds_back_nothing_on_this_machine() -> None:
    with topic(free_port()) as far:
        asyncio.run(AppriseMessenger(f"ntfy://127.0.0.1:{far.port}/morez").send("t", "b", "eth9"))
        assert far.taken == [("t", "b")]
