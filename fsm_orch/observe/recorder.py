"""The recorder: keeps what models were asked and answered beside the journals, for whoever looks for a mistake.

Nobody has one unless a runner is given it. It holds the user's own words: what is kept is bounded in age, number and
length, and keys are not kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from ..amounts import believed
from ..clock import Clock
from ..define.options import positive, whole
from ..define.wording import kind_of, without_surrogates
from ..messages import REDACTED, Message, ToolCall
from ..reported import report
from ..store.prompts import KeepsPrompts, KeptPrompt
from .prompted import Prompted
from .secrets import without_secrets

DAY_S = 86_400.0
_MOST_UNDER_WAY = 50_000_000
"""Characters of prompts on their way to a store at once: one that is slow, or away, takes no more memory than this."""
_EACH = 1_000
"""What a prompt counts for beside its texts."""


class Recorder:
    """Keeps the prompts of runs in a store: `Runner(Support, store=store, on_prompt=Recorder(store))`.

    Read them by `await store.prompts.of(run_id)`, or `fsm-orch runs show RUN --prompts`. They are forgotten with their
    run, or before. Keys that look as providers write them, and those in the environment of this process, are replaced.
    A runner that redacts fields has nothing kept of what was said: any text may tell of them.

    It is done beside the run, which never waits for it. What it raises is logged by its kind. While 50 million
    characters are on their way to a store that is slow, or away, what comes is not kept, and that is logged.

    Args:
        store: keeps them: a `SqlStore`, under its codec, or a `MemoryStore`.
        keep_s: seconds after which a prompt is forgotten, at the next that is kept.
        most: how many prompts of one run are kept, the newest.
        most_chars: of each text; the rest is cut off.
        redact: what is kept of a text, a plain function; called with every text, on the event loop. Of a text that it
            raises on nothing is kept.
        wall_clock: seconds of the epoch.

    Raises TypeError: if `store` keeps no prompts, such as its URL, or `redact` cannot be called, or a number is none.
    Raises ValueError: if `keep_s` is not above 0, or another number is less than 1.
    """

    def __init__(
        self,
        store: KeepsPrompts,
        *,
        keep_s: float = 7 * DAY_S,
        most: int = 200,
        most_chars: int = 20_000,
        redact: Callable[[str], str] | None = None,
        wall_clock: Clock = time.time,
    ) -> None:
        if isinstance(store, type) or not isinstance(store, KeepsPrompts):
            raise TypeError(
                f"a Recorder takes a store that keeps prompts, not {kind_of(store)}: Recorder(SqlStore(url))"
            )
        if redact is not None and not callable(redact):
            raise TypeError(f"redact= of a Recorder takes a function of a text, not {kind_of(redact)}")
        whole("most= of a Recorder", most)
        whole("most_chars= of a Recorder", most_chars)
        self._prompts = store.prompts
        self._keep_s = positive("keep_s= of a Recorder", keep_s, or_endless=True)
        self._most, self._most_chars = most, most_chars
        self._redact, self._clean, self._wall_clock = redact, without_secrets(), wall_clock
        self._under_way: dict[asyncio.Future[None], int] = {}
        """What each counts for."""

    def __call__(self, prompted: Prompted) -> None:
        """Keep a prompt, in its own time."""
        if self._size() >= _MOST_UNDER_WAY:
            report("a prompt of run %s was not kept: too many are on their way to the store", prompted.run_id)
            return
        kept = self._kept(prompted)
        keeping = self._prompts.keep(kept, most=self._most, since=kept.at - self._keep_s)
        if keeping.done():  # its callback would wait for the loop, which may be ending
            self._done(kept.run_id, keeping)
            return
        self._under_way[keeping] = _size_of(kept)
        keeping.add_done_callback(partial(self._done, kept.run_id))

    def _size(self) -> int:
        """Return what is on its way. What a loop has left that is closed is done by the store, and told to nobody."""
        size = 0
        for keeping, each in tuple(self._under_way.items()):  # a copy, made at once: loops of other threads add theirs
            if keeping.get_loop().is_closed():
                self._under_way.pop(keeping, None)
            size += each
        return size

    async def flush(self) -> None:
        """Wait until all is kept that it was called with on this event loop, or could not be."""
        loop = asyncio.get_running_loop()
        if mine := [keeping for keeping in tuple(self._under_way) if keeping.get_loop() is loop]:
            await asyncio.wait(mine)

    def _done(self, run_id: str, keeping: asyncio.Future[None]) -> None:
        self._under_way.pop(keeping, None)
        if not keeping.cancelled() and (error := keeping.exception()) is not None:
            report("a prompt of run %s was not kept: %s", run_id, type(error).__name__)

    def _kept(self, prompted: Prompted) -> KeptPrompt:
        request, response = prompted.request, prompted.response
        text: Callable[[str], str] = (lambda _: REDACTED) if prompted.is_redacted else self._text
        return KeptPrompt(
            run_id=prompted.run_id,
            path=prompted.path,
            visit=prompted.visit,
            call=prompted.call,
            state=prompted.state,
            model=prompted.model,
            at=self._wall_clock(),
            messages=tuple([_message(said, text) for said in request.messages]),
            reply=None if response is None else text(response.text),
            ended="" if response is None else response.finish,
            usage=None if response is None else believed(response.usage),
        )

    def _text(self, text: str) -> str:
        """Return what is kept of a text. Secrets first: of one that was cut in two no half is found."""
        kept = self._clean(text)
        if self._redact is not None:
            try:
                kept = _checked(self._redact(kept))
            except Exception as error:
                report("redact= of a Recorder raised %s, and nothing of that text is kept", type(error).__name__)
                return REDACTED
        left_out = len(kept) - self._most_chars
        return without_surrogates(kept if left_out <= 0 else f"{kept[: self._most_chars]}… [{left_out:,} more]")


def _size_of(kept: KeptPrompt) -> int:
    texts = (len(said.content) + sum(len(call.arguments) for call in said.tool_calls) for said in kept.messages)
    return _EACH + len(kept.reply or "") + sum(texts)


def _checked(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a text is expected, not {kind_of(text)}")
    return text


def _message(said: Message, text: Callable[[str], str]) -> Message:
    calls = tuple(
        [ToolCall(id=text(call.id), name=text(call.name), arguments=text(call.arguments)) for call in said.tool_calls]
    )
    # without the names of its fields: what is kept of its content need not be JSON any more
    answers = None if said.tool_call_id is None else text(said.tool_call_id)
    return Message(role=said.role, content=text(said.content), agent=said.agent, tool_calls=calls, tool_call_id=answers)
