"""A private print server: the far end of the spooler driver, and the front of the copier peer.

The one idea: the *real* cupsd(8) of the distribution, with its own configuration, spool, state, log and socket in one
folder, needs no init system, no bus and no root. People print to it with the real lp(1). Everything it does is what
the print server of a site does; only its place differs.

It will never touch the machine's own print server: no file outside the folder is written, and it listens on a socket in
the folder and on one loopback port.

Run by root, cupsd starts its filters as the user `lp`, who must be able to walk to the folder; if it lies under a
closed directory, a folder in the temporary directory with a name made from it is used instead.

Every method blocks, with a limit; failures are PeerError. A killed predecessor in the same folder, and the backends it
left behind, are reclaimed by `start`.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

STARTS_S = 10.0  # cupsd answers after about 0.2 s on an idle machine
COMMAND_S = 60.0  # `lpadmin -m everywhere` asks the device, and may have to wait for it
SOCKET_LIMIT = 107  # bytes of a path in sockaddr_un (unix(7))
PROGRAMS = Path("/usr/lib/cups")  # ServerBin of the distribution
FILTERS = PROGRAMS / "filter"
BACKEND = Path(__file__).parents[1] / "backend.py"

CUPSD_CONF = """\
LogLevel warn
MaxLogSize 0
PageLogFormat %j %{{time-at-creation}} %p %P %C %{{job-impressions-completed}}
{socket}Listen 127.0.0.1:{port}
Browsing No
WebInterface No
DefaultAuthType Basic
DirtyCleanInterval 0
PreserveJobHistory Yes
PreserveJobFiles No
MaxJobs 0
JobRetryInterval 2
ErrorPolicy retry-current-job
<Location />
  Order deny,allow
</Location>
<Location /admin/conf>
  AuthType Default
  Require user @SYSTEM
  Order deny,allow
</Location>
"""

POLICY = """\
<Policy {name}>
  JobPrivateAccess default
  JobPrivateValues default
  SubscriptionPrivateAccess default
  SubscriptionPrivateValues default
{asks}  <Limit Get-Jobs CUPS-Move-Job Purge-Jobs Cancel-Jobs Release-Job Set-Job-Attributes Restart-Job>
    AuthType Default
    Require user @SYSTEM
    Order deny,allow
  </Limit>
  <Limit Cancel-Job Cancel-My-Jobs>
    AuthType Default
    Require user @OWNER @SYSTEM
    Order deny,allow
  </Limit>
  <Limit All>
    Order deny,allow
  </Limit>
</Policy>
"""

ASKS = """\
  <Limit Create-Job Print-Job Validate-Job>
    AuthType Default
    Require valid-user
    Encryption Required
    Order deny,allow
  </Limit>
