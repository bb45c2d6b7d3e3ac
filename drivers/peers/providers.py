"""Two (or N) internet providers on one machine: network namespaces that can be cut, choked and unplugged.

    site namespace                     one namespace per provider
    [adsl1 192.168.1.2] ---- veth ---- [lan 192.168.1.1 | box | wan] ---- TUN ---- internet.py (any address answers)
    [adsl2 192.168.2.2] ---- veth ---- [lan 192.168.2.1 | box | wan] ---- TUN ---- internet.py

The box is a Linux router, so ARP, forwarding, carrier and queues are the kernel's own (network_namespaces(7), veth(4),
tc-tbf(8), nft(8)). Nothing is made in the machine's own namespace: no route, address or rule of it changes, and not one
packet leaves. The probing side runs in the site namespace through `enter_prefix`.

Root only: `available` says whether, and why not. Every name carries its owner's process id; what a killed run left is
removed at the next start. Calls block for some 10 ms. One `threading.Timer` per timed fault; a lock serialises all.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from drivers.contract import DriverError
from drivers.peers.namespaces import NETNS, end, enter, entering, expect, namespaces, reclaim, run
from drivers.verbs import LinkVerb, VerbError

FAR_TARGETS = ("192.0.2.1", "198.51.100.1", "203.0.113.1")  # RFC 5737: three networks that exist nowhere
UP_BIT_S, DOWN_BIT_S = 1e6, 8e6
_QUEUE = "burst 16kb limit 96kb"  # an ADSL modem's: 0.8 s at 1 Mbit/s
_DEEP = """qdisc replace dev lan parent 1:1 handle 2: bfifo limit 192kb
filter replace dev lan parent 1: protocol ip prio 1 handle 800::800 u32 match u32 0 0 flowid 1:1
"""
_serial = itertools.count(1)

_SETTINGS = """
echo 1 > /proc/sys/net/ipv4/ip_forward
for each in all default; do
  echo 0 > /proc/sys/net/ipv4/conf/$each/rp_filter
  if [ -e /proc/sys/net/ipv6 ]; then echo 1 > /proc/sys/net/ipv6/conf/$each/disable_ipv6; fi
