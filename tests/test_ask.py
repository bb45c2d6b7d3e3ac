"""Actions between services: asked once, done once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.ask import Answer, AskError, Request, answering, ask
from drivers.clock import SystemClock

CLOCK = SystemClock()


def soon() -> float:
    return CLOCK.now().mono_s + 10.0


async def _ask_and_answer(run: Path) -> None:
    done: list[str] = []

    async def handler(request: Request) -> Answer:
        await asyncio.sleep(0.01)
        done.append(request.arguments["who"])
        return Answer(done=True, says=f"bonjour {request.arguments['who']}")

    async with answering(run, "door", CLOCK, handler):
        request = Request("greet", "cli", "test", soon(), {"who": "m001"})
        first, again = await asyncio.gather(ask(run, "door", request), ask(run, "door", request))
        assert first == again == Answer(done=True, says="bonjour m001")
        assert await ask(run, "door", request) == first
        assert done == ["m001"]  # a retry with the same id does nothing again
        late = await ask(run, "door", Request("greet", "cli", "test", CLOCK.now().mono_s - 1, {"who": "m002"}))
        assert not late.done
        reader, writer = await asyncio.open_unix_connection(run / "ask" / "door.sock")
        writer.write(b"{nonsense\n")
        assert b"not a request" in await reader.readline()
        writer.write(b"x" * 100_000)
        writer.close()
    with pytest.raises(AskError):
        await ask(run, "door", request)


def test_a_request_is_answered_once_and_refused_late(tmp_path: Path) -> None:
    asyncio.run(_ask_and_answer(tmp_path))


NONSENSE = (
    b"\xff\xfe\n",
    b"[]\n",
    b"[" * 60_000 + b"\n",
    b"x" * 200_000 + b"\n",
    b'{"action":"a","actor":"a","reason":"","expires_mono_s":"soon"}\n',
    b'{"action":"a","actor":"a","reason":"","expires_mono_s":NaN}\n',
    b'{"action":[],"actor":"a","reason":"","expires_mono_s":1e12}\n',
    b'{"action":"a","actor":"a","reason":"","expires_mono_s":1e12,"id":[]}\n',
    b'{"action":"a","actor":"a","reason":"","expires_mono_s":1e12,"arguments":[1]}\n',
    b'{"action":"a","actor":"a","reason":"","expires_mono_s":1e12,"arguments":{"line":5}}\n',
)


async def _answer_to(run: Path, line: bytes) -> bytes:
    async def never(_: Request) -> Answer:
        raise AssertionError

    async with answering(run, "door", CLOCK, never):
        reader, writer = await asyncio.open_unix_connection(run / "ask" / "door.sock")
        writer.write(line)
        said = await asyncio.wait_for(reader.readline(), 5)
        assert await asyncio.wait_for(reader.read(), 5) == b""  # and it hangs up
        writer.close()
        return said


@pytest.mark.parametrize("line", NONSENSE, ids=lambda line: line[:60].decode(errors="replace"))
def test_nonsense_is_answered_and_holds_no_line_open(tmp_path: Path, line: bytes) -> None:
    assert b"not a request" in asyncio.run(_answer_to(tmp_path, line))
