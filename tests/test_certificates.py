"""The site's own authority: real OpenSSL at both ends, a real handshake, and what it may not speak for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.certificates import CertificateError, authority_of, ends_at, files_of, fingerprint, issue, names_in, names_of
from agent.config import ConfigError, Places, Site, SiteCard, WebConfig
from agent.live import read_pictures
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.services import web as web_service
from agent.services.standing import Standing
from agent.services.tend import tend
from agent.sitefile import read_site
from agent.views.web.listen import tls_of
from drivers.clock import SystemClock
from drivers.contract import Moment, Trust

pytestmark = pytest.mark.peers
MINIMAL = "[site]\nname = 'Les Crozets'\ncode = 'crozets'\n"
SITE = Site(
    SiteCard("Les Crozets", "crozets", address="https://192.168.7.2:8443/"),
    web=WebConfig("127.0.0.1:0", authority=True, hosts=("gardien.example",)),
)
NAMES = ("127.0.0.1", "192.168.7.2", "crozets.local", "gardien.example", "localhost")


def soon() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "state").mkdir()
    (tmp_path / "run").mkdir()
    return Places(tmp_path / "state", tmp_path / "run")


def test_it_names_the_site_and_lasts_what_browsers_bear(places: Places) -> None:
    assert names_of(SITE) == NAMES
    assert issue(SITE, places, soon())
    files = files_of(SITE, places)
    assert files == (places.state / "tls/site.pem", places.state / "tls/site.key")
    certificate, key = files
    assert names_in(certificate) == NAMES
    assert timedelta(days=397) < ends_at(certificate) - soon() <= timedelta(days=398)
    assert timedelta(days=3652) < ends_at(authority_of(places)) - soon() <= timedelta(days=3653)
    assert key.stat().st_mode & 0o777 == 0o640
    assert sorted(one.name for one in key.parent.iterdir()) == [
        "authority.key",
        "authority.pem",
        "site.key",
        "site.pem",
    ]
    mark = fingerprint(authority_of(places))
    said = subprocess.run(
        ["openssl", "x509", "-in", authority_of(places), "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    ).stdout
    assert said.strip().rpartition("=")[2] == mark


@pytest.mark.parametrize(
    ("later", "again"), [(timedelta(0), False), (timedelta(days=277), False), (timedelta(days=279), True)]
)
def test_it_is_signed_anew_four_months_before_its_end_by_the_same_authority(
    places: Places, later: timedelta, again: bool
) -> None:
    issue(SITE, places, soon())
    authority, first = authority_of(places).read_bytes(), (places.state / "tls/site.pem").read_bytes()
    assert issue(SITE, places, soon() + later) is again
    assert authority_of(places).read_bytes() == authority
    assert ((places.state / "tls/site.pem").read_bytes() != first) is again


def test_a_wrong_clock_s_certificate_and_a_new_address_are_put_right(places: Places) -> None:
    issue(SITE, places, soon())
    assert issue(SITE, places, soon() - timedelta(days=2))  # "400 days left": signed by a clock that ran ahead
    moved = replace(SITE, site=replace(SITE.site, address="https://10.1.2.3/"))
    assert issue(moved, places, soon())
    assert "10.1.2.3" in names_in(places.state / "tls/site.pem")


def test_it_cannot_speak_for_anything_else(places: Places) -> None:
    """A name that was not there when the authority was made, a public address: refused, and the old one stays."""
    issue(SITE, places, soon())
    before = (places.state / "tls/site.pem").read_bytes()
    for host in ("bank.example", "203.0.113.7"):
        other = replace(SITE, web=replace(SITE.web, hosts=(host,)))
        with pytest.raises(CertificateError):
            issue(other, places, soon())
        assert (places.state / "tls/site.pem").read_bytes() == before


def test_what_is_no_certificate_is_said(tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "odd.pem"
    odd.write_text("odd")
    for ask in (ends_at, fingerprint, names_in):
        with pytest.raises(CertificateError):
            ask(odd)
        with pytest.raises(CertificateError):
            ask(tmp_path / "none.pem")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CertificateError, match="install the Debian package"):
        issue(SITE, places, soon())


@contextlib.asynccontextmanager
async def web_standing(site: Site, places: Places) -> AsyncIterator[None]:
    clock = SystemClock()
    with (
        Ledger.open(places.state / "ledger.db") as ledger,
        RosterStore.open(places.state, ledger, clock) as roster,
    ):
        here = Standing("web", site, places, clock, ledger, roster)
        await web_service.wire(here)
        run = asyncio.create_task(here.run())
        try:
            yield
        finally:
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run


async def until(what: object, within_s: float = 10.0) -> None:
    assert callable(what)
    async with asyncio.timeout(within_s):
        while not what():
            await asyncio.sleep(0.05)


async def served(port: int, trust: Path) -> dict[str, object]:
    """Return the certificate that a phone which trusts `trust` is shown. Raises ssl.SSLError."""
    context = ssl.create_default_context(cafile=str(trust))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("peercert")
    writer.close()
    return dict(shown)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_the_web_service_makes_it_serves_it_and_takes_a_new_one_without_a_restart(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_service, "CERTIFICATE_LOOK_S", 0.1)
    port = free_port()
    site = replace(SITE, web=replace(SITE.web, listen=f"127.0.0.1:{port}"))

    async def run() -> None:
        async with web_standing(site, places):
            first = await served(port, authority_of(places))
            assert ("IP Address", "192.168.7.2") in first["subjectAltName"]  # type: ignore[operator]
            with pytest.raises(ssl.SSLError):
                await served(port, Path(ssl.get_default_verify_paths().openssl_cafile or os.devnull))
            await until(lambda: "web" in read_pictures(places.run))
            await until(lambda: read_pictures(places.run)["web"].certificate_until is not None)
            assert read_pictures(places.run)["web"].certificate_until == ends_at(places.state / "tls/site.pem")
            assert issue(site, places, soon() + timedelta(days=300))
            for _ in range(100):
                second = await served(port, authority_of(places))
                if second["serialNumber"] != first["serialNumber"]:
                    break
                await asyncio.sleep(0.05)
            assert second["serialNumber"] != first["serialNumber"]

    asyncio.run(asyncio.wait_for(run(), 60))


def test_the_housekeeping_keeps_it_young(places: Places) -> None:
    class At:
        def __init__(self, utc: datetime, trust: Trust) -> None:
            self._now = Moment(utc, 1000.0, "boot", trust)

        def now(self) -> Moment:
            return self._now

    def said(utc: datetime, trust: Trust = Trust.SYNCHRONISED) -> list[str]:
        return [one.says for one in tend(SITE, places, At(utc, trust)) if "certificate" in one.says]

    assert said(soon()) == ["the certificate was signed anew"]
    assert said(soon()) == ["the certificate is good"]
    assert said(soon() + timedelta(days=300), Trust.RESTORED) == []  # a wrong clock signs nothing
    assert said(soon() + timedelta(days=300)) == ["the certificate was signed anew"]
    assert tls_of(*(files_of(SITE, places) or ())).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("web", "remedy"),
    [
        ("[web]\nauthority = true\ncertificate = 'a.pem'\nkey = 'a.key'\n", "retirez certificate et key"),
        ("[web]\nauthority = true\nlisten = '0.0.0.0:8443'\n", "demande [site] address"),
    ],
)
def test_a_site_file_that_wants_both_or_says_no_address_is_refused(tmp_path: Path, web: str, remedy: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(MINIMAL + web, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_site(file)
    assert any(remedy in fault for fault in refused.value.faults)