done
"""
_DEAD_BOX = """
table netdev gardien {
  chain in  { type filter hook ingress device lan priority 0; policy drop; }
  chain out { type filter hook egress device lan priority 0; policy drop; }
}
"""


@dataclass(slots=True)
class _Provider:
    number: int
    namespace: str
    internet: subprocess.Popen[str]
    timer: threading.Timer | None = None


class Providers:
    """The links of one site. A context manager, or `start` and `stop`; the faults may be set from any thread.

    Link N (from 1) has the box 192.168.N.1 and our interface, named like the link, 192.168.N.2; if `shared`, all boxes
    are 192.168.1.1 on one LAN, where our interface is lan0, 192.168.1.2. A fault lasts until
    `mend` or, where `for_s` is given, so many seconds. `logs`, where given, is a folder that gets LINK.log: every
    packet that the internet behind that link saw. Raises DriverError where the machine refuses.
    """

    def __init__(self, links: Sequence[str], *, seed: int = 1, logs: Path | None = None, shared: bool = False) -> None:
        self.links, self._shared = tuple(links), shared
        self._seed, self._logs = seed, logs
        self._prefix = f"gardien-{os.getpid()}-{next(_serial)}-"
        self.site = self._prefix + "site"
        self._providers: dict[str, _Provider] = {}
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Build everything; on a failure, remove what was built. Reclaims leftovers of dead runs first."""
        reclaim()
        try:
            self._add_namespace(self.site)
            if self._shared:
                self._add_lan()
            for number, link in enumerate(self.links, 1):
                self._add_provider(number, link)
        except DriverError:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove everything. Harmless twice."""
        with self._lock:
            for provider in self._providers.values():
                if provider.timer is not None:
                    provider.timer.cancel()
                end(provider.internet)
            self._providers.clear()
        for name in namespaces():
            if name.startswith(self._prefix):
                run("ip", "netns", "del", name)

    def _add_namespace(self, name: str) -> None:
        run("ip", "netns", "add", name)
        self._in(name, "sh", "-ec", _SETTINGS)
        self._ip(name, "link set lo up")

    def _add_provider(self, number: int, link: str) -> None:
        namespace = self._prefix + link
        self._add_namespace(namespace)
        log = () if self._logs is None else (str(self._logs / f"{link}.log"),)
        program = (sys.executable, "-I", "-S", str(Path(__file__).with_name("internet.py")), "wan")
        internet = subprocess.Popen(
            [*entering(namespace), *program, str(self._seed + number), *log],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._providers[link] = _Provider(number, namespace, internet)
        expect(internet, "ready")
        third = 1 if self._shared else number
        inside, peer = (self._lan, f"port{number}") if self._shared else (self.site, link)
        self._ip(
            namespace,
            f"link add lan address {_mac(number)} type veth peer name {peer} netns {inside}",
            f"addr add 192.168.{third}.1/24 dev lan",
            "link set lan up",
            f"neigh add 192.168.{third}.77 lladdr 02:00:00:00:4d:4d dev lan nud permanent",
            f"addr add 100.64.{number}.1/24 dev wan",
            "link set wan up",
            "route add default dev wan",
        )
        if self._shared:
            self._ip(self._lan, f"link set {peer} master br0 up")
            return
        self._ip(
            self.site,
            f"addr add 192.168.{number}.2/24 dev {link}",
            f"link set {link} up",
            f"route add default via 192.168.{number}.1 metric {100 * number}",
        )

    def _add_lan(self) -> None:
        """One switch for all boxes and one interface of ours on it: every box is 192.168.1.1, each with its own MAC."""
        self._lan = self._prefix + "lan"
        self._add_namespace(self._lan)
        self._ip(
            self._lan,
            "link add br0 type bridge",
            "link set br0 up",
            f"link add port0 type veth peer name lan0 netns {self.site}",
            "link set port0 master br0 up",
        )
        self._ip(self.site, "addr add 192.168.1.2/24 dev lan0", "link set lan0 up", "route add default via 192.168.1.1")

    # --- the probing side ----------------------------------------------------------------------------------

    def enter_prefix(self) -> list[str]:
        """Return the words to put before a command so that it runs at the site, between its links."""
        return entering(self.site)

    @contextlib.contextmanager
    def inside(self, box: str = "") -> Iterator[None]:
        """Put the calling thread at the site, or on the box of a link, for a while.

        Sockets opened now belong there for ever (setns(2)).
        """
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(NETNS / (self._provider(box).namespace if box else self.site))
            try:
                yield
            finally:
                enter(Path(f"/proc/self/fd/{home}"))
        finally:
            os.close(home)

    def gateway(self, link: str) -> str:
        """Return the address of the box of `link`."""
        return f"192.168.{1 if self._shared else self._provider(link).number}.1"

    def gateway_mac(self, link: str) -> str:
        """Return the MAC of the box of `link`, before any `move`."""
        return _mac(self._provider(link).number)

    def interface(self, link: str) -> str:
        """Return our interface on `link`."""
        return "lan0" if self._shared else link

    def resolver(self, link: str) -> str:
        """Return the address of the provider's own DNS server."""
        return f"100.64.{self._provider(link).number}.53"

    # --- faults --------------------------------------------------------------------------------------------

    def obey(self, verb: LinkVerb) -> str:
        """Do what a verb says and return one line about it. Raises VerbError for a link that is not here."""
        if verb.link not in self._providers:
            raise VerbError(f"no link {verb.link!r}; there are: {', '.join(self._providers)}")
        match verb.name:
            case "box" | "unplug" | "refuse":
                {"box": self.box, "unplug": self.unplug, "refuse": self.refuse}[verb.name](verb.link, verb.for_s)
            case "loss" | "delay":
                self._tell(verb.link, f"{verb.name} {verb.amount}", verb.for_s)
            case "rate":
                self.rate(verb.link, verb.amount, verb.for_s)
            case "saturate":
                self.saturate(verb.link, verb.what, verb.for_s)
            case "move":
                self.move(verb.link)
            case "mend":
                self.mend(verb.link)
            case _:
                self._tell(verb.link, f"{verb.name} {verb.what}", verb.for_s)
        return f"{verb.name} {verb.link}"

    def cut(self, link: str, for_s: float | None = None) -> None:
        """Kill the line behind a living box, silently; packets under way are lost too."""
        self._tell(link, "cut", for_s)

    def box(self, link: str, for_s: float | None = None) -> None:
        """Kill the box: it answers no ARP and forwards nothing, but the carrier stays."""
        self._do(link, for_s, ("nft", _DEAD_BOX))

    def unplug(self, link: str, for_s: float | None = None) -> None:
        """Pull our cable: no carrier."""
        self._do(link, for_s, ("ip", "link set lan down\n"))

    def loss(self, link: str, share: float, for_s: float | None = None) -> None:
        """Lose packets by the seeded die."""
        self._tell(link, f"loss {share}", for_s)

    def delay(self, link: str, delay_s: float, for_s: float | None = None) -> None:
        """Answer every packet so much later."""
        self._tell(link, f"delay {delay_s}", for_s)

    def double(self, link: str) -> None:
        """Answer every packet twice."""
        self._tell(link, "double", None)

    def rate(self, link: str, bit_per_s: float, for_s: float | None = None) -> None:
        """Shape both directions, with a modem's deep queue."""
        self._shape(link, bit_per_s, bit_per_s, for_s)

    def saturate(self, link: str, where: str, for_s: float | None = None) -> None:
        """Fill one direction, "up" or "down", or "both" with others' traffic, on a line with an ADSL's deep queues."""
        provider = self._provider(link)
        third = (
            1 if self._shared else provider.number
        )  # `unplug` and `move` flush the permanent neighbour (neighbour.c)
        self._ip(provider.namespace, f"neigh replace 192.168.{third}.77 lladdr 02:00:00:00:4d:4d dev lan nud permanent")
        self._shape(link, DOWN_BIT_S, UP_BIT_S, for_s)
        for way, bit_s in (("up", UP_BIT_S), ("down", DOWN_BIT_S)):
            if where in (way, "both"):
                self._tell(link, f"flood {way} {1.25 * bit_s}", for_s)

    def refuse(self, link: str, for_s: float | None = None) -> None:
        """Kill the line behind a box that says so (ICMP host unreachable, at most one a second)."""
        self._do(link, for_s, ("ip", "route replace unreachable default\n"))

    def ill(self, link: str, line: str, for_s: float | None = None) -> None:
        """Let the internet be as `internet.py` understands it: "isp", "portal", "hole", "dns dead", ..."""
        self._tell(link, line, for_s)

    def move(self, link: str) -> None:
        """Put another box there: same address, a MAC that no other has."""
        with self._lock:
            provider = self._provider(link)
            self._ip(provider.namespace, f"link set lan address {_mac(provider.number, next(_serial))}")

    def renumber(self, link: str, third: int) -> None:
        """Give the LAN of `link` another subnet, and us the address and route that its DHCP would."""
        with self._lock:
            provider, device = self._provider(link), self.interface(link)
            self._ip(provider.namespace, "addr flush dev lan", f"addr add 192.168.{third}.1/24 dev lan")
            self._ip(
                self.site,
                f"addr flush dev {device}",
                f"addr add 192.168.{third}.2/24 dev {device}",
                f"route add default via 192.168.{third}.1 metric {100 * provider.number}",
            )

    def _shape(self, link: str, down_bit_s: float, up_bit_s: float, for_s: float | None) -> None:
        """Shape what goes to the line and what comes from it; the box's own ARP waits for nothing (tc-htb(8))."""
        up = f"qdisc replace dev wan root tbf rate {up_bit_s:.0f}bit {_QUEUE}"
        down = f"class replace dev lan parent 1: classid 1:1 htb rate {down_bit_s:.0f}bit burst 16kb quantum 1514"
        self._do(link, for_s, ("tc", f"{up}\nqdisc replace dev lan root handle 1: htb\n{down}\n{_DEEP}"))

    def mend(self, link: str) -> None:
        """End every fault of `link`. Harmless on a sound one."""
        with self._lock:
            provider = self._provider(link)
            self._forget_timer(provider)
            if "netdev gardien" in self._in(provider.namespace, "nft", "list", "tables"):
                self._in(provider.namespace, "nft", "delete", "table", "netdev", "gardien")
            for device, shaper in (("wan", " tbf "), ("lan", " htb ")):
                if shaper in self._in(provider.namespace, "tc", "qdisc", "show", "dev", device):
                    self._in(provider.namespace, "tc", "qdisc", "del", "dev", device, "root")
            self._ip(provider.namespace, "link set lan up", "route replace default dev wan")
            self._say(provider, "mend")

    def _tell(self, link: str, line: str, for_s: float | None) -> None:
        with self._lock:
            self._say(self._provider(link), line)
            self._end_after(link, for_s)

    def _do(self, link: str, for_s: float | None, batch: tuple[str, str]) -> None:
        program, script = batch
        flags = ("-f", "-") if program == "nft" else ("-batch", "-")
        with self._lock:
            provider = self._provider(link)
            if program == "nft" and "netdev gardien" in self._in(provider.namespace, "nft", "list", "tables"):
                return
            self._in(provider.namespace, program, *flags, text=script)
            self._end_after(link, for_s)

    def _end_after(self, link: str, for_s: float | None) -> None:
        provider = self._provider(link)
        self._forget_timer(provider)
        if for_s is not None:
            provider.timer = threading.Timer(for_s, self._mend_if_there, (link,))
            provider.timer.daemon = True
            provider.timer.start()

    def _mend_if_there(self, link: str) -> None:
        with self._lock:
            if link in self._providers:
                self.mend(link)

    @staticmethod
    def _forget_timer(provider: _Provider) -> None:
        if provider.timer is not None:
            provider.timer.cancel()
            provider.timer = None

    # --- tools ---------------------------------------------------------------------------------------------

    def _provider(self, link: str) -> _Provider:
        try:
            return self._providers[link]
        except KeyError:
            raise DriverError(f"no link {link!r}; there are: {', '.join(self._providers)}") from None

    def _say(self, provider: _Provider, line: str) -> None:
        assert provider.internet.stdin is not None
        try:
            provider.internet.stdin.write(line + "\n")
            provider.internet.stdin.flush()
        except OSError as error:
            raise DriverError("the internet process is gone") from error
        expect(provider.internet, "ok")

    @staticmethod
    def _in(namespace: str, *words: str, text: str = "") -> str:
        return run(*entering(namespace), *words, text=text)

    def _ip(self, namespace: str, *lines: str) -> None:
        self._in(namespace, "ip", "-batch", "-", text="\n".join(lines) + "\n")


def _mac(number: int, box: int = 1) -> str:
    return f"02:00:00:00:{number:02x}:{box % 256:02x}"
