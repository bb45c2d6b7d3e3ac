"""The words people read, in French first: one sentence per key, the same keys in every language.

The one idea: code says *which* sentence, the wording file says *how*. A missing key is a bug and raises KeyError; a
test holds the files, the code and the templates to the same keys. `{n:face|faces}` writes a number and the right word
(French: 0 and 1 are singular; English: 1); `{name:^}` begins a sentence with a capital. French
non-breaking spaces are set here, once.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal
from functools import cache
from importlib.resources import files

LANGUAGES = ("fr", "en")
HOSTLESS = "hostless."  # the family that stands in for sentences which name an animator

_DAYS = {
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_MONTHS = {
    "fr": (
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ),
    "en": (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
}
_QUARTERS = {
    "fr": ("1er trimestre", "2e trimestre", "3e trimestre", "4e trimestre"),
    "en": ("1st quarter of", "2nd quarter of", "3rd quarter of", "4th quarter of"),
}
_THOUSANDS = {"fr": "\u202f", "en": ","}


class _Formatter(string.Formatter):
    def __init__(self, language: str) -> None:
        self.language = language

    def format_field(self, value: object, format_spec: str) -> str:
        if isinstance(value, int) and (not format_spec or "|" in format_spec):
            written = f"{value:,}".replace(",", _THOUSANDS[self.language])
            if not format_spec:
                return written
            one, many = format_spec.split("|")
            single = abs(value) < 2 if self.language == "fr" else abs(value) == 1
            return f"{written}\u00a0{one if single else many}"
        if format_spec == "^":
            return capital(str(value))
        if "|" in format_spec:  # what should be a number is told as it stands: a letter that says it is not lost
            return f"{value} {format_spec.partition('|')[2]}"
        return str(super().format_field(value, format_spec))


class Words:
    """One language's sentences. Immutable; shared by all requests."""

    def __init__(self, language: str, sentences: Mapping[str, str]) -> None:
        self.language = language
        self.sentences = sentences
        self._format = _Formatter(language)

    def __call__(self, key: str, **values: str | int) -> str:
        """Return the sentence `key`, filled in. Raises KeyError if there is none: that is a bug."""
        return self._format.vformat(self.sentences[key], (), values)

    def either(self, family: str, code: str) -> str:
        """Return the words of `code` in an open family, or `code` itself, honestly, where we have none."""
        sentence = self.sentences.get(f"{family}.{code}")
        return sentence if sentence is not None else self(f"{family}.other", code=code)

    def number(self, value: int) -> str:
        """Write a whole number as this language does."""
        return self._format.format_field(value, "")

    def listed(self, names: Sequence[str]) -> str:
        """Write one after the other: "Orange, Free et SFR"."""
        last = {"fr": " et ", "en": " and "}[self.language]
        return last.join(filter(None, (", ".join(names[:-1]), *names[-1:])))

    def month(self, month: str) -> str:
        """Write a month, "2026-11": "novembre 2026"."""
        year, number = month.split("-")
        return f"{_MONTHS[self.language][int(number) - 1]} {year}"

    def quarter(self, quarter: str) -> str:
        """Write a quarter, "2026-Q4": "4e trimestre 2026"."""
        year, number = quarter.split("-Q")
        return f"{_QUARTERS[self.language][int(number) - 1]} {year}"

    def day(self, local: date) -> str:
        """Write a day: "mardi 3 mars", "mardi 1er mars"."""
        number = "1er" if self.language == "fr" and local.day == 1 else str(local.day)
        return f"{_DAYS[self.language][local.weekday()]} {number} {_MONTHS[self.language][local.month - 1]}"

    def weekday(self, number: int) -> str:
        """Return the name of a weekday, Monday 0."""
        return _DAYS[self.language][number]

    def day_of(self, day: date) -> str:
        """Write a day with its year: "mardi 3 mars 2026"."""
        return f"{self.day(day)} {day.year}"

    def since(self, at: datetime, now: datetime, zone: tzinfo) -> str:
        """Write since when, with the day only if it is not today's."""
        local = at.astimezone(zone)
        time = f"{local:%H:%M}"
        if local.date() == now.astimezone(zone).date():
            return self("page.since_time", time=time)
        return self("page.since_day", day=self.day(local), time=time)


@cache
def words(language: str, ask: str = "") -> Words:
    """Return the words of `language`, one of LANGUAGES.

    `ask`: whom people turn to where nobody runs the place on the spot ([site] hostless); then no sentence names an
    animator: those of the family `hostless` stand in.
    """
    text = (files("agent.views.web") / "wording" / f"{language}.toml").read_text(encoding="utf-8")
    sentences = dict(_flat("", tomllib.loads(text)))
    if ask:
        plain = ask.replace("{", "{{").replace("}", "}}")
        instead = {key.removeprefix(HOSTLESS): one for key, one in sentences.items() if key.startswith(HOSTLESS)}
        sentences.update({key: one.replace("{ask}", plain) for key, one in instead.items()})
    if language == "fr":
        sentences = {key: _french(sentence) for key, sentence in sentences.items()}
    return Words(language, sentences)


def money(amount: Decimal, currency: str, t: Words) -> str:
    """Write an amount as this language does: "6,25 €", "€6.25"."""
    sign = {"EUR": "€", "CHF": "CHF"}.get(currency, currency)
    written = f"{amount:,.2f}"
    if t.language == "fr":
        return f"{written.replace(',', ' ').replace('.', ',')}\u00a0{sign}"
    return f"{sign}{written}"


def capital(text: str) -> str:
    """Begin with a capital: "le copieur" opens a sentence."""
    return text[:1].upper() + text[1:]


def _flat(prefix: str, table: Mapping[str, object]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        if isinstance(value, Mapping):
            found += _flat(f"{prefix}{name}.", value)
        else:
            found.append((prefix + name, str(value)))
    return found


def _french(sentence: str) -> str:
    """Put the non-breaking spaces French typography asks for before : ; ! ? % and inside « »."""
    return re.sub(r" (?=[:;!?%»])|(?<=«) ", "\u00a0", sentence)
