"""A building to deploy to: a booted Debian container in a network namespace of its own.

The container is a plain Debian 12 with systemd, sshd and nothing of ours. It reaches no network but the one wire to
the namespace it hangs in, where the provider's box and the far side answer; its Debian packages lie in its apt cache,
its Python packages in a folder of wheels. Ansible runs in that namespace and comes in by ssh, as ops does.
What a container cannot show: on a host without unified cgroups systemd-nspawn enforces neither IPAddressDeny= nor
DeviceAllow=; those need a virtual machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[2]
CACHE = REPO / ".cache"
BOX, HOST, FAR = "192.0.2.1", "192.0.2.2", "198.51.100.1"  # RFC 5737: the provider's box, the building, the far side
BARE = ("systemd", "systemd-sysv", "udev", "dbus", "openssh-server", "python3", "python3-apt", "iproute2")
PAPER = ("python3-cups", "cups-daemon", "cups-client", "cups-filters", "poppler-utils", "ghostscript", "avahi-daemon")
LATER = (
    "python3-venv",
    "openssl",
    "libpcap0.8",
    *PAPER,
    "libnss-myhostname",
    "systemd-timesyncd",
)  # what the role will install
SILENT = "198.51.100.53"  # a resolver that answers nobody
_numbers = itertools.count()


class BedError(Exception):
    """A command that had to succeed did not; its output follows."""


def run(*argv: str | Path, given: str | None = None, timeout_s: float = 600, may_fail: bool = False) -> str:
    """Run a command to its end and return its standard output."""
    done = subprocess.run(
        [str(word) for word in argv], input=given or "", capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if done.returncode and not may_fail:
        raise BedError(f"{argv} ended with {done.returncode}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}")
    return done.stdout


def debian_sources() -> str:
    """Return this machine's own Debian sources, as apt lines."""
    line = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)"
    return run("apt-get", "indextargets", "--format", line, "Created-By: Packages", "Origin: Debian")


def bare_debian() -> Path:
    """Return a tarball of a bare Debian 12 whose apt cache holds what the role will install; made once."""
    key = hashlib.sha256(" ".join(BARE + LATER).encode()).hexdigest()[:12]
    tarball = CACHE / f"bed-{key}.tar"
    if not tarball.exists():
        CACHE.mkdir(exist_ok=True)
        aside = CACHE / f"bed-{key}.{os.getpid()}.tar"
        fetch = f'chroot "$1" apt-get install -y -qq --download-only --no-install-recommends {" ".join(LATER)}'
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(BARE)}"]
        command += [f"--customize-hook={fetch}", "--skip=cleanup/apt", "bookworm", str(aside), "-"]
        run(*command, given=debian_sources())
        aside.replace(tarball)
    return tarball


def wheels() -> Path:
    """Return a folder with the wheels of requirements.lock, hashes checked; made once per lock."""
    lock = REPO / "requirements.lock"
    folder = CACHE / f"wheels-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        pip = (REPO / ".venv/bin/python", "-m", "pip", "download", "-qq", "--disable-pip-version-check")
        run(*pip, "--only-binary", ":all:", "--require-hashes", "--dest", folder, "-r", lock)
    return folder


@dataclass(frozen=True)
class Play:
    """What one run of the playbook came to."""

    code: int
    ok: int
    changed: int
    failed: int
    said: str
    took_s: float


