"""Tools: typed functions, machines, and what servers offer, that a model may use before it decides.

A tool never fails the visit. One that raises, is late, or returns something else than it says, has failed, and the
model reads so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..define.context import FieldRef, field_refs
from ..define.crossed import item_of, why_misfit
from ..define.defaults import said
from ..define.definition import Definition
from ..define.machine import AnyMachine, is_machine
from ..define.parts import Part, ToolSpec
from ..define.signature import Arguments, arguments_of, signature_of
from ..define.source import names_of_caller
from ..define.wording import did_you_mean
from ..errors import ToolFailed
from ..kernel.configuration import Ask
from ..kernel.requests import RunPart, UseTool
from .lenders import lent_by
from .lent import LentTool
from .remote import RemoteTool
from .schema_arguments import SchemaArguments
from .shortened import LEAST_CHARS, shortened
from .used_function import UsedFunction

_SCALARS = frozenset({"string", "integer", "number", "boolean"})


class Tool:
    """A typed function, or a machine, that a model may use before it decides.

        def order_status(order: int, *, deps: Shop) -> str:
            '''Return where an order is.'''

        LLMAgent("Help.", tools=(Tool(order_status, choices={"order": Ticket.numbers}), Tool(refund, approval=True)))

    What the model fills in is made of the signature, and it is told the docstring. It fills in every parameter, those
    with a default too, but `key` and `deps`: these are given the idempotency key of the use, the same if it is tried
    again, and the dependencies of the run. Arguments that do not fit are refused, and the model may mend them; a result
    that is not what the function says it returns is told as a failure.

    Of a machine the model fills in the required and Given fields of its context. It runs on a share of the ledger; what
    it wrote is the result, if it ended well. It is offered while its share can be paid; several that cannot be paid for
    together are refused together, and the model may ask for fewer.

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
        most: of a machine, how often one visit runs it at most. So many shares of it are in the worst case.

    Raises TypeError: if it cannot be a tool, such as a function without types; or an option is of no meaning for it.
    Raises ValueError: if a number is out of its range.
    """

    name: str
    """What the model calls it."""
    description: str
    """What the model is told of it."""
    arguments: Arguments | SchemaArguments
    """What the model fills in."""
    choices: Mapping[str, FieldRef]
    """By parameter, the field that holds what it may be."""
    most_chars: int
    remote: RemoteTool | None = None
    """It as its server has it, if it is a remote one."""
    spec: ToolSpec | None = None
    """It as a definition sees it, if it is a function."""
    part: Part | None = None
    """It as a definition sees it, if it is a machine."""
    canonical: Mapping[str, Any]
    """All of it that a digest must cover and that is in no spec, as JSON."""

    def __init__(
        self,
        work: Callable[..., Any] | AnyMachine | RemoteTool | LentTool,
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
        self.name = (
            work.name if isinstance(work, RemoteTool | LentTool) else getattr(work, "__name__", type(work).__name__)
        )
        self.most_chars = most_chars
        if most_chars < LEAST_CHARS or attempts < 1 or most < 1 or (timeout_s is not None and not timeout_s > 0):
            raise ValueError(
                f"{self.name}: most_chars= is {LEAST_CHARS} or more, attempts= and most= 1 or more, timeout_s= above 0"
            )
        function: Mapping[str, Any] = {}
        self._used: UsedFunction | RemoteTool | LentTool
        if is_machine(work):
            if approval or timeout_s is not None or attempts != 1 or repeatable or thread:
                raise TypeError(f"{self.name} is a machine, which has its own time and attempts: give most= alone")
            self.description, self.arguments = _doc(work.definition), arguments_of(work.definition.context)
            self.part = Part(name=self.name, definition=work.definition, most=most)
            self._written = _written_in(work.definition)
        elif isinstance(work, RemoteTool | LentTool):
            if attempts != 1 or thread or most != 1:
                who = "a server" if isinstance(work, RemoteTool) else work.origin
                raise TypeError(f"attempts=, thread= and most= have no meaning for {self.name}, which {who} runs")
            self.description, self.arguments = work.described.description, work.arguments
            function, self._used = work.canonical, work
            self.remote = work if isinstance(work, RemoteTool) else None
            self.spec = ToolSpec(name=self.name, approval=approval, repeatable=repeatable, timeout_s=timeout_s)
        else:
            signature = signature_of(work, names_of_caller())
            if most != 1:
                raise TypeError(f"most= is of a machine: an agent uses {self.name} as often as it asks=")
            self.description, self.arguments, function = signature.description, signature.arguments, signature.canonical
            self.spec = ToolSpec(
                name=self.name, approval=approval, repeatable=repeatable, timeout_s=timeout_s, deps=signature.deps
            )
            self._used = UsedFunction(work, signature, attempts=attempts, is_threaded=thread)
        self.choices = _choices(self.name, self.arguments, choices or {})
        self.canonical = said(
            name=self.name,
            description=self.description,
            **function,
            most_chars=most_chars,
            attempts=attempts,
            choices={name: ref.name for name, ref in self.choices.items()},
        )

    @classmethod
    def of(
        cls,
        lent: object,
        *,
        approval: bool = False,
        timeout_s: float | None = None,
        most_chars: int = 500,
        choices: Mapping[str, Any] | None = None,
        repeatable: bool = False,
    ) -> Tool:
        """Return a tool that another library has made: openai-agents, LangChain, or pydantic-ai.

            LLMAgent("Help.", tools=(Tool.of(order_status), Tool.of(refund, approval=True)))

        It has the name, the description and the schema that its library gives it, and is called as its library calls
        it. Its use is journaled as that of any tool. The idempotency key reaches a tool of openai-agents as the
        `tool_call_id` of its context, the dependencies of the run as the `context`; other tools have no place for them.
        What its library would do around a call, such as a guardrail, is not done here: a tool with that is refused.

        Args:
            lent: a `FunctionTool` of openai-agents, a `BaseTool` of LangChain, or a `Tool` of pydantic-ai.
            approval: whether a human must approve each use; needed if its library asks for it.
            timeout_s: seconds of one use; None: what its library says, else as long as the visit has.
            most_chars, choices, repeatable: as for any tool.

        Raises TypeError: if it is none of these; or something that its library does would be lost; says all of it.
        Raises StartError: if the package that validates its arguments is missing: the extra `mcp` has it.
        """
        work = lent_by(lent, is_approved=approval)
        return cls(
            work,
            approval=approval,
            timeout_s=work.timeout_s if timeout_s is None else timeout_s,
            most_chars=most_chars,
            choices=choices,
            repeatable=repeatable,
        )

    def request(self, arguments: Mapping[str, Any]) -> UseTool | RunPart:
        """Return the request for a use.

        Args:
            arguments: as JSON, validated.
        """
        if self.part is not None:
            return RunPart(part=self.name, context=arguments)
        return UseTool(name=self.name, arguments=arguments)

    async def use(self, arguments: Mapping[str, Any], *, key: str, deps: Any) -> Any:
        """Call the function, or use the tool of another, and return its result as JSON, cut to what the model is shown.

        Args:
            arguments: as JSON, as the journal holds them.
            key: the idempotency key.

        Raises ToolFailed: if it returned something else than it says, or its server failed.
        Raises what it raised: if no try is left.
        """
        try:
            return shortened(await self._used.use(arguments, key=key, deps=deps), self.most_chars)
        except ToolFailed as failed:
            failed.told = shortened(failed.told, self.most_chars)
            raise

    def result(self, ask: Ask) -> Any:
        """Return what came of an ask for it, as JSON: of a machine that ended well, what it wrote."""
        if self.part is None or not isinstance(ask.value, Mapping):
            return ask.value
        if not ask.ok:
            return f"it ended in {ask.value['state']!r}"
        return {name: value for name, value in ask.value["context"].items() if name in self._written}


def _doc(definition: Definition) -> str:
    if not definition.doc:
        raise TypeError(
            f"{definition.name} cannot be a tool: it has no docstring, by which a model knows when to use it"
        )
    return definition.doc


def _written_in(definition: Definition) -> frozenset[str]:
    """Return the names of the fields that agents and final states of a machine write."""
    agents = [state.spec.written_names for state in definition.states.values()]
    ends = [frozenset(ref.name for ref in final.sets) for final in definition.finals.values()]
    return frozenset().union(*agents, *ends)


def _choices(name: str, arguments: Arguments | SchemaArguments, choices: Mapping[str, Any]) -> Mapping[str, FieldRef]:
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