"""

FILES_CONF = """\
User {user}
Group {group}
SystemGroup {system}
FileDevice Yes
Sandboxing relaxed
ServerBin {home}/bin
SetEnv GARDIEN_ATTEMPTS {home}/attempts
ServerRoot {home}/root
RequestRoot {home}/spool
TempDir {home}/spool/tmp
CacheDir {home}/cache
StateDir {home}/state
ServerKeychain {home}/tls
AccessLog {home}/log/access
ErrorLog {home}/log/error
PageLog {home}/log/page
"""


class PeerError(Exception):
    """The private print server could not be made to do what was asked."""


def available() -> str:
    """Return "" if this machine can run a private cupsd, else what is missing, in one sentence."""
    for program, package in (("cupsd", "cups-daemon"), ("lp", "cups-client"), ("lpadmin", "cups-client")):
        if not _program(program):
            return f"no {program} on this machine: install the Debian package {package}"
    if not (FILTERS / "pdftopdf").exists():
        return "no pdftopdf filter on this machine: install the Debian package cups-filters"
    return ""


def pdf(pages: int, *, colour: bool) -> bytes:
    """Return a small A4 document (PDF 1.4) of `pages` pages: black text, with a red bar if `colour`."""
    kids = " ".join(f"{3 + 2 * page} 0 R" for page in range(pages))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode()]
    font = "<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    for page in range(pages):
        bar = "1 0 0 rg 60 60 200 40 re f 0 0 0 rg " if colour else ""
        drawing = f"{bar}BT /F1 36 Tf 72 720 Td (page {page + 1} / {pages}) Tj ET".encode()
        sheet = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources {font} /Contents {4 + 2 * page} 0 R >>"
        )
        objects += [sheet.encode(), b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing)]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


class CupsPeer:
    """One private cupsd. `server` is what a client puts in CUPS_SERVER, and the spooler driver takes."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.home = _reachable(folder)
        self.port = port or _free_port()
        path = self.home / "cups.sock"
        self.attempts, self.page_log = self.home / "attempts", self.home / "log/page"
        self.server = str(path) if len(os.fsencode(path)) <= SOCKET_LIMIT else f"127.0.0.1:{self.port}"
        self._cupsd: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        if self.home.name.startswith("gardien-cups-"):
            shutil.rmtree(self.home, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """The running cupsd's process id."""
        return self._cupsd.pid if self._cupsd is not None and self._cupsd.poll() is None else None

    def start(self) -> None:
        """Start cupsd, reclaiming what a killed predecessor left, and return when it answers."""
        if missing := available():
            raise PeerError(missing)
        self.reclaim()
        self._write_configuration()
        self._launch()

    def stop(self) -> None:
        """Stop cupsd as a service manager would (SIGTERM), and what still runs for it."""
        self._end(signal.SIGTERM)
        self.reclaim()

    def kill9(self) -> None:
        """Kill cupsd alone, as a crash would: its backends live on and finish what they send."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start on the same spool, after `kill9` or instead of `stop`; backends still alive are left alone."""
        self._end(signal.SIGTERM)
        self._launch()

    def add_queue(
        self, name: str, device_uri: str, *, metered: bool = True, held: bool = False, policy: str = "default"
    ) -> None:
        """Make a driverless queue ("everywhere" model) that prints to `device_uri`; the device must answer.

        `held`: stopped, its jobs wait. `policy` "authenticated": nobody prints to it without a password. `metered`:
        through the backend in the print path (`drivers.backend`), as on a site. A device just started may refuse the
        first questions, so the attempt is repeated within a limit.
        """
        model = ["-m", "everywhere"] if device_uri.startswith("ipp") else ["-m", "raw"]
        limit = time.monotonic() + COMMAND_S
        while True:
            try:
                self._run("lpadmin", "-p", name, "-E", "-v", device_uri, *model, "-o", f"printer-op-policy={policy}")
            except PeerError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.5)
            else:
                break
        if metered and device_uri.startswith("ipp"):  # only now: the model is made by asking the device
            self._run("lpadmin", "-p", name, "-v", f"gardien:{device_uri}")
        if held:
            self._run("cupsdisable", name)

    def print_pdf(
        self,
        user: str,
        pages: int,
        *,
        queue: str = "",
        colour: bool = False,
        two_sided: bool = False,
        copies: int = 1,
        title: str = "document",
    ) -> int:
        """Print a document of `pages` pages as `user` with lp(1) and return the CUPS job-id.

        `queue` "" is the only queue, or the first by name. `colour` puts colour on every page and asks for it, as a
        dialogue does: by the queue's own ColorModel (CUPS 2.4.2 drops print-color-mode where the default is grey).
        """
        file = self.home / f"job-{os.getpid()}-{time.monotonic_ns()}.pdf"
        file.write_bytes(pdf(pages, colour=colour))
        options = ["ColorModel=RGB" if colour else "ColorModel=Gray"]
        options += ["sides=two-sided-long-edge" if two_sided else "sides=one-sided"]
        arguments = ["-U", user, "-d", queue or self.queues()[0], "-n", str(copies), "-t", title]
        try:
            said = self._run("lp", *arguments, *(word for option in options for word in ("-o", option)), str(file))
        finally:
            file.unlink()
        # lp says: request id is copier-12 (1 file(s))
        return int(said.split(" is ", 1)[1].split(" ", 1)[0].rsplit("-", 1)[1])

    def queues(self) -> tuple[str, ...]:
        """Return the names of the queues, sorted."""
        return tuple(sorted(self._run("lpstat", "-e").split()))

    def reclaim(self) -> None:
        """Kill the cupsd and the filters and backends that still run for this folder, by their process ids."""
        for pid in _processes_of(self.home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _install_programs(self) -> None:
        """Make a ServerBin of our own: the distribution's programs, and our backend among its backends."""
        for program in (*PROGRAMS.glob("*"), *PROGRAMS.glob("backend/*")):
            place = self.home / "bin" / program.relative_to(PROGRAMS)
            if not place.exists():
                place.symlink_to(program)
        backend = self.home / "bin/backend/gardien"
        backend.unlink(missing_ok=True)
        shutil.copy(BACKEND, backend)
        backend.chmod(0o755)

    def _launch(self) -> None:
        arguments = ["-f", "-c", str(self.home / "root/cupsd.conf"), "-s", str(self.home / "root/cups-files.conf")]
        self._cupsd = subprocess.Popen(
            [_program("cupsd"), *arguments], stdin=subprocess.DEVNULL, start_new_session=True
        )
        limit = time.monotonic() + STARTS_S
        while time.monotonic() < limit and self.pid is not None:
            with contextlib.suppress(PeerError):
                if "is running" in self._run("lpstat", "-r"):
                    return
            time.sleep(0.05)
        self._end(signal.SIGKILL)
        raise PeerError(f"cupsd did not start: see {self.home / 'log/error'}")

    def _end(self, how: signal.Signals) -> None:
        if self._cupsd is None:
            return
        self._cupsd.send_signal(how)
        try:
            self._cupsd.wait(STARTS_S)
        except subprocess.TimeoutExpired:
            self._cupsd.kill()
            self._cupsd.wait()
        self._cupsd = None

    def _run(self, program: str, *arguments: str) -> str:
        """Run one client program against this server and return what it said. Raises PeerError."""
        place = {"CUPS_SERVER": self.server, "LC_ALL": "C.UTF-8", "HOME": str(self.home), "PATH": os.defpath}
        command = [_program(program), *arguments]
        try:
            done = subprocess.run(command, env=place, capture_output=True, text=True, timeout=COMMAND_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise PeerError(f"{program} did not come back within {COMMAND_S:.0f} s") from error
        if done.returncode:
            raise PeerError(f"{program} {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _write_configuration(self) -> None:
        for part in ("root", "spool", "spool/tmp", "cache", "state", "log", "tls", "attempts", "bin/backend"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        self._install_programs()
        who = pwd.getpwnam("lp") if os.geteuid() == 0 else pwd.getpwnam(getpass.getuser())
        os.chown(self.home / "attempts", who.pw_uid, -1)  # backends run as this user
        names = {"user": who.pw_name, "group": grp.getgrgid(who.pw_gid).gr_name}
        names |= {"system": grp.getgrgid(os.getegid()).gr_name, "home": str(self.home)}
        (self.home / "root/cupsd.conf").write_text(
            CUPSD_CONF.format(socket=f"Listen {self.server}\n" if "/" in self.server else "", port=self.port)
            + POLICY.format(name="default", asks="")
            + POLICY.format(name="authenticated", asks=ASKS)
        )
        (self.home / "root/cups-files.conf").write_text(FILES_CONF.format(**names))


def _program(name: str) -> str:
    """Return the path of a program, also where an ordinary user's PATH has no sbin; "" if there is none."""
    return shutil.which(name, path=os.defpath + ":/usr/local/sbin:/usr/sbin:/sbin") or ""


def _reachable(folder: Path) -> Path:
    """Return `folder`, or a substitute that the user `lp` can walk to."""
    folder = folder.resolve()
    closed = any(not place.stat().st_mode & 0o001 for place in folder.parents if place.exists())
    if os.geteuid() == 0 and closed:
        mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"gardien-cups-{mark}"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _processes_of(home: Path) -> Iterator[int]:
    """Yield the processes of a cupsd in `home`: by its command line, its filters by their CUPS_STATEDIR."""
    marks = (f"{home}/root/cupsd.conf".encode(), f"CUPS_STATEDIR={home}/state".encode())
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (place / "cmdline").read_bytes().split(b"\0") + (place / "environ").read_bytes().split(b"\0")
            if any(mark in words for mark in marks):
                yield int(place.name)