@dataclass(frozen=True)
class Building:
    """A booted container. Everything here runs in its namespace."""

    root: Path
    space: str
    folder: Path

    @property
    def inside(self) -> tuple[str, ...]:
        """Return the words that make a command run on the building's wire."""
        return ("nsenter", f"--net=/run/netns/{self.space}")

    @property
    def ssh(self) -> tuple[str, ...]:
        """Return the words that make a command run in the building."""
        return (*self.inside, "ssh", *self.ssh_options, f"root@{HOST}")

    @property
    def ssh_options(self) -> tuple[str, ...]:
        """Return the options for this building's throw-away keys."""
        known = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
        return ("-i", str(self.folder / "key"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", *known)

    def do(self, command: str, *, may_fail: bool = False) -> str:
        """Run a shell command in the building and return what it printed."""
        return run(*self.ssh, command, timeout_s=120, may_fail=may_fail).strip()

    def play(self, name: str, site_file: Path, *options: str, **settings: str) -> Play:
        """Run the playbook on this building as the host `name`."""
        inventory = self.folder / "inventory.ini"
        quoted = " ".join(self.ssh_options)
        inventory.write_text(
            f"[sites]\n{name} ansible_host={HOST} ansible_user=root ansible_ssh_extra_args='{quoted}'\n",
            encoding="utf-8",
        )
        settings = {"gardien_site_file": str(site_file), "gardien_wheelhouse": "/srv/wheels"} | settings
        extra = [word for key, value in settings.items() for word in ("-e", f"{key}={value}")]
        playbook = CACHE / "ansible/bin/ansible-playbook"
        command = [*self.inside, str(playbook), "-i", str(inventory), *extra, *options, "site.yml"]
        environment = os.environ | {
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(
                self.folder / "cp"
            ),  # two buildings have one address, in two namespaces
            "TMPDIR": str(self.folder),
            "LC_ALL": "C.UTF-8",
        }
        since = time.monotonic()
        done = subprocess.run(
            command, cwd=REPO / "ansible", env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=900, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        recap = re.search(rf"^{name} +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=(\d+)", said, re.MULTILINE)
        if recap is None:
            raise BedError(said)
        ok, changed, failed = map(int, recap.groups())
        return Play(done.returncode, ok, changed, failed, said, time.monotonic() - since)


@contextlib.contextmanager
def _namespace(name: str) -> Iterator[str]:
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", name, "address", "add", f"{FAR}/32", "dev", "lo")
        yield name
    finally:
        run("ip", "netns", "delete", name)


def _furnish(root: Path, folder: Path) -> None:
    """Unpack the bare Debian and give it an address and a key; nothing else."""
    root.mkdir()
    run("tar", "-C", root, "-xf", bare_debian())
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (root / "root/.ssh/authorized_keys").write_bytes((folder / "key.pub").read_bytes())
    (root / "etc/hostname").write_text("building\n", encoding="ascii")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text(f"nameserver {SILENT}\n", encoding="ascii")  # both links are down
    (root / "etc/systemd/network").mkdir(exist_ok=True)
    (root / "etc/systemd/network/10-host0.network").write_text(
        f"[Match]\nName=host0\n[Network]\nAddress={HOST}/30\nGateway={BOX}\nLinkLocalAddressing=no\n", encoding="ascii"
    )
    run("systemctl", f"--root={root}", "enable", "--quiet", "systemd-networkd.service")
    (root / "var/lib/apt/periodic").mkdir(exist_ok=True)
    (root / "var/lib/apt/periodic/update-success-stamp").touch()  # its package lists are as fresh as its cache


def _wait(seconds: float, building: Building) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            building.do("systemctl is-system-running --wait || true")
        except BedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


@contextlib.contextmanager
def building(folder: Path) -> Iterator[Building]:
    """Boot a building under `folder`; power it off and take everything away at the end."""
    root = folder / "root"
    _furnish(root, folder)
    name = f"g{os.getpid()}x{next(_numbers)}"  # also names the wire, in at most 15 letters (IFNAMSIZ)
    with _namespace(name) as space, (folder / "console").open("wb") as console:
        here = Building(root, space, folder)
        command = [*here.inside, "systemd-nspawn", "--quiet", f"--directory={root}", f"--machine={name}", "--boot"]
        command += ["--network-veth", "--private-users=no", "--register=no", "--keep-unit", "--link-journal=no"]
        command += [f"--bind-ro={wheels()}:/srv/wheels"]
        container = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            _plug_in(space, f"ve-{name}")
            _wait(60, here)
            # systemd-nspawn lays a boot id of its own over the kernel's; units with ProtectProc= see past it, shells
            # would not. A real machine has one.
            here.do("umount /proc/sys/kernel/random/boot_id")
            yield here
        finally:
            container.send_signal(signal.SIGTERM)  # systemd-nspawn passes it on as an orderly power-off
            try:
                container.wait(30)
            except subprocess.TimeoutExpired:
                container.kill()
                container.wait(10)
    run("rm", "-rf", "--one-file-system", root)


def _plug_in(space: str, wire: str) -> None:
    until = time.monotonic() + 20
    while not run("ip", "-n", space, "link", "show", wire, may_fail=True):
        if time.monotonic() > until:
            raise BedError(f"{wire} did not appear in {space}")
        time.sleep(0.05)
    run("ip", "-n", space, "address", "add", f"{BOX}/30", "dev", wire)
    run("ip", "-n", space, "link", "set", wire, "up")


def site_file(folder: Path, text: str, name: str) -> Path:
    """Write a site file for one play."""
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path
