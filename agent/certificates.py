"""The site's own certificate authority, and how long a certificate is still good.

The one idea: a phone that trusts this authority must not thereby trust it with anything else. It may speak for this
site's own names and for private addresses alone (RFC 5280 section 4.2.1.10, name constraints), so that a stolen box is
no danger to its animator's mail. The authority lasts ten years and stays as it is, because somebody installed it on
their phone by hand; what it signs lasts 398 days and is signed anew when four months of them are left, so that a box
without internet, or without ops, is good for months. A private key is made once and leaves the state folder never.

The `openssl` program does the work; nothing here knows cryptography. Blocking calls of some 50 ms each.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import ssl
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from agent.config import Places, Site

AUTHORITY_DAYS = 3653
SIGNED_DAYS = 398  # what browsers bear from an authority of the trade (CA/Browser Forum BR 6.3.2), and phones from ours
AGAIN = timedelta(days=120)  # signed anew when less is left
LIMIT_S = 20.0  # for one call of the program
# RFC 1918, RFC 3927, RFC 4193, RFC 4291: addresses that mean another house in every house.
PRIVATE = (
    "10.0.0.0/255.0.0.0",
    "172.16.0.0/255.240.0.0",
    "192.168.0.0/255.255.0.0",
    "169.254.0.0/255.255.0.0",
    "127.0.0.0/255.0.0.0",
    "fc00::/fe00::",
    "fe80::/ffc0::",
    "::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
)


class CertificateError(Exception):
    """A certificate cannot be made or read; the sentence says which and why."""


def files_of(site: Site, places: Places) -> tuple[Path, Path] | None:
    """Return the certificate and its key that the pages are served with, given or our own; None for plain HTTP."""
    if site.web.authority:
        return places.state / "tls" / "site.pem", places.state / "tls" / "site.key"
    return (Path(site.web.certificate), Path(site.web.key)) if site.web.certificate else None


def authority_of(places: Places) -> Path:
    """Return the authority's certificate: what is installed on a phone."""
    return places.state / "tls" / "authority.pem"


def names_of(site: Site) -> tuple[str, ...]:
    """Return the names and addresses the pages are called by, sorted: what the certificate must say."""
    config, called = site.web, urlsplit(site.site.address).hostname or ""
    host = config.listen.rpartition(":")[0].strip("[]")
    wild = {"0.0.0.0", "::", ""}  # noqa: S104  (left out, not listened on)
    own = {"localhost", "127.0.0.1", f"{site.site.code}.local", called, host, *config.hosts}
    return tuple(sorted(name.lower() for name in own - wild))


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 fingerprint as phones show it, "AB:CD:…". Raises CertificateError."""
    try:
        der = ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise CertificateError(f"{certificate}: {error}") from error
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


def ends_at(certificate: Path) -> datetime:
    """Return when the (first) certificate of a PEM file ends. Raises CertificateError."""
    said = _openssl("x509", "-in", str(certificate), "-noout", "-enddate")
    try:
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(said.strip().removeprefix("notAfter=")), UTC)
    except ValueError as error:
        raise CertificateError(f"{certificate}: {said.strip()}") from error


def issue(site: Site, places: Places, now: datetime) -> bool:
    """Make what is missing, and sign anew what ends soon or no longer names this site; True if something was signed.

    `now` is to be trusted: what a wrong clock signs, a phone refuses. Raises CertificateError, OSError.
    """
    folder = places.state / "tls"
    folder.mkdir(mode=0o750, exist_ok=True)
    authority, names = authority_of(places), names_of(site)
    if not authority.exists():
        _make_authority(folder, site)
    signed = folder / "site.pem"
    if signed.exists() and _still_good(signed, names, now):
        return False
    _sign(folder, names)
    return True


def _still_good(signed: Path, names: tuple[str, ...], now: datetime) -> bool:
    left = ends_at(signed) - now
    return AGAIN < left <= timedelta(days=SIGNED_DAYS + 1) and names_in(signed) == names


def names_in(certificate: Path) -> tuple[str, ...]:
    """Return the names and addresses a certificate is good for, sorted (RFC 5280 section 4.2.1.6)."""
    said = _openssl("x509", "-in", str(certificate), "-noout", "-ext", "subjectAltName")
    found = re.findall(r"(?:DNS|IP Address):([^,\s]+)", said)
    return tuple(sorted(_plain(name) for name in found))


def _plain(name: str) -> str:
    return str(ipaddress.ip_address(name)) if ":" in name else name.lower()


def _make_authority(folder: Path, site: Site) -> None:
    zones = [name for name in names_of(site) if not _is_address(name)]
    allowed = [f"permitted;DNS.{n} = {name}" for n, name in enumerate(zones)]
    allowed += [f"permitted;IP.{n} = {block}" for n, block in enumerate(PRIVATE)]
    lines = (
        "basicConstraints = critical, CA:TRUE, pathlen:0",
        "keyUsage = critical, keyCertSign, cRLSign",
        "subjectKeyIdentifier = hash",
        "nameConstraints = critical, @allowed",
        "[allowed]",
        *allowed,
    )
    subject = f"/O=gardien/CN=gardien {site.site.code}"
    _request(folder, "authority", subject, lines, AUTHORITY_DAYS)


def _sign(folder: Path, names: Iterable[str]) -> None:
    said = ", ".join(f"IP:{name}" if _is_address(name) else f"DNS:{name}" for name in names)
    lines = (
        "basicConstraints = critical, CA:FALSE",
        "keyUsage = critical, digitalSignature",
        "extendedKeyUsage = serverAuth",
        "authorityKeyIdentifier = keyid",
        f"subjectAltName = {said}",
    )
    signer = ("-CA", str(folder / "authority.pem"), "-CAkey", str(folder / "authority.key"))
    _request(folder, "site", "/CN=gardien", lines, SIGNED_DAYS, signer)


def _request(
    folder: Path, name: str, subject: str, extensions: Sequence[str], days: int, signer: Sequence[str] = ()
) -> None:
    """Make a key and a certificate for it beside each other, the key first: each written aside and renamed."""
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        config, key, pem = (Path(aside) / part for part in ("config", "key", "pem"))
        config.write_text("\n".join(("[req]", "distinguished_name = dn", "[dn]", "[ext]", *extensions, "")), "utf-8")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", str(key))
        command = ("req", "-x509", "-new", "-config", str(config), "-extensions", "ext", "-subj", subject, *curve)
        _openssl(*command, "-days", str(days), *signer, "-out", str(pem))
        if signer:  # a name that the authority may not speak for would be refused by every phone: keep what is there
            _openssl("verify", "-CAfile", str(folder / "authority.pem"), str(pem))
        key.chmod(0o640)
        pem.chmod(0o644)
        key.replace(folder / f"{name}.key")
        pem.replace(folder / f"{name}.pem")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _openssl(*words: str) -> str:
    """Run the program. Raises CertificateError."""
    try:
        done = subprocess.run(
            ["openssl", *words], capture_output=True, text=True, timeout=LIMIT_S, check=True, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise CertificateError("the program openssl is missing: install the Debian package of that name") from error
    except subprocess.TimeoutExpired as error:
        raise CertificateError(f"openssl {words[0]} did not end within {LIMIT_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        why = (error.stderr or error.stdout).strip().splitlines()
        raise CertificateError(f"openssl {words[0]}: {why[-1] if why else 'failed'}") from error
    return done.stdout
