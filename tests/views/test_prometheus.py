"""A real Prometheus scrapes the page's service and fires when the picture changes; and falls silent again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

import agent.views
from agent.views.web.pages import make_app
from drivers.peers.prometheus import PrometheusPeer, available
from tests.views.scenes import house, pictures, scenes, write_day

RULES = Path(agent.views.__file__).parent / "alerts.yml"

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(available()), reason=available() or "-")]


def test_a_dead_link_fires_in_a_real_prometheus_and_a_mended_one_resolves(tmp_path: Path) -> None:
    async def story() -> tuple[float, float]:
        with house(tmp_path / "house") as home:
            write_day(home.ledger)
            now = home.clock.now()
            home.paint(pictures(now))
            app = make_app(home.site, home.places, home.ledger, home.roster, home.clock)
            async with TestServer(app, host="127.0.0.1") as server:
                with PrometheusPeer(tmp_path / "prometheus", f"127.0.0.1:{server.port}", RULES) as prometheus:
                    await asyncio.to_thread(wait_scraped, prometheus)
                    assert await asyncio.to_thread(prometheus.firing) == set()
                    home.paint(scenes(now)["box"])
                    fired_s = await asyncio.to_thread(prometheus.wait_firing, "GardienLinkDown adsl1", 10.0)
                    assert await asyncio.to_thread(prometheus.firing) == {"GardienLinkDown adsl1"}
                    home.paint(scenes(now)["both-box"])
                    await asyncio.to_thread(prometheus.wait_firing, "GardienBothLinksDown", 10.0)
                    home.paint(pictures(now))
                    mended_s = await asyncio.to_thread(
                        lambda: prometheus.wait_firing("GardienLinkDown adsl1", 10.0, firing=False)
                    )
                    minutes = await asyncio.to_thread(prometheus.ask, "query?query=gardien_visit_minutes_total")
                    assert [one["value"][1] for one in minutes["result"]] == ["130"]  # type: ignore[attr-defined]
        return fired_s, mended_s

    fired_s, mended_s = asyncio.run(story())
    assert fired_s <= 5.0
    assert mended_s <= 5.0


def wait_scraped(prometheus: PrometheusPeer) -> None:
    """Wait until two scrapes stand, so that no alert waits for data."""
    for _ in range(200):
        try:
            found = prometheus.ask("query?query=count_over_time(gardien_link_up[1m])")["result"]
        except OSError:
            found = []
        if found and all(int(one["value"][1]) >= 2 for one in found):  # type: ignore[attr-defined]
            return
        asyncio.run(asyncio.sleep(0.1))
    raise TimeoutError("prometheus did not scrape within 20 s")
