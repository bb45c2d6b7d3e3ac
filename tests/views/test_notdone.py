"""Every sentence after a form is told apart: done, or not. Whoever adds one says here which it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import agent.views.web
from agent.rules.payers import Charge
from agent.views.web import door, held, paper, visits, waiting
from agent.views.web.notdone import NOT_DONE

DONE = {
    *("account.password_changed", "account.pin_changed", "account.session_ended"),
    *("booking.ended", "booking.made", "charge.charged", "charge.held_charged", "charge.own", "claim.done"),
    *("counters.code_given", "counters.code_taken", "enter.left", "erase.done", "held.given", "import.done"),
    *("impressions.given", "lockdown.begun", "lockdown.ended", "lost.taken", "lost.unblocked", "me.waiting.withdrawn"),
    *("members.added", "past.done", "past.nothing", "payers.added", "porte.already_open", "porte.closed"),
    *("porte.no_contact", "porte.nothing_open", "porte.opened", "porte.window_cards", "porte.window_fed"),
    *("reporting.noted", "restart.noted", "review.done", "visites.arrived", "visites.corrected", "visites.departed"),
    *("visites.same", "visitors.lent", "wait.cancelled", "wait.gone"),
}
KEY = re.compile(r"[a-z]+(\.[a-z_-]+)+")


def keys(node: ast.expr) -> Iterator[str]:
    """Find the wording keys in an expression; what is put together from parts is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.fullmatch(node.value):
        yield node.value
    if not isinstance(node, ast.JoinedStr):
        for one in ast.iter_child_nodes(node):
            if isinstance(one, ast.expr):
                yield from keys(one)


def said() -> set[str]:
    """Return every key that a page hands to `back` in so many words, and those of the tables that it looks up."""
    found = {*door.SAID.values(), *visits.REFUSED.values(), *held.SAID.values(), *held.SAID_OF_PAYER.values()}
    found |= {*paper.SAID.values(), *paper.UNSETTLED.values(), *waiting.SAID.values()}
    found |= {f"charge.{one}" for one in Charge}
    for file in Path(agent.views.web.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "back":
                found.update(key for argument in node.args[2:3] for key in keys(argument))
    return found


def test_every_sentence_is_one_or_the_other() -> None:
    assert not NOT_DONE & DONE
    assert said() - DONE - NOT_DONE == set()
    assert DONE - said() == set()
    assert NOT_DONE - said() == {"charge.unsure", "lost.blocked_unheard"}  # chosen by a variable
