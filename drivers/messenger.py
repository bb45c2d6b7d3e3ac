"""Messages to people who are not here, by apprise: e-mail, ntfy and a hundred other services, one address each.

The one idea: the address is a secret (it holds a password or a topic), so no error and no log of ours repeats it. One
daemon thread per message at most: a far end that says nothing is left behind after `LIMIT_S`, and no further message
goes out by this route until that thread has ended. apprise (BSD-2-Clause) and its requests (Apache-2.0) cost some
36 MB: this file is imported only where alerts are configured, in a process of its own.

A message about a dead link must not wait for that link because the best route still leads there. So a message can be
pinned to the interface of a living one (SO_BINDTODEVICE, socket(7); since Linux 5.7 it needs no capability). apprise
has no place for that, so this process's sockets look for a pin of their thread when they connect. Names are looked up
by the system's resolver, which asks its next server when the first one's line is dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from typing import Any

from apprise import Apprise, NotifyBase, NotifyFormat

from drivers.contract import DriverError

CONNECT_S = 8.0
READ_S = 8.0
LIMIT_S = 45.0  # of one message in all: SMTP answers several times


_pin = threading.local()


class _PinnedSocket(socket.socket):
    """A socket that leaves by its thread's interface, if that has one. An interface that is gone pins nothing."""

    def connect(self, address: Any) -> None:
        interface = getattr(_pin, "interface", "")
        if interface and self.family in {socket.AF_INET, socket.AF_INET6} and not _here(str(address[0])):
            with contextlib.suppress(OSError):
                self.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        super().connect(address)


def _here(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


class AppriseMessenger:
    """Plays Messenger over one apprise address."""

    def __init__(self, url: str, limit_s: float = LIMIT_S) -> None:
        logging.getLogger("apprise").disabled = True  # it writes addresses
        socket.socket = _PinnedSocket  # type: ignore[misc]  # in this process only, which is about nothing else
        plugin = Apprise.instantiate(url)
        if not isinstance(plugin, NotifyBase):
            raise DriverError("une adresse d'alerte n'est pas comprise (voir la documentation d'apprise)")
        plugin.socket_connect_timeout = CONNECT_S
        plugin.socket_read_timeout = READ_S
        plugin.request_rate_per_sec = 0  # it would sleep on an old message while a newer one is known
        self._plugin = plugin
        self._limit_s = limit_s
        self._busy: threading.Thread | None = None

    async def send(self, title: str, text: str, via: str = "") -> None:
        """Hand one message over, by the interface `via`. Raises DriverError if the far end did not take it in time."""
        if self._busy is not None and self._busy.is_alive():
            raise DriverError("le message précédent attend encore sa réponse")
        loop = asyncio.get_running_loop()
        taken: asyncio.Future[bool] = loop.create_future()

        def settle(done: bool) -> None:  # noqa: FBT001  (a callback)
            if not taken.done():
                taken.set_result(done)

        def hand_over() -> None:
            done = False
            _pin.interface = via
            with contextlib.suppress(Exception):  # a plug-in's own trouble: not taken
                done = bool(self._plugin.notify(body=text, title=title, body_format=NotifyFormat.TEXT))
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, done)

        self._busy = threading.Thread(target=hand_over, name="message", daemon=True)
        self._busy.start()
        try:
            async with asyncio.timeout(self._limit_s):
                done = await taken
        except TimeoutError as error:
            raise DriverError("pas de réponse à temps") from error
        if not done:
            raise DriverError("le message n'a pas été accepté")
