#!/usr/bin/python3 -IS
"""A CUPS backend in front of the real one (backend(7)): notes which job-id the device gave to which print attempt.

CUPS tells nobody under which id the device took a job; only the real backend hears it, and says it once, on standard
error. So a queue prints to `gardien:ipp://...`, CUPS starts this file, and this file starts the real backend (`ipp`)
with the same arguments, the same open files (3, the back-channel; 4, the side-channel: without them ipp waits for
ever) and the same standard input; no byte of a document passes through here. Only standard error does, unchanged.

The one idea: *fail open*. Whatever goes wrong with the note, the job prints: every step of noting is allowed to fail,
and if even the first one does, this process becomes the real backend. The end of the real backend is ours: same exit
code, same signal. SIGTERM, a cancellation, is passed on exactly once (ipp takes a second one as "at once, leave the
device alone"), which is why the real backend has a process group of its own; a SIGKILL of this process, which CUPS
sends to a backend that will not end, ends it too (prctl(2), PR_SET_PDEATHSIG, by setpriv(1)).

An attempt is one file in a folder (GARDIEN_ATTEMPTS, else /var/spool/gardien), written aside and renamed: when it
begins, when the device took it, when it ended. Each time a datagram rings at `bell` in the same folder. No title is
written. Nothing here is the truth about paper: that is the device's own record, which the note only helps to find.

It runs on the distribution's Python alone (-I -S), as whatever user CUPS gives it, and is installed by name:
/usr/lib/cups/backend/gardien. What costs time at the start (pathlib, json, socket) is imported after the real backend
has begun, or not at all.
"""

import _signal as signal  # type: ignore[import-not-found]  # `signal` wraps it in enums: 7 ms before each print
import os
import sys

PREFIX = "gardien:"
FOLDER = "/var/spool/gardien"
ACCEPTED = b"DEBUG: Print job accepted - job ID "  # as ipp always writes it; CUPS filters by its LogLevel
SETPRIV = "/usr/bin/setpriv"
LINE = 4096  # the longest unfinished line that is remembered


def main(argv: list[str]) -> int:
    """Print; `argv` as CUPS gives it: URI, job-id, user, title, copies, options, and the file if there is one."""
    if len(argv) < 6:
        return 0  # asked which devices it finds: none by itself
    uri = os.environ.get("DEVICE_URI", argv[0]).removeprefix(PREFIX)
    os.environ["DEVICE_URI"] = uri
    scheme = os.path.basename(uri.partition(":")[0])
    program = os.path.join(os.environ.get("CUPS_SERVERBIN", "/usr/lib/cups"), "backend", scheme)
    command = [uri, *argv[1:]]
    try:
        said, says = os.pipe()
        pid = os.fork()
    except OSError:
        os.execv(program, command)
    if pid == 0:
        _become(program, command, says)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    os.close(says)
    status = _attend(pid, said, argv)
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    return os.waitstatus_to_exitcode(status)


def _become(program: str, command: list[str], says: int) -> None:
    """Turn into the real backend; never returns."""
    try:
        os.setpgid(0, 0)
        os.dup2(says, 2)
        if os.access(SETPRIV, os.X_OK) and os.access(program, os.X_OK):
            os.execv(SETPRIV, ["setpriv", "--pdeathsig", "KILL", "--", program, *command[1:]])
        os.execv(program, command)
    except OSError as error:
        os.write(2, f"ERROR: {program}: {error.strerror}\n".encode())
    os._exit(5)  # CUPS_BACKEND_STOP: like a backend that is not there


def _attend(pid: int, said: int, argv: list[str]) -> int:
    """Pass on what the real backend says until it ends, noting what it says of the job-id; return its wait status."""
    import select

    note = _Note(argv)
    note.write()
    died, ended, rest = os.pidfd_open(pid), False, b""
    os.set_blocking(said, False)
    listening = [said, died]
    while not ended:
        ready, _, _ = select.select(listening, [], [])
        ended = died in ready
        if said in ready or (ended and said in listening):
            closed, rest = _pass_on(said, rest, note)
            listening = [died] if closed else listening
    status = os.waitpid(pid, 0)[1]
    note.code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    note.write()
    return status


def _pass_on(said: int, rest: bytes, note: "_Note") -> tuple[bool, bytes]:
    """Copy all there is to standard error; return whether it was closed, and the unfinished line."""
    while True:
        try:
            heard = os.read(said, 65536)
        except BlockingIOError:
            return False, rest
        if not heard:
            return True, rest
        _say(heard)
        *lines, rest = (rest + heard).split(b"\n")
        rest = rest[-LINE:]
        for line in lines:
            note.hear(line)


def _say(heard: bytes) -> None:
    while heard:
        try:
            heard = heard[os.write(2, heard) :]
        except OSError:  # CUPS is gone; the device need not suffer for it
            return


class _Note:
    """What is known of this attempt, and its file. Nothing here may stop a print: every failure is swallowed."""

    def __init__(self, argv: list[str]) -> None:
        self.device_job: int | None = None
        self.code: int | None = None
        self._argv = argv
        self._began = 0.0
        self._cupsd = os.getppid()
        self._folder = os.environ.get("GARDIEN_ATTEMPTS", FOLDER)

    def hear(self, line: bytes) -> None:
        """Note the job-id if the line has one. The last counts: a title with a newline comes before the answer."""
        number = line.removeprefix(ACCEPTED).rstrip(b". \r")
        if line.startswith(ACCEPTED) and number.isdigit():
            self.device_job = int(number)
            self.write()

    def write(self) -> None:
        """Write the file, and ring."""
        try:
            self._write()
        except Exception as error:  # noqa: BLE001  (fail open: see above)
            _say(f"DEBUG: gardien: attempt not noted: {error!r}\n".encode())

    def _write(self) -> None:
        import json
        import socket

        queue, job, created = os.environ.get("PRINTER", ""), int(self._argv[1]), _created(self._argv[5])
        os.chdir(self._folder)  # a socket's path may not be long; the real backend has begun and has its own
        name = f"{queue}-{job}-{created}-{os.getpid()}"
        seen = {"queue": queue, "job": job, "created": created, "user": self._argv[2], "copies": self._argv[4]}
        seen |= {"device_job": self.device_job, "code": self.code}
        aside = os.open(f".{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(aside, 0o640)  # cupsd starts its backends with a umask that would leave it to lp alone
        self._began = self._began or os.fstat(aside).st_mtime  # the file system's time: no other clock is asked
        seen |= {"began": self._began, "heard": os.getppid() == self._cupsd}  # else CUPS died, and will send it again
        with open(aside, "w", encoding="utf-8") as out:
            json.dump(seen, out)
        os.rename(f".{name}", f"{name}.json")
        if not os.path.exists("bell"):
            return  # nobody listens now; the file will be found
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
            bell.setblocking(False)
            bell.sendto(b"!", "bell")


def _created(options: str) -> int:
    """Return the job's time-at-creation, which CUPS itself puts among the options (it lets no client name it).

    Values are the client's, with a backslash before a blank, a quote or a backslash: an escaped blank ends no word.
    """
    plain, at = "", 0
    while at < len(options):
        escaped = options[at] == "\\"
        plain += "_" if escaped else options[at]
        at += 2 if escaped else 1
    for word in plain.split():
        name, _, value = word.partition("=")
        if name == "time-at-creation" and value.isdigit():
            return int(value)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
