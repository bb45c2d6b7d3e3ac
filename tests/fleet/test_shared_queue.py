"""The queues as the role makes them, from where members stand: on the wire outside the box.

A phone finds the queue that waits for a badge and no other (DNS-SD, RFC 6763); what it sends comes out by a badge; a
queue whose printer bills by nothing less than a password asks for one, over TLS, and PAM is who proves it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.dns import DNS, DNSQR

from drivers.peers.cups import pdf
from tests.fleet.bed import BOX, HOST
from tests.fleet.morez import COPIER_READER, Deployed, hold_card

MISSING = next((f"no {name}" for name in ("systemd-nspawn", "ipptool") if not shutil.which(name)), "")
pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="containers and namespaces need root"),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]

CARD, MARIE, SECRET = "0A00654321", "marie", "un-mot-bien-long"
PRINT_JOB = """{
    OPERATION Print-Job
    GROUP operation-attributes-tag
    ATTR charset attributes-charset utf-8
    ATTR language attributes-natural-language fr
    ATTR uri printer-uri $uri
    ATTR name requesting-user-name $who
    ATTR mimeMediaType document-format application/pdf
    FILE $filename
    STATUS successful-ok
}
"""
MDNS = ("224.0.0.251", 5353)
ASKED_S = 2.0

MEMBERS = f"""\
identifiant;nom;formule;carte;impression
marie;Une Abonnée;abonné;{CARD};{MARIE}
"""


def found(kind: str) -> list[str]:
    """Ask the wire once who offers `kind`, by legacy unicast (RFC 6762 section 6.7); return the answers' names."""
    query = bytes(DNS(rd=0, qd=DNSQR(qname=f"{kind}.local", qtype="PTR")))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(BOX))
        asking.settimeout(ASKED_S)
        names = set()
        asking.sendto(query, MDNS)
        until = time.monotonic() + ASKED_S
        while time.monotonic() < until:
            try:
                answer = DNS(asking.recv(9000))
            except TimeoutError:
                break
            names |= {bytes(record.rdata).decode().removesuffix(".") for record in answer.an if record.type == 12}
    return sorted(names)


def printed(deployed: Deployed, queue: str, document: Path, who: str, *options: str) -> str:
    """Print as a laptop on the wire does, as `who` (a name, or name:password); return what ipptool said."""
    request = document.with_name("print-job.test")
    request.write_text(PRINT_JOB, encoding="ascii")
    command = [*deployed.here.inside, "ipptool", "-tv", *options, "-f", str(document)]
    command += ["-d", f"who={who.partition(':')[0]}", f"ipp://{who}@{HOST}:631/printers/{queue}", str(request)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def facts(deployed: Deployed, kind: str, **fields: object) -> list[dict[str, Any]]:
    """Return the bodies of one kind of fact that have these fields."""
    lines = (json.loads(line) for line in deployed.here.do("gardien ledger export").splitlines())
    bodies = (line["content"]["body"] for line in lines if line["kind"] == kind)
    return [body for body in bodies if all(body[name] == value for name, value in fields.items())]


def appears(deployed: Deployed, kind: str, **fields: object) -> dict[str, Any]:
    """Wait for one fact."""
    until = time.monotonic() + 60
    while not (there := facts(deployed, kind, **fields)):
        assert time.monotonic() < until, deployed.here.do("gardien jobs; gardien status", may_fail=True)
        time.sleep(1)
    return there[0]


@pytest.fixture(scope="module")
def member(deployed: Deployed) -> str:
    """Return a member with a card, a print name and an account on the box of that name."""
    (deployed.here.root / "srv/members.csv").write_text(MEMBERS, encoding="utf-8")
    deployed.here.do("gardien member import /srv/members.csv")
    deployed.here.do(f"useradd {MARIE}; echo {MARIE}:{SECRET} | chpasswd")
    return "marie"


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "three.pdf"
    path.write_bytes(pdf(3, colour=False))
    return path


def test_a_phone_finds_the_queue_that_waits_for_a_badge_and_no_other(deployed: Deployed) -> None:
    for kind in ("_ipp._tcp", "_universal._sub._ipp._tcp"):
        seen = "import tests.fleet.test_shared_queue as t; print(t.found('" + kind + "'))"
        command = [*deployed.here.inside, sys.executable, "-c", seen]
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
        assert "le copieur" in said or "attente" in said, said
        assert "direct" not in said


def test_what_a_member_sends_comes_out_by_a_badge_and_a_phones_waits(
    deployed: Deployed, member: str, document: Path
) -> None:
    assert "successful-ok" in printed(deployed, "attente", document, "iphone")
    assert "successful-ok" in printed(deployed, "attente", document, MARIE)
    hold_card(deployed.here, COPIER_READER, CARD)
    released = appears(deployed, "job-let-out", device="copieur", member=member)
    assert released["sides"] == 3
    paid = appears(deployed, "attempt-known", device="copieur", member=member)
    assert (paid["low"], paid["high"], paid["level"]) == (3, 3, "badge")
    assert deployed.here.do("lpstat -o attente").count("attente-") == 1  # nobody's name: the animator says whose it is


def test_a_queue_that_bills_by_a_password_asks_for_one(deployed: Deployed, member: str, document: Path) -> None:
    for nobody in (MARIE, f"{MARIE}:wrong"):
        said = printed(deployed, "bureau", document, nobody, "-E")
        assert "not-authorized" in said or "not-authenticated" in said or "Unauthorized" in said, said
    assert facts(deployed, "attempt-known", device="bureau") == []
    said = printed(deployed, "bureau", document, f"{MARIE}:{SECRET}", "-E")
    assert "successful-ok" in said, said
    paid = appears(deployed, "attempt-known", device="bureau", member=member)
    assert (paid["low"], paid["high"], paid["level"]) == (3, 3, "authenticated")
