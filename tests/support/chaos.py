"""A model that does whatever a tape says: every way a provider is known to misbehave, and some more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from fsm_orch import CallFailed, Request, Response, Usage
from fsm_orch.budget import Price

from .tape import Tape

LOOKALIKES = ("to_refund", "TO_SEARCH", "to_search ", "", "__class__", "*land*", "human", "handoff", "to_\u0455earch")


class ChaosModel:
    """Answers by the tape.

    Args:
        tape: decides.
        honest: never break the assumptions that the budget's promise is printed with (usage within the reservation).
        patient: never sleep for real seconds, only yield.
    """

    name = "chaos:tape"

    def __init__(self, tape: Tape, *, price: Price, honest: bool = False, patient: bool = False) -> None:
        self._tape = tape
        self._honest = honest
        self._patient = patient
        self.price = price

    async def count(self, request: Request) -> int:
        if self._tape.chance(100):
            raise CallFailed("uncountable", unsent=True)
        return self._bound(request)

    def _bound(self, request: Request) -> int:
        return min(60, sum(len(message.content) for message in request.messages) // 8)

    async def complete(self, request: Request) -> Response:
        await self._wait()
        match self._tape.below(60):
            case 1:
                raise CallFailed("status_500")
            case 2:
                raise CallFailed("connection", unsent=True)
            case 3:
                raise RuntimeError("the SDK broke, and its message holds sk-secret-key")
            case 4:
                raise asyncio.CancelledError
            case 5 | 6:
                return Response(text=self._text(request.schema), usage=self._usage(request), finish="length")
            case 7 | 8:
                return Response(text="", usage=self._usage(request), finish="refusal")
        return Response(text=self._text(request.schema), usage=self._usage(request))

    async def _wait(self) -> None:
        for _ in range(self._tape.below(3)):
            await asyncio.sleep(0)
        if not self._patient and self._tape.chance(8):
            await asyncio.sleep(self._tape.pick([0.5, 3.0, 7.0, 1e6]))

    def _usage(self, request: Request) -> Usage | None:
        bound, cap = self._bound(request), request.max_output_tokens
        options: list[Usage | None] = [
            Usage(requests=1, input_tokens=bound, output_tokens=cap),
            Usage(requests=1),
            Usage(requests=1, input_tokens=bound, output_tokens=cap // 2),
            None,
        ]
        if not self._honest and self._tape.chance(40):
            return Usage(requests=1, input_tokens=bound, output_tokens=cap + 1 + self._tape.below(9) * 1_000)
        return self._tape.pick(options)

    def _text(self, schema: Mapping[str, Any] | None) -> str:
        fields = self._fields(schema or {})
        good = json.dumps(fields)
        shapes: list[Callable[[], str]] = [
            *[lambda: good] * 24,
            lambda: json.dumps(fields | {"handoff": self._tape.pick(LOOKALIKES)}),
            lambda: good + good,
            lambda: good + " and so on",
            lambda: good[:-1],
            lambda: good[:-1] + ', "handoff": "x"}',
            lambda: json.dumps(fields | {"note": 1}),
            lambda: json.dumps(dict.fromkeys(fields, 7)),
            lambda: json.dumps([fields]),
            lambda: "I would rather talk about the weather.",
            lambda: "[" * 5_000,
            lambda: "",
        ]
        return self._tape.pick(shapes)()

    def _fields(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._value(part) for name, part in schema.get("properties", {}).items()}

    def _value(self, part: Mapping[str, Any]) -> Any:
        if "enum" in part:
            return self._tape.pick(part["enum"]) if part["enum"] else "none"
        if "anyOf" in part:
            return self._value(self._tape.pick(part["anyOf"]))
        kinds: dict[str, Any] = {"boolean": bool(self._tape.below(2)), "integer": self._tape.below(5), "null": None}
        return kinds.get(part.get("type", ""), "some text")
