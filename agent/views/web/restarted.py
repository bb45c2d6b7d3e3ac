"""`/redemarree`: the animator says that a provider's box was restarted; the incident then shows how long to wait.

The one idea: a box takes five minutes to come back, and a person who does not know that restarts it again. The button
stands inside a part of the page that is the same for every tab; its form, with the token, in the frame around it.
"""

from __future__ import annotations

from aiohttp import web

from agent.rules.access import BoxRestarted, Role
from agent.views.web.gate import GATE, account_of, back, form, needs, write


def routes(app: web.Application) -> None:
    """Add the one action."""
    app.router.add_post("/redemarree", note_restart)


@needs(Role.ANIMATOR)
async def note_restart(request: web.Request) -> web.StreamResponse:
    """Note that the box of a link of this site was restarted just now."""
    link = (await form(request)).get("link", "")
    if link not in request.app[GATE].site.links:
        return back(request, "/", "restart.unknown")
    await write(request, BoxRestarted(link, account_of(request).id))
    return back(request, "/", "restart.noted")
