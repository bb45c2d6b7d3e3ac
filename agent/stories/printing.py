"""The story of paper: a job prints, a member copies, and the device's counters close the books.

The one idea: the device's own record says what came out, its counters say that nothing was forgotten, and CUPS is only
the bell that says when to look. `mind_paper` minds one device and owns its books (see `stories.copier`);
`stories.spool` minds CUPS for all devices of the site. Either may fail and start again without the other.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.live import LiveDevice
from agent.memory.ledger import Ledger
from agent.stories.copier import Clerk, PaperPolicy, People
from agent.stories.desk import Desk
from drivers.contract import Clock, DeviceId, DeviceReading, Printer
from drivers.copying import CopyControl


async def mind_paper(
    device: DeviceId,
    printer: Printer,
    desk: Desk,
    ledger: Ledger,
    people: People,
    clock: Clock,
    show: Callable[[LiveDevice], None],
    policy: PaperPolicy,
    control: CopyControl | None = None,
) -> None:
    """Keep the books of one device. Raises DriverError when the device is lost, LedgerError when the ledger is.

    It is asked first, and the past is read only if it answers: a copier that is off all night is asked every few
    seconds, and a year of rows takes long to read.
    """
    try:
        first: DeviceReading | None = await printer.read()
        clerk = Clerk(device, printer, desk, ledger, people, clock, policy, control)
        while True:
            await clerk.look(seen=first)
            first = None
            show(clerk.picture())
            while (read := desk.next_badge()) is not None:
                await clerk.badge(read)
                show(clerk.picture())
            await desk.wait(clerk.rest_s())
    finally:
        show(LiveDevice(state="unknown"))
