"""Machines: states, final states and handoffs as attributes of a class, checked when the class is built.

class Support(Machine[Ticket]):
    triage = State(LLMAgent(...), initial=True)
    answered = Final()
    human = Final(fallback=True)
    done = triage.to(answered, "the question is answered")
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeGuard

from typing_extensions import TypeVar

from ..errors import DefinitionError
from ..limits import Limits
from . import codes
from .context import Context
from .definition import Definition
from .policies import Policy
from .rules.attributes import attributes, twice
from .rules.check import check
from .source import where_called
from .states import Chain, Final, Handoff, State
from .wording import kind_of

C = TypeVar("C", bound=Context)
D = TypeVar("D", default=None)


class Machine(Generic[C, D]):
    """Base of user machines: `class Support(Machine[Ticket])`, or `Machine[Ticket, Shop]` with dependencies.

    A machine is a definition and is not instantiated: run it with `Runner(Support)`. It is not subclassed
    either, since an overridden state would leave its handoffs on the old one.

    Raises DefinitionError: when a class cannot keep the promise, with all findings at once.
    """

    definition: ClassVar[Definition]
    limits: ClassVar[Limits] = Limits()
    policies: ClassVar[tuple[Policy, ...]] = ()
    """What must be true of every run: `(never(refund).before(verify),)`; `fsm-orch check` proves it or shows a path."""
    model: ClassVar[str | None] = None
    """`provider:model` for agents that name none, unless the runner does; `first,second`: a fallback."""

    def __init__(self) -> None:
        raise TypeError(f"a machine has no instances: run its class with Runner({type(self).__name__})")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        where = where_called()
        misplaced = tuple(attributes(vars(cls)))
        if misplaced:
            raise DefinitionError(cls.__name__, misplaced)
        cls.definition = Definition(
            name=cls.__name__,
            doc=inspect.cleandoc(cls.__doc__ or "").partition("\n")[0],
            where=where,
            context=_context_of(cls, where),
            deps=_deps_of(cls),
            states=_declared(cls, State),
            finals=_declared(cls, Final),
            handoffs=tuple(_handoffs(cls)),
            limits=cls.limits,
            policies=cls.policies,
            model=cls.model,
        )
        findings = (*twice(vars(cls)), *check(cls.definition))
        if findings:
            raise DefinitionError(cls.__name__, findings)
        for handoff in cls.definition.handoffs:  # those of a chain have no attribute of their own yet
            if not isinstance(vars(cls).get(handoff.name), Handoff):  # a sole one stands in place of its chain
                setattr(cls, handoff.name, handoff)
        cls.definition.seal()


AnyMachine = type[Machine[Any, Any]]


def is_machine(value: object) -> TypeGuard[AnyMachine]:
    """Return whether a value is the class of a machine."""
    return isinstance(value, type) and issubclass(value, Machine) and value is not Machine


def definition_of(machine: object, taker: str) -> Definition:
    """Return the definition of a machine's class.

    Args:
        taker: the name of what it was given to.

    Raises TypeError: if it is something else, such as a context or a definition.
    """
    if is_machine(machine):
        return machine.definition
    if isinstance(machine, Definition):
        raise TypeError(f"{taker} takes the class of a machine, not its definition: give {machine.name}")
    if isinstance(machine, type) and issubclass(machine, Context):
        name = machine.__name__
        how = f"not the context {name}: give the one that runs on it, class X(Machine[{name}])"
    else:
        how = f"not {kind_of(machine)}: write one, class X(Machine[...])"
    raise TypeError(f"{taker} takes the class of a machine, {how}")


def _declared(cls: type, kind: type[Any]) -> dict[str, Any]:
    return {name: value for name, value in vars(cls).items() if isinstance(value, kind)}


def _handoffs(cls: type) -> Iterator[Handoff]:
    """Yield the handoffs in the order in which they are declared, those of chains among them."""
    for value in vars(cls).values():
        if isinstance(value, Handoff):
            yield value
        elif isinstance(value, Chain):
            yield from value.handoffs


def _deps_of(cls: AnyMachine) -> Any:
    """Read the type of the dependencies from `Machine[Context, Deps]`; None if there are none."""
    arguments = next((typing.get_args(b) for b in cls.__orig_bases__ if typing.get_origin(b) is Machine), ())  # type: ignore[attr-defined]
    return arguments[1] if len(arguments) > 1 and arguments[1] not in (D, type(None)) else None


def _context_of(cls: AnyMachine, where: str) -> type[Context]:
    """Read the context class from `Machine[...]`; without it nothing else can be checked."""
    bases = getattr(cls, "__orig_bases__", ())
    parents = [base for base in cls.__bases__ if base is not Machine and issubclass(base, Machine)]
    if parents:
        problem = f"{cls.__name__} subclasses the machine {parents[0].__name__}"
        raise DefinitionError(cls.__name__, [codes.finding("FSM115", where=where, problem=problem)])
    context = next((typing.get_args(base)[0] for base in bases if typing.get_origin(base) is Machine), None)
    if not (isinstance(context, type) and issubclass(context, Context)):
        problem = f"{cls.__name__} names no context class"
        raise DefinitionError(cls.__name__, [codes.finding("FSM116", where=where, problem=problem)])
    return context
