"""Tools: typed functions, and machines, that a model may use before it decides.

A tool never fails the visit. One that raises, is late, or returns something else than it says, has failed, and the
model reads so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json

from ..define.context import FieldRef, field_refs
from ..define.crossed import item_of, why_misfit
from ..define.defaults import said
from ..define.definition import Definition
from ..define.machine import AnyMachine, is_machine
from ..define.parts import Part, ToolSpec
from ..define.signature import Arguments, Signature, arguments_of, signature_of
from ..define.source import names_of_caller
from ..define.wording import did_you_mean, kind_of
from ..errors import ToolFailed
from ..kernel.configuration import Ask
from ..kernel.requests import RunPart, UseTool
from .shortened import LEAST_CHARS, shortened
from .thread import in_thread

_SCALARS = frozenset({"string", "integer", "number", "boolean"})


class Tool:
    """A typed function, or a machine, that a model may use before it decides.

        def order_status(order: int, *, deps: Shop) -> str:
            '''Return where an order is.'''

        LLMAgent("Help.", tools=(Tool(order_status, choices={"order": Ticket.numbers}), Tool(refund, approval=True)))

    What the model fills in is made of the signature, and it is told the docstring. Parameters named `key` and `deps`
    are not the model's: they are given the idempotency key of the use, the same if it is tried again, and the
    dependencies of the run. Arguments that do not fit are refused, and the model may mend them; a result that is not
    what the function says it returns is told as a failure.

    Of a machine the model fills in the required and Given fields of its context. It runs on a share of the ledger; what
    it wrote is the result, if it ended well.

    Args:
        work: the function, which may be async, or the class of a machine.
        approval: whether a human must approve each use.
        timeout_s: seconds of one use; None: as long as the visit has. What it had begun then has an unknown outcome.
        most_chars: characters of a result that the model is shown; it is cut there.
        attempts: tries at most when it raises, under the same key.
        choices: by parameter, a field that holds what it may be: `{"order": Ticket.numbers}`. While the field holds
            nothing the tool is not offered.
        repeatable: whether it may be used again, under the same key, after a crash of which nobody knows whether it was
            used before.
        thread: call a plain function in a thread of its own.
        most: of a machine, how often one visit runs it at most. Its share is held so many times by the worst case.

    Raises TypeError: if it cannot be a tool, such as a function without types; or an option is of no meaning for it.
    Raises ValueError: if a number is out of its range.
    """

    def __init__(
        self,
        work: Callable[..., Any] | AnyMachine,
        *,
        approval: bool = False,
        timeout_s: float | None = None,
        most_chars: int = 500,
        attempts: int = 1,
        choices: Mapping[str, Any] | None = None,
        repeatable: bool = False,
        thread: bool = False,
        most: int = 1,
    ) -> None:
        self.name: str = getattr(work, "__name__", type(work).__name__)
        """What the model calls it."""
        if most_chars < LEAST_CHARS or attempts < 1 or most < 1 or (timeout_s is not None and not timeout_s > 0):
            raise ValueError(
                f"{self.name}: most_chars is {LEAST_CHARS} or more, attempts= and most= 1 or more, timeout_s= above 0"
            )
        self.most_chars = most_chars
        self.spec: ToolSpec | None = None
        """It as a definition sees it, if it is a function."""
        self.part: Part | None = None
        """It as a definition sees it, if it is a machine."""
        self._function: Callable[..., Any] = _never
        self._signature: Signature | None = None
        self._attempts, self._is_threaded = attempts, thread
        self._written: frozenset[str] = frozenset()
        if is_machine(work):
            if approval or timeout_s or attempts > 1 or repeatable or thread:
                raise TypeError(f"{self.name} is a machine, which has its own time and attempts: give most= alone")
            self._take_machine(work, most)
        else:
            if most != 1:
                raise TypeError(f"most= is of a machine: {self.name} is used as often as the agent asks=")
            self._take_function(work, approval=approval, repeatable=repeatable, timeout_s=timeout_s)
        self.choices = _choices(self.name, self.arguments, choices or {})
        """By parameter, the field that holds what it may be."""
        self.canonical = said(
            name=self.name,
            description=self.description,
            **({} if self._signature is None else self._signature.canonical),
            most_chars=most_chars,
            attempts=attempts,
            choices={name: ref.name for name, ref in self.choices.items()},
        )
        """All of it that a digest must cover and a definition does not say, as JSON."""

    def _take_function(self, work: Any, *, approval: bool, repeatable: bool, timeout_s: float | None) -> None:
        self._function, self._signature = work, signature_of(work, names_of_caller())
        self.arguments: Arguments = self._signature.arguments
        """What the model fills in."""
        self.description: str = self._signature.description
        """What the model is told."""
        if self._is_threaded and inspect.iscoroutinefunction(work):
            raise TypeError(f"{self.name} is async, so it needs no thread: leave thread=True out")
        self.spec = ToolSpec(
            name=self.name,
            approval=approval,
            repeatable=repeatable,
            timeout_s=timeout_s,
            deps=self._signature.deps,
        )

    def _take_machine(self, work: AnyMachine, most: int) -> None:
        self.arguments, self.description = arguments_of(work.definition.context), work.definition.doc
        if not self.description:
            raise TypeError(f"{self.name} cannot be a tool: it has no docstring, by which a model knows when to use it")
        self.part = Part(name=self.name, definition=work.definition, most=most)
        self._written = _written_in(work.definition)

    def request(self, arguments: Mapping[str, Any]) -> UseTool | RunPart:
        """Return the request for a use.

        Args:
            arguments: as JSON, validated.
        """
        if self.part is not None:
            return RunPart(part=self.name, context=arguments)
        return UseTool(name=self.name, arguments=arguments)

    async def use(self, arguments: Mapping[str, Any], *, key: str, deps: Any) -> Any:
        """Call the function, and return its result as JSON, cut where it is longer than the model is shown.

        Args:
            arguments: as JSON, as the journal holds them.
            key: the idempotency key.

        Raises ToolFailed: if it returned something else than it says.
        Raises what it raised: if no attempt is left.
        """
        assert self._signature is not None  # a machine is run by the kernel
        ours = {"key": key, "deps": deps}
        given = {**self.arguments.opened(arguments), **{name: ours[name] for name in self._signature.takes}}
        for left in reversed(range(self._attempts)):
            try:
                returned = await self._called(given)
                break
            except Exception:
                if not left:
                    raise
        return shortened(self._told(returned), self.most_chars)

    async def _called(self, given: Mapping[str, Any]) -> Any:
        if self._is_threaded:
            return await in_thread(lambda _: self._function(**given), None)
        returned = self._function(**given)
        return await returned if inspect.isawaitable(returned) else returned

    def _told(self, returned: Any) -> Any:
        """Return a result as JSON.

        Raises ToolFailed: if it is not what the function says it returns; says where, and not what came.
        """
        assert self._signature is not None
        returns = self._signature.returns
        try:
            return from_json(returns.dump_json(returns.validate_python(returned, strict=True), warnings=False))
        except Exception:  # of a validator, too, and of whatever came: its text may hold anything
            pass
        raise ToolFailed(f"{self.name} returned {kind_of(returned)}, which is not what it says it returns")

    def result(self, ask: Ask) -> Any:
        """Return what came of an ask for it, as JSON: of a machine that ended well, what it wrote."""
        if self.part is None or not isinstance(ask.value, Mapping):
            return ask.value
        if not ask.ok:
            return f"it ended in {ask.value['state']!r}"
        return {name: value for name, value in ask.value["context"].items() if name in self._written}


def _never() -> None:
    raise AssertionError("a machine is run by the kernel")


def _written_in(definition: Definition) -> frozenset[str]:
    """Return the names of the fields that agents and final states of a machine write."""
    agents = (state.spec.written_names for state in definition.states.values())
    ends = (frozenset(ref.name for ref in final.sets) for final in definition.finals.values())
    return frozenset().union(*agents, *ends)


def _choices(name: str, arguments: Arguments, choices: Mapping[str, Any]) -> Mapping[str, FieldRef]:
    """Return by parameter the field that holds what it may be.

    Raises TypeError: if it is no parameter, no field, or a field of something else.
    """
    wanted, found = arguments.annotations, dict[str, FieldRef]()
    for parameter, field in choices.items():
        refs = field_refs(field)
        if parameter not in wanted:
            raise TypeError(f"{name} has no parameter {parameter!r}{did_you_mean(parameter, wanted)}")
        if len(refs) != 1:
            raise TypeError(f"choices= takes one field for {parameter!r}, such as Ticket.numbers")
        info = refs[0].owner.__pydantic_fields__.get(refs[0].name)
        items = None if info is None else item_of(info.annotation)
        if items is None:
            raise TypeError(f"{refs[0]!r} is no tuple of items, of which {name} could be given one as {parameter!r}")
        if why := why_misfit(items, wanted[parameter]):
            raise TypeError(f"{refs[0]!r} holds {why}, which {parameter!r} of {name} does not take")
        if arguments.schema["properties"][parameter].get("type") not in _SCALARS:
            raise TypeError(f"{parameter!r} of {name} is not a text, a number or a boolean, so it has no choices")
        found[parameter] = refs[0]
    return found
