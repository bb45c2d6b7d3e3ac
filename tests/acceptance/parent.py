"""`gardien run` for a house whose links stand in a network namespace: the parent process that may be killed.

`python -m tests.acceptance.parent SITE STATE RUN TAPE|- [WORDS TO ENTER THE NAMESPACE...]`
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

from agent.config import Places
from agent.services.together import Household, keep_house
from agent.sitefile import read_site


async def main() -> None:
    site_file, state, run, tape, *inside = sys.argv[1:]
    services = tuple(read_site(Path(site_file)).services)
    extra = () if tape == "-" else ("--tape", tape)
    household = Household(Path(site_file), Places(Path(state), Path(run)), services, {"links": inside}, extra)
    house = asyncio.create_task(keep_house(household))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, house.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await house


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(name)s: %(message)s")
    asyncio.run(main())
