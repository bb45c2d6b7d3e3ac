"""Templates -> HTML. Autoescaped, strict about missing values, compiled once; no template reads a state itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from agent.config import Site
from agent.rules.incidents import Level
from agent.views.sentences import Saying, Verdict

PARTS = ("verdict", "cards", "today", "box")
WALL_PARTS = ("verdict", "tiles")


def environment() -> Environment:
    """Return the templates, every one compiled now, so that the first visitor does not wait."""
    env = Environment(
        loader=PackageLoader("agent.views.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        auto_reload=False,
    )
    for name in env.list_templates():
        env.get_template(name)
    return env


class Rendering:
    """Renders the state, the wall and their parts for one site.

    `acting` tells whether there is anybody who may act: without, no button is shown.
    """

    def __init__(self, site: Site, env: Environment, acting: Callable[[], bool]) -> None:
        self._site = site
        self._env = env
        self._acting = acting

    def parts(self, say: Saying) -> dict[str, object]:
        """Return the parts that live, the title and the level, for one `parts` event."""
        verdict = say.verdict()
        return self._news(self._html(say, verdict), verdict)

    def wall_parts(self, say: Saying, hours: tuple[str, ...]) -> dict[str, object]:
        """Return what lives on the wall, for one `parts` event."""
        verdict = say.verdict()
        return self._news(self._wall_html(say, verdict, hours), verdict)

    def _news(self, html: dict[str, str], verdict: Verdict) -> dict[str, object]:
        title = f"{verdict.sentence} · {self._site.site.name}"
        return {"parts": html, "title": title, "level": str(verdict.level)}

    def wall(self, say: Saying, hours: tuple[str, ...], *, statement: bool) -> str:
        """Return the whole wall; `statement`: with the way to the accessibility statement."""
        verdict = say.verdict()
        frame = {
            "t": say.words,
            "site": self._site.site.name,
            "phone": self._site.site.help_phone,
            "other": "en" if say.words.language == "fr" else "fr",
            "statement": statement,
        }
        return self._whole("wall.html", say, verdict, frame, self._wall_html(say, verdict, hours))

    def page(self, say: Saying, frame: Mapping[str, object]) -> str:
        """Return the whole page, in the frame that all pages share (`gate.frame`)."""
        verdict = say.verdict()
        return self._whole("page.html", say, verdict, frame, self._html(say, verdict))

    def _whole(
        self, template: str, say: Saying, verdict: Verdict, frame: Mapping[str, object], html: Mapping[str, str]
    ) -> str:
        return self._env.get_template(template).render(
            frame,
            verdict=verdict,
            day=say.words.day(say.state.at.astimezone(say.zone)),
            time=say.time(say.state.at, "%H:%M:%S"),
            parts={name: Markup(text) for name, text in html.items()},  # noqa: S704  (rendered and escaped just above)
            stale=Markup(self._stale(say)),  # noqa: S704  (the same)
        )

    def _wall_html(self, say: Saying, verdict: Verdict, hours: tuple[str, ...]) -> dict[str, str]:
        values = {"t": say.words, "verdict": verdict, "tiles": say.tiles(), "hours": hours, "last_out": last_out(say)}
        return {name: self._env.get_template(f"{name}.html").render(values) for name in WALL_PARTS}

    def _html(self, say: Saying, verdict: Verdict) -> dict[str, str]:
        today = say.state.today
        events = say.events()
        values = {
            "t": say.words,
            "verdict": verdict,
            "last_out": last_out(say),
            "cards": say.cards(),
            "acting": self._acting(),
            "fault": today.fault,
            "has_paper": bool(self._site.printers),
            "paper": say.paper(),
            "books": say.books(),
            "events": events,
            "more": say.words("events.more", n=today.count) if today.count > len(events) else "",
            "box": say.box(),
        }
        return {name: self._env.get_template(f"{name}.html").render(values) for name in PARTS}

    def _stale(self, say: Saying) -> str:
        """Return the verdict of a browser that no longer hears from us; it fills in the time itself."""
        words = say.words
        more = f"{words('page.stale_more', time='{time}')} {words('page.stale_remedy')}"
        verdict = Verdict(Level.UNKNOWN, words("page.stale"), more)
        return self._env.get_template("verdict.html").render(verdict=verdict, last_out="")


def last_out(say: Saying) -> str:
    """Tell whoever left last what to check, while they may still turn back; else nothing."""
    at = say.state.last_out
    return "" if at is None else say.words("lastout.check", time=say.time(at))
