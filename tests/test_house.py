"""The house keeps its own rules: packages as declared, imports where they belong, units no weaker than they were."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from agent import VERSION

REPO = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = sorted([*REPO.glob("agent/**/*.py"), *REPO.glob("drivers/**/*.py")])

# Each of these lives where it is named, and nowhere else (HOUSE 2).
LIVES_IN = {
    "cups": {"drivers/spooler.py"},
    "serial": {"drivers/cardreader.py"},
    "scapy": {"drivers/wire.py"},
    "gpiozero": {"drivers/inputs.py", "drivers/pins.py", "drivers/signs.py"},
    "gpiod": {"drivers/chips.py"},
    "apprise": {"drivers/messenger.py"},
    "sqlite3": {"agent/memory"},
    "argon2": {"agent/memory/account_tables.py"},
    "threading": {"drivers", "agent/memory"},
}


def imports(source: Path) -> Iterator[str]:
    """Yield the top-level package of every import in a file, wherever it stands."""
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def within(source: Path, homes: set[str]) -> bool:
    """Tell whether a file is one of `homes`, or under one."""
    name = source.relative_to(REPO).as_posix()
    return any(name == home or name.startswith(f"{home}/") for home in homes)


def test_the_program_is_whole_when_it_is_installed(tmp_path: Path) -> None:
    """What a board gets is a wheel: every module, page, wording and rule of the checkout must be in it."""
    built = tmp_path / "source"
    shutil.copytree(REPO, built, ignore=shutil.ignore_patterns(".*", "__pycache__", "tests", "*.egg-info", "build"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, built], check=True, timeout=100)
    (wheel,) = tmp_path.glob("gardien-*.whl")
    listed = subprocess.run(
        ["git", "ls-files", "agent", "drivers"], cwd=REPO, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(wheel) as inside:
        assert set(listed.stdout.split()) - set(inside.namelist()) == set()


def test_the_version_comes_from_one_place() -> None:
    assert version("gardien") == VERSION
    assert "version" not in PROJECT["project"]


@pytest.mark.parametrize("library", sorted(LIVES_IN))
def test_a_library_lives_in_its_file(library: str) -> None:
    strays = [file.relative_to(REPO).as_posix() for file in SOURCES if library in set(imports(file))]
    assert [stray for stray in strays if not within(REPO / stray, LIVES_IN[library])] == []


def test_only_the_clock_reads_the_time() -> None:
    asks = re.compile(
        r"\b(datetime\.(now|today|utcnow)|date\.today|time\.(time|monotonic|sleep|clock_gettime)(_ns)?)\("
    )
    peers = {"drivers/peers", "drivers/clock.py"}
    strays = [
        f"{file.relative_to(REPO)}:{number}"
        for file in SOURCES
        if not within(file, peers)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if asks.search(line)
    ]
    assert strays == []


def test_files_stay_readable() -> None:
    long = [file.relative_to(REPO).as_posix() for file in SOURCES if len(file.read_bytes().splitlines()) > 400]
    assert long == []


def test_the_floors_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=REPO, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("service", "never"),
    [
        ("door", {"scapy", "cups", "aiohttp", "jinja2", "holidays"}),
        ("links", {"cups", "aiohttp", "jinja2", "serial", "gpiozero"}),
        ("paper", {"scapy", "jinja2"}),
        ("web", {"scapy", "cups", "serial", "gpiozero", "apprise"}),
        ("alerts", {"scapy", "cups", "serial", "gpiozero", "aiohttp", "apprise"}),
    ],
)
def test_a_service_loads_only_what_is_its_own(service: str, never: set[str]) -> None:
    program = f"import sys, agent.services.{service}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert never & set(done.stdout.split()) == set()


@pytest.mark.parametrize("service", ["door", "links"])
def test_a_small_service_stays_small(service: str) -> None:
    """Each of these costs about 1 MB, and its site may never need it."""
    program = f"import sys, agent.sitefile, agent.cli.running, agent.services.{service}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert {"agent.rules.contract", "agent.tape", "importlib.metadata"} & set(done.stdout.split()) == set()


def test_the_locks_name_no_registry_and_hash_everything() -> None:
    for lock in ("requirements.lock", "requirements-test.lock", "ansible/requirements.lock"):
        lines = [line for line in (REPO / lock).read_text(encoding="ascii").splitlines() if line and line[0] != "#"]
        pins = [line for line in lines if not line.startswith(" ")]
        assert pins
        assert all(re.fullmatch(r"[a-z0-9.-]+==[^\s]+ \\", pin) for pin in pins), lock
        assert all(re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines if line not in pins), (
            lock
        )


def test_the_locks_agree() -> None:
    def pins(lock: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (REPO / lock).read_text(encoding="ascii"), re.MULTILINE))

    assert pins("requirements.lock") < pins("requirements-test.lock")


# --- units: the exposure systemd itself reckons, as a contract ---------------------------------------------------

EXPOSURE_AT_MOST = {"door": 1.0, "links": 2.0, "paper": 1.6, "web": 1.3, "alerts": 1.4, "tend": 0.5}


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with our units, systemd's own targets, and something where the commands will be."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(REPO / "systemd", root / "etc/systemd/system")
    (root / "usr/lib/systemd/system").mkdir(parents=True)
    for target in Path("/lib/systemd/system").glob("*.target"):
        shutil.copy(target, root / "usr/lib/systemd/system")
    for name in ("opt/gardien/venv/bin/gardien", "bin/sh"):
        command = root / name
        command.parent.mkdir(parents=True)
        command.write_text("#!/bin/sh\n", encoding="ascii")
        command.chmod(0o755)
    (root / "var/lib/gardien").mkdir(parents=True)
    return root


def analyze(*words: str) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("service", sorted(EXPOSURE_AT_MOST))
def test_no_unit_grows_more_exposed(units: Path, service: str) -> None:
    said = analyze("security", "--offline=yes", f"--root={units}", f"gardien-{service}.service")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found is not None
    assert float(found[1]) <= EXPOSURE_AT_MOST[service]


def test_systemd_understands_every_unit(units: Path) -> None:
    files = [*units.glob("etc/systemd/system/gardien*.service"), *units.glob("etc/systemd/system/gardien*.t*")]
    assert len(files) == 8
    assert analyze("verify", f"--root={units}", "--man=no", *map(str, files)) == ""


def test_every_service_has_its_own_user_and_only_links_a_capability() -> None:
    users, capable = [], []
    for file in sorted((REPO / "systemd").glob("gardien-*.service")):
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment, method-assign]
        unit.read(file, encoding="utf-8")
        users.append(unit["Service"]["User"])
        if unit["Service"]["CapabilityBoundingSet"]:
            capable.append((file.stem, unit["Service"]["CapabilityBoundingSet"]))
    assert users == ["gardien-alerts", "gardien-door", "gardien-links", "gardien-paper", "gardien-tend", "gardien-web"]
    assert capable == [("gardien-links", "CAP_NET_RAW")]


TARIFF = REPO / "ansible/sites/tariff.toml"  # judged with the site that names it


@pytest.mark.parametrize("site", sorted({*REPO.glob("ansible/sites/*.toml")} - {TARIFF}), ids=lambda site: site.stem)
def test_an_example_site_is_a_valid_site(site: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("gardien"), "check", site],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("options", [(), ("-m", "alone or not alone"), ("-m", "soak")])
def test_a_soak_runs_only_when_it_is_named(options: tuple[str, ...]) -> None:
    """It takes long and rewrites a report that is committed, so a plain `pytest FILE` leaves it out."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *options]
    command.append("tests/rules/test_certainty.py")
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=100, check=True)
    quick, soak = (f"billed_to_the_minute_or_marked[{one}]" in done.stdout for one in ("1-12", "2-60"))
    assert (quick, soak) == ("soak" not in options, "soak" in options)
