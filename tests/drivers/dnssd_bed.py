"""Run in a network namespace of its own (`unshare -n`): a bus, avahi-daemon, our copier and a cupsd that announces.

`python -m tests.drivers.dnssd_bed FOLDER` prints what avahi-browse resolves, as a phone in the room would see it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from drivers.peers import cups

AVAHI = """\
[server]
host-name=boitier
use-ipv6=no
allow-interfaces=lan0
enable-dbus=yes
disallow-other-stacks=no
[publish]
publish-workstation=no
[rlimits]
"""
STARTS_S = 15.0


def network() -> None:
    """Give this namespace a small LAN."""
    for words in (
        "ip link set lo up",
        "ip link add lan0 type veth peer name lan1",
        "ip addr add 192.0.2.9/24 dev lan0",
        "ip link set lan0 up multicast on",
        "ip link set lan1 up",
        "ip route add 224.0.0.0/4 dev lan0",
    ):
        subprocess.run(words.split(), check=True, timeout=10)


def wait_for(path: Path) -> None:
    limit = time.monotonic() + STARTS_S
    while not path.exists() and time.monotonic() < limit:
        time.sleep(0.05)


def main(folder: Path) -> None:
    """Announce, browse, print, end."""
    network()
    bus = f"unix:path={folder}/bus"
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = bus
    (folder / "avahi.conf").write_text(AVAHI, encoding="ascii")
    started = [subprocess.Popen(["dbus-daemon", "--session", "--nofork", f"--address={bus}"])]
    try:
        wait_for(folder / "bus")
        avahi = ["avahi-daemon", "-f", str(folder / "avahi.conf"), "--no-drop-root", "--no-chroot", "--no-rlimits"]
        started.append(subprocess.Popen(avahi))
        copier = [sys.executable, "-m", "drivers.peers.copier", "--state", str(folder / "copier"), "--port", "0"]
        started.append(subprocess.Popen([*copier, "--panel", str(folder / "panel")], stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        announce(folder, started[-1].stdout.readline().strip())
    finally:
        for one in reversed(started):
            one.terminate()
            one.wait(10)


def announce(folder: Path, uri: str) -> None:
    """Have cupsd announce as the role has it, and look."""
    browsing = "Browsing Yes\nBrowseLocalProtocols dnssd\nDefaultShared No"
    cups.CUPSD_CONF = cups.CUPSD_CONF.replace("Browsing No", browsing).replace("Listen 127.0.0.1:", "Listen *:")
    with cups.CupsPeer(folder / "cups") as cupsd:
        cupsd.add_queue("copieur", uri, held=True)
        cupsd.add_queue("copieur-direct", uri)
        where = {**os.environ, "CUPS_SERVER": cupsd.server}
        for queue, shared in (("copieur", "true"), ("copieur-direct", "false")):
            words = ["lpadmin", "-p", queue, "-o", f"printer-is-shared={shared}"]
            subprocess.run(words, env=where, check=True, timeout=30)
        time.sleep(2.0)
        for kind in ("_ipp._tcp", "_universal._sub._ipp._tcp"):
            subprocess.run(["avahi-browse", "-rtp", kind], check=True, timeout=30)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
