"""The list of kinds is held against the rules themselves."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import agent.rules
from agent.rules.facts import Fact
from agent.rules.kinds import KINDS, RULES, every_fact, fact_of, with_successors


def stated() -> set[type[Fact]]:
    """Every fact that any rule states, found without the list."""
    found: set[type[Fact]] = set()
    for file in Path(agent.rules.__path__[0]).glob("*.py"):
        module = import_module(f"agent.rules.{file.stem}")
        found |= {
            one
            for one in vars(module).values()
            if isinstance(one, type) and issubclass(one, Fact) and one is not Fact and one.__module__ == module.__name__
        }
    return found


def test_every_fact_is_listed_at_the_rule_that_states_it() -> None:
    assert {(one.kind, one.__module__) for one in stated()} == {
        (kind, f"agent.rules.{rule}") for rule, kinds in RULES.items() for kind in kinds
    }
    assert set(every_fact()) == stated()
    assert len(KINDS) == sum(map(len, RULES.values()))  # none is listed twice


def test_a_kind_comes_with_those_that_succeeded_it() -> None:
    for one in stated():
        assert set(with_successors(one)) == {other.kind for other in stated() if issubclass(other, one)}


def test_an_unknown_kind_has_no_class() -> None:
    assert fact_of("tomorrow") is None


def test_the_door_loads_no_rule_of_the_paper_or_the_links() -> None:
    program = "import sys, agent.cli.running, agent.services.door; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    paper = {f"agent.rules.{rule}" for rule in ("paper", "pages", "tariff", "spool", "release", "alarms", "incidents")}
    assert loaded & (paper | {"agent.rules.linkfacts", "agent.tape", "drivers.sim"}) == set()
