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
import ctypes
import itertools
import os
import re
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from drivers.contract import DriverError
from drivers.verbs import LinkVerb, VerbError

FAR_TARGETS = ("192.0.2.1", "198.51.100.1", "203.0.113.1")  # RFC 5737: three networks that exist nowhere
WAIT_S = 5.0
CLONE_NEWNET = 0x40000000
NETNS = Path("/run/netns")
_NAME = re.compile(r"^gardien-(\d+)-\d+-")
_QUEUE = "burst 16kb limit 96kb"  # an ADSL modem's: 0.8 s at 1 Mbit/s
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


def available() -> str:
    """Return "" where providers can run, else the reason in one sentence."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "tc", "nft", "nsenter"):
        if shutil.which(program) is None:
            return f"the program {program!r} is missing (iproute2, nftables, util-linux)"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "there is no /dev/net/tun"
    trial = f"gardien-{os.getpid()}-0-trial"
    try:
        _run("ip", "netns", "add", trial)
        try:
            _run("nsenter", f"--net={NETNS / trial}", "nft", "list", "ruleset")
        finally:
            _run("ip", "netns", "del", trial)
    except DriverError as error:
        return f"this machine makes no network namespace: {error}"
    return ""


class Providers:
    """The links of one site. A context manager, or `start` and `stop`; the faults may be set from any thread.

    Link N (from 1) has the box 192.168.N.1 and our interface, named like the link, 192.168.N.2. A fault lasts until
    `mend` or, where `for_s` is given, so many seconds. `logs`, where given, is a folder that gets LINK.log: every
    packet that the internet behind that link saw. Raises DriverError where the machine refuses.
    """

    def __init__(self, links: Sequence[str], *, seed: int = 1, logs: Path | None = None) -> None:
        self.links = tuple(links)
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
                _end(provider.internet)
            self._providers.clear()
        for name in _namespaces():
            if name.startswith(self._prefix):
                _run("ip", "netns", "del", name)

    def _add_namespace(self, name: str) -> None:
        _run("ip", "netns", "add", name)
        self._in(name, "sh", "-ec", _SETTINGS)
        self._ip(name, "link set lo up")

    def _add_provider(self, number: int, link: str) -> None:
        namespace = self._prefix + link
        self._add_namespace(namespace)
        log = () if self._logs is None else (str(self._logs / f"{link}.log"),)
        program = (sys.executable, "-I", "-S", str(Path(__file__).with_name("internet.py")), "wan")
        internet = subprocess.Popen(
            [*_entering(namespace), *program, str(self._seed + number), *log],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._providers[link] = _Provider(number, namespace, internet)
        _expect(internet, "ready")
        self._ip(
            namespace,
            f"link add lan type veth peer name {link} netns {self.site}",
            f"addr add 192.168.{number}.1/24 dev lan",
            "link set lan up",
            f"addr add 100.64.{number}.1/24 dev wan",
            "link set wan up",
            "route add default dev wan",
        )
        self._ip(
            self.site,
            f"addr add 192.168.{number}.2/24 dev {link}",
            f"link set {link} up",
            f"route add default via 192.168.{number}.1 metric {100 * number}",
        )

    # --- the probing side ----------------------------------------------------------------------------------

    def enter_prefix(self) -> list[str]:
        """Return the words to put before a command so that it runs at the site, between its links."""
        return _entering(self.site)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Put the calling thread at the site for a while: sockets opened now belong there for ever (setns(2))."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(NETNS / self.site)
            try:
                yield
            finally:
                _enter(Path(f"/proc/self/fd/{home}"))
        finally:
            os.close(home)

    def gateway(self, link: str) -> str:
        """Return the address of the box of `link`."""
        return f"192.168.{self._provider(link).number}.1"

    # --- faults --------------------------------------------------------------------------------------------

    def obey(self, verb: LinkVerb) -> str:
        """Do what a verb says and return one line about it. Raises VerbError for a link that is not here."""
        if verb.link not in self._providers:
            raise VerbError(f"no link {verb.link!r}; there are: {', '.join(self._providers)}")
        match verb.name:
            case "cut":
                self.cut(verb.link, verb.for_s)
            case "box":
                self.box(verb.link, verb.for_s)
            case "unplug":
                self.unplug(verb.link, verb.for_s)
            case "loss":
                self.loss(verb.link, verb.amount, verb.for_s)
            case "delay":
                self.delay(verb.link, verb.amount, verb.for_s)
            case "rate":
                self.rate(verb.link, verb.amount, verb.for_s)
            case _:
                self.mend(verb.link)
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
        shape = f"root tbf rate {bit_per_s:.0f}bit {_QUEUE}\n"
        self._do(link, for_s, ("tc", f"qdisc replace dev wan {shape}qdisc replace dev lan {shape}"))

    def mend(self, link: str) -> None:
        """End every fault of `link`. Harmless on a sound one."""
        with self._lock:
            provider = self._provider(link)
            self._forget_timer(provider)
            if "netdev gardien" in self._in(provider.namespace, "nft", "list", "tables"):
                self._in(provider.namespace, "nft", "delete", "table", "netdev", "gardien")
            for device in ("wan", "lan"):
                if " tbf " in self._in(provider.namespace, "tc", "qdisc", "show", "dev", device):
                    self._in(provider.namespace, "tc", "qdisc", "del", "dev", device, "root")
            self._ip(provider.namespace, "link set lan up")
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
        _expect(provider.internet, "ok")

    @staticmethod
    def _in(namespace: str, *words: str, text: str = "") -> str:
        return _run(*_entering(namespace), *words, text=text)

    def _ip(self, namespace: str, *lines: str) -> None:
        self._in(namespace, "ip", "-batch", "-", text="\n".join(lines) + "\n")


def reclaim() -> None:
    """Remove the namespaces of owners that are dead."""
    for name in _namespaces():
        owner = _NAME.match(name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            _run("ip", "netns", "del", name)


def _namespaces() -> list[str]:
    return sorted(file.name for file in NETNS.glob("gardien-*")) if NETNS.exists() else []


def _entering(namespace: str) -> list[str]:
    return ["nsenter", f"--net={NETNS / namespace}", "--"]


def _enter(namespace: Path) -> None:
    handle = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) != 0:
            raise DriverError(f"setns: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(handle)


def _run(*words: str, text: str = "") -> str:
    """Run one command to its end and return what it printed. Raises DriverError with its own complaint."""
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=WAIT_S, check=True)
    except subprocess.CalledProcessError as error:
        raise DriverError(f"{' '.join(words)}: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DriverError(f"{' '.join(words)}: {error}") from error
    return done.stdout


def _expect(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], WAIT_S)[0]:
        raise DriverError("the internet process does not answer")
    said = process.stdout.readline().strip()
    if said != word:
        raise DriverError(f"the internet process said {said!r} instead of {word!r}")


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(WAIT_S)
    process.stdout.close()
