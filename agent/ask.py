"""Actions between services: one Unix socket per service; who may open the socket may ask.

One JSON line each way. Every request has an id (a retry with the same id gets the first answer and does nothing
again), an actor, a reason and an expiry by the monotonic clock. Nothing else passes between services but the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from drivers.contract import Clock

LINE_LIMIT = 64 * 1024
REMEMBERED = 256  # answers kept for retries
WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked of a service."""

    action: str  # "visit-start", "open", ...
    actor: str  # "cli", "animator", an account id: never a name
    reason: str
    expires_mono_s: float  # of this boot; a request found later is refused
    arguments: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it: `done`, and one sentence for the person who asked."""

    done: bool
    says: str
    code: str = field(default="", compare=False)  # the same for a page, which has words of its own for it
    value: str = field(default="", compare=False)  # what goes into those words


def route(line: str) -> tuple[tuple[str, ...], str, dict[str, str]]:
    """Return whom a verb concerns (`drivers.verbs`): services to try, action, arguments. Raises VerbError.

    The animator's word goes to the web service; the rest to the simulated building of the service that has that part.
    """
    from drivers.verbs import BadgeVerb, DoorVerb, LinkVerb, VisitVerb, parse  # noqa: PLC0415  (only whoever tells)

    verb = parse(line)
    match verb:
        case VisitVerb():
            action = "visit-start" if verb.name == "arrive" else "visit-end"
            return ("web",), action, {"member": verb.member, "at": verb.at}
        case LinkVerb():
            parts: tuple[str, ...] = ("sim-links",)
        case DoorVerb():
            parts = ("sim-door",)
        case BadgeVerb():
            parts = ("sim-door", "sim-paper")  # a reader stands at one of them
        case _:
            parts = ("sim-paper",)
    return parts, "verb", {"line": line}


class AskError(Exception):
    """The service could not be asked: it is not running, or did not answer in time."""


Handler = Callable[[Request], Awaitable[Answer]]


@contextlib.asynccontextmanager
async def answering(run: Path, service: str, clock: Clock, handler: Handler) -> AsyncIterator[None]:
    """Serve requests for `service` while the block runs. `handler` returns refusals as answers; it does not raise."""
    answered: OrderedDict[str, asyncio.Future[Answer]] = OrderedDict()

    async def judge(line: bytes) -> Answer:
        try:
            request = _request(line)
        except (ValueError, TypeError, RecursionError) as error:
            return Answer(done=False, says=f"not a request: {error}")
        if request.expires_mono_s < clock.now().mono_s:
            return Answer(done=False, says="too late: the request had expired")
        first = answered.get(request.id)
        if first is None:
            first = answered[request.id] = asyncio.ensure_future(handler(request))
            while len(answered) > REMEMBERED:
                answered.popitem(last=False)
        return await asyncio.shield(first)

    async def answer(reader: asyncio.StreamReader) -> Answer:
        try:
            line = await asyncio.wait_for(reader.readline(), WAIT_S)
        except ValueError:
            return Answer(done=False, says=f"not a request: longer than {LINE_LIMIT} bytes")
        return await judge(line)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(json.dumps(asdict(await answer(reader))).encode() + b"\n")
            await asyncio.wait_for(writer.drain(), WAIT_S)
        except (ConnectionError, TimeoutError):
            return  # who asked has gone
        finally:
            writer.close()

    path = run / "ask" / f"{service}.sock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(serve, path, limit=LINE_LIMIT)
    path.chmod(0o660)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


def _request(line: bytes) -> Request:
    """Read a request. Raises ValueError, TypeError, RecursionError for anything else."""
    request = Request(**json.loads(line))
    if not isinstance(request.arguments, dict):
        raise TypeError("arguments is an object")
    texts = (request.action, request.actor, request.reason, request.id, *request.arguments.values())
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("action, actor, reason, id and arguments are texts")
    if not math.isfinite(request.expires_mono_s):
        raise ValueError("it never expires")
    return request


async def ask(run: Path, service: str, request: Request, wait_s: float = WAIT_S) -> Answer:
    """Ask `service` and return its answer, which may take `wait_s`. Raises AskError."""
    try:
        async with asyncio.timeout(wait_s):
            reader, writer = await asyncio.open_unix_connection(run / "ask" / f"{service}.sock", limit=LINE_LIMIT)
            try:
                writer.write(json.dumps(asdict(request)).encode() + b"\n")
                await writer.drain()
                return Answer(**json.loads(await reader.readline()))
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise AskError(f"the service {service!r} could not be asked: {error}") from error


async def tell(run: Path, line: str, actor: str, clock: Clock) -> Answer:
    """Send a verb where it belongs and return the first answer that is not a refusal. Raises AskError, VerbError."""
    services, action, arguments = route(line)
    answers = []
    for service in services:
        request = Request(action, actor, "", clock.now().mono_s + WAIT_S, arguments)
        try:
            answers.append(await ask(run, service, request))
        except AskError:
            if service is services[-1] and not answers:
                raise
            continue
        if answers[-1].done:
            break
    return answers[-1]
