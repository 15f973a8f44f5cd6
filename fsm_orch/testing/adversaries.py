"""A model that misbehaves, in every way that models and providers are known to. Each way is an *attack*, with a name.

A tape decides what it does, so that Hypothesis can draw and shrink it. Between attacks it behaves, or no run would go
far.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from ..amounts import FREE, Price, Usage
from ..define.definition import Definition
from ..define.machine import AnyMachine
from ..define.states import Handoff
from ..errors import CallFailed
from ..models.base import FinishReason, Request, Response
from ..settings import ModelSettings
from .tape import Tape
from .values import Schema, by_schema, fields_of, ways_of

Attack = Literal[
    # it decides what nobody declared
    "hallucinated_name",  # a handoff that does not exist
    "look_alike",  # a real name in other case, with white space, or in letters that look the same
    "closed_door",  # a real handoff that is not on the menu
    "self_handoff",  # the state it is in
    "ping_pong",  # what is legal and never ends: back to a state, if the menu has one
    # it says what nobody asked for
    "two_decisions",
    "duplicate_key",
    "extra_key",
    "wrong_types",
    "trailing_text",
    "prose",
    "deep_nesting",
    "empty",
    "truncated",
    "flood",  # far more than its cap, and says that it stopped by itself
    "declined",
    # its accounts are wrong
    "lying_usage",  # more than its reservation, or nothing
    "missing_usage",
    # the request fails
    "rate_limited",  # 429
    "server_error",  # 500
    "disconnected",
    "leaking_error",  # the SDK raises something of its own, with a key in it
    "cancelled",
    "uncountable",
    "slow",
    "hang",
]
"""A way to misbehave, by its name."""
ATTACKS: tuple[Attack, ...] = get_args(Attack)
"""Every attack."""
SECRET = "sk-secret-key"  # noqa: S105 - it opens nothing: a test looks whether it turns up anywhere
_HALLUCINATED = ("transfer_to_human_expert", "", "__class__", "*land*", "handoff", "null", "end", "../answered")
_CONFUSABLE = str.maketrans("aceiopsxy", "\u0430\u0441\u0435\u0456\u043e\u0440\u0455\u0445\u0443")
_FORGERIES: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.title,
    lambda name: name + " ",
    lambda name: "\n" + name,
    lambda name: name.translate(_CONFUSABLE),
    lambda name: name[:1] + "\u200b" + name[1:],
    lambda name: "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in name),
    lambda name: name.replace("_", "-") + "s",
    lambda name: name + "\0",
)


class AdversarialModel:
    """A model that behaves or attacks, as a tape decides.

    Args:
        tape: decides.
        attacks: what it may do; a single one shows what that one leads to.
        one_in: one request in `one_in` is attacked on average; 1: every request.
        machine: a machine whose handoffs it may propose from the wrong state; None: it knows only the menu.
        values: by field, what it may write; a field that is not named gets values made up from the schema.
        price: what tokens cost; None: unknown.

    One request may get several attacks: a reply may be slow, wrong, and of unknown usage.

    Raises ValueError: if an attack is unknown.
    """

    name = "adversarial:tape"

    def __init__(
        self,
        tape: Tape,
        *,
        attacks: Sequence[Attack] = ATTACKS,
        one_in: int = 3,
        machine: AnyMachine | None = None,
        values: Mapping[str, Sequence[Any]] | None = None,
        price: Price | None = FREE,
    ) -> None:
        unknown = [attack for attack in attacks if attack not in ATTACKS]
        if unknown:
            raise ValueError(f"no attack {unknown[0]!r}. Attacks: {', '.join(ATTACKS)}")
        self._tape = tape
        self._attacks = tuple(attacks)
        self._one_in = one_in
        self._definition: Definition | None = machine.definition if machine else None
        self._values = values or {}
        self.price = price
        self.done: list[Attack] = []
        """The attacks so far, in order."""

    def objection(self, settings: ModelSettings) -> str | None:  # noqa: ARG002
        """Return None: it does what its tape says, whatever is set."""
        return None

    async def count(self, request: Request) -> int:
        """Return a bound of the input that is small enough for any cap.

        Raises CallFailed: if that is its attack.
        """
        if "uncountable" in self._attacks and self._tape.chance(max(1, 30 * (self._one_in - 1))):
            self.done.append("uncountable")
            raise CallFailed("uncountable", unsent=True)
        return _bound(request)

    async def complete(self, request: Request) -> Response:
        """Answer, or attack.

        Raises CallFailed, RuntimeError or asyncio.CancelledError: if that is its attack.
        """
        for _ in range(self._tape.below(3)):  # so that calls made at once end in any order
            await asyncio.sleep(0)
        if self._also("slow"):
            await self._delay("slow")
        if self._also("hang"):
            await self._delay("hang")
        attacks: list[Attack] = [attack for attack in self._attacks if attack != "uncountable"]
        if not attacks or (self._one_in > 1 and self._tape.below(self._one_in) != self._one_in - 1):
            return self._reply(request, json.dumps(self._decision(request)))
        attack = self._tape.pick(attacks)
        self.done.append(attack)
        await self._delay(attack)
        _raise(attack)
        return self._misbehave(request, attack)

    def _also(self, attack: Attack) -> bool:
        """Return whether to add an attack to whatever else happens; true once in a while."""
        is_due = attack in self._attacks and self._tape.chance(8 * self._one_in)
        if is_due:
            self.done.append(attack)
        return is_due

    async def _delay(self, attack: Attack) -> None:
        if attack in ("slow", "hang"):
            await asyncio.sleep(1e6 if attack == "hang" else self._tape.pick([0.5, 3.0, 7.0]))

    def _misbehave(self, request: Request, attack: Attack) -> Response:
        decision = self._decision(request)
        text = json.dumps(decision)
        match attack:
            case "lying_usage":
                more = 1 + self._tape.below(9) * 1_000
                used = self._tape.pick([request.max_output_tokens + more, 0])
                return Response(text=text, usage=Usage(requests=1, input_tokens=_bound(request), output_tokens=used))
            case "missing_usage":
                return Response(text=text, usage=None)
            case "truncated":
                return self._reply(request, text[: max(0, len(text) - 1 - self._tape.below(9))], finish="length")
            case "flood":
                return self._reply(request, text + " again" * 20_000)  # not cut at the cap: that is the attack
            case "declined":
                return self._reply(request, "", finish="refusal")
            case "hallucinated_name" | "look_alike" | "closed_door" | "self_handoff" | "ping_pong":
                return self._reply(request, json.dumps(_misrouted(decision, self._misroute(request, attack))))
        return self._reply(request, _garbled(decision, text).get(attack, text))

    def _misroute(self, request: Request, attack: Attack) -> dict[str, str]:
        menu = _menu(request)
        if not menu:
            return {} if attack == "ping_pong" else {"handoff": "anywhere"}
        exits = self._exits(menu)
        options: Sequence[str] = menu
        match attack:
            case "hallucinated_name":
                options = _HALLUCINATED
            case "look_alike":
                options = [forge(self._tape.pick(menu)) for forge in _FORGERIES]
            case "closed_door":
                known = self._definition.handoffs if self._definition else ()
                options = [handoff.name for handoff in known if handoff.name not in menu]
            case "self_handoff":
                here = next((source.name for handoff in exits[:1] for source in handoff.sources), "self")
                options = [here, f"to_{here}", f"transfer_to_{here}"]
            case "ping_pong":
                states = self._definition.states if self._definition else {}
                options = [handoff.name for handoff in exits if handoff.target.name in states]
        return {"handoff": self._tape.pick(options or menu)}

    def _exits(self, menu: Sequence[str]) -> list[Handoff]:
        known = self._definition.handoffs if self._definition else ()
        return [handoff for handoff in known if handoff.name in menu]

    def _decision(self, request: Request) -> dict[str, Any]:
        ways = ways_of(request.schema)
        return {"reply": self._filled(self._tape.pick(ways))} if ways else self._filled(request.schema)

    def _filled(self, schema: Schema | None) -> dict[str, Any]:
        return {
            name: self._tape.pick(self._values[name]) if self._values.get(name) else by_schema(part, self._tape)
            for name, part in fields_of(schema)
        }

    def _reply(self, request: Request, text: str, finish: FinishReason = "stop") -> Response:
        cap = request.max_output_tokens
        used: int | None = self._tape.pick([cap, 0, cap // 2])
        if self._also("lying_usage"):
            used = cap + 1 + self._tape.below(9) * 1_000
        elif "missing_usage" in self._attacks and self._tape.chance(4):
            used = None
        usage = None if used is None else Usage(requests=1, input_tokens=_bound(request), output_tokens=used)
        return Response(text=text, usage=usage, finish=finish)


def _bound(request: Request) -> int:
    return min(60, sum(len(message.content) for message in request.messages) // 8)


def _menu(request: Request) -> Sequence[str]:
    for way in ways_of(request.schema) or (request.schema,):
        asked = dict(fields_of(way)).get("handoff")
        if asked:
            menu: Sequence[str] = asked.get("enum", ())
            return menu
    return ()


def _misrouted(decision: dict[str, Any], handoff: dict[str, str]) -> dict[str, Any]:
    """Return a decision with another handoff, where its form has one."""
    inside = decision.get("reply")
    if isinstance(inside, dict):
        return {**decision, "reply": {**inside, **handoff}}
    return {**decision, **handoff}


def _raise(attack: Attack) -> None:
    match attack:
        case "rate_limited":
            raise CallFailed("rate_limited", "HTTP 429", unsent=True, transient=True, retry_after_s=1.0)
        case "server_error":
            raise CallFailed("status_500", "HTTP 500", transient=True)
        case "disconnected":
            raise CallFailed("connection", unsent=True, transient=True)
        case "leaking_error":
            raise RuntimeError(f"the SDK broke, and its message holds {SECRET}")
        case "cancelled":
            raise asyncio.CancelledError


def _garbled(decision: Mapping[str, Any], text: str) -> dict[Attack, str]:
    return {
        "two_decisions": text + text,
        "duplicate_key": text[:-1] + ', "handoff": "x"' * 2 + "}",
        "extra_key": json.dumps({**decision, "note": 1}),
        "wrong_types": json.dumps([decision] if not decision else dict.fromkeys(decision, 7)),
        "trailing_text": text + " and so on",
        "prose": "I would rather talk about the weather.",
        "deep_nesting": "[" * 5_000,
        "empty": "",
    }
