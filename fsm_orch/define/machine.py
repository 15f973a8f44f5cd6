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
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeGuard

from typing_extensions import TypeVar

from ..errors import DefinitionError, Finding
from ..limits import Limits
from .context import Context
from .definition import Definition
from .policies import Cause, Policy
from .rules.check import check
from .source import where_called
from .states import Final, Handoff, State

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
    """`provider:model` for agents that name none, unless the runner does."""

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is a definition, not a thing to make: run it with Runner(...)")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        where = where_called()
        _check_names(cls)
        cls.definition = Definition(
            name=cls.__name__,
            doc=inspect.cleandoc(cls.__doc__ or "").partition("\n")[0],
            where=where,
            context=_context_of(cls, where),
            deps=_deps_of(cls),
            states=_declared(cls, State),
            finals=_declared(cls, Final),
            handoffs=tuple(_declared(cls, Handoff).values()),
            limits=cls.limits,
            policies=cls.policies,
            model=cls.model,
        )
        findings = check(cls.definition)
        if findings:
            raise DefinitionError(cls.__name__, findings)
        cls.definition.seal()


AnyMachine = type[Machine[Any, Any]]


def is_machine(value: object) -> TypeGuard[AnyMachine]:
    """Tell a machine from everything else that a module may hold."""
    return isinstance(value, type) and issubclass(value, Machine) and value is not Machine


def machines_in(module: ModuleType) -> dict[str, AnyMachine]:
    """Give the machines of a module by its names for them, those that it imports among them."""
    return {name: value for name, value in vars(module).items() if is_machine(value)}


def defined_in(module: ModuleType) -> dict[str, AnyMachine]:
    """Give the machines that a module defines, each by its first name there; not those that it imports."""
    first: dict[AnyMachine, str] = {}
    for name, machine in machines_in(module).items():
        if machine.__module__ == module.__name__:
            first.setdefault(machine, name)
    return {name: machine for machine, name in first.items()}


def _check_names(cls: type) -> None:
    """Refuse attributes that would be taken for something else, or for nothing, in silence."""
    wrong = [*_misnamed(vars(cls)), *_misplaced(vars(cls))]
    if wrong:
        raise DefinitionError(
            cls.__name__,
            [
                Finding(
                    code="FSM114",
                    where=getattr(value, "where", where_called()),
                    came=came,
                    allowed="limits = Limits(...), model = 'provider:model', policies = (never(...), ...); "
                    "definition is taken",
                    do=do,
                )
                for value, came, do in wrong
            ],
        )


_Wrong = tuple[object, str, str]
"""A value that is not where it belongs, what is said of it, and what to do."""
_RENAME = "rename it, or give it the type that its name has"


def _misnamed(declared: Mapping[str, object]) -> Iterator[_Wrong]:
    """Find limits under another name, and other things under the names that a machine has of its own."""
    kinds: dict[str, Any] = {"limits": Limits, "model": str | None}
    for name, value in declared.items():
        is_lost = isinstance(value, Limits) and name not in kinds
        if is_lost or name == "definition" or (name in kinds and not isinstance(value, kinds[name])):
            yield value, f"a {type(value).__name__} named {name!r}", _RENAME


def _misplaced(declared: Mapping[str, object]) -> Iterator[_Wrong]:
    """Find policies that nothing would check, and what is among the policies and is none."""
    policies = declared.get("policies", ())
    checked = policies if isinstance(policies, tuple) else ()
    for name, value in declared.items():
        held = value if isinstance(value, tuple | list | set | frozenset) else (value,)
        given = [one for one in held if isinstance(one, Policy | Cause)]
        lost = [one for one in given if one not in checked]
        if name != "policies" and lost:
            do = f"write {_written([*lost, *checked])}"
            yield lost[0], f"{lost[0]} under the name {name!r}, where nothing checks it", do
        elif name == "policies" and value is not checked:
            do = f"write a tuple: {_written(given)}" if given else _RENAME
            yield given[0] if given else value, f"a {type(value).__name__} named 'policies'", do
    for one in checked:
        if isinstance(one, Cause):
            yield one, f"{one} in policies, without .eventually(...)", f"complete it: {_whole(one)}"
        elif not isinstance(one, Policy):
            allowed = "never(...), at_most(...), eventually(...) or after(...).eventually(...)"
            yield one, f"a {type(one).__name__} in policies", f"write {allowed}"


def _written(policies: Sequence[Policy | Cause]) -> str:
    """Write policies as they are declared, the first of them in full."""
    return f"policies = ({_whole(policies[0])},{' ...' if len(policies) > 1 else ''})"


def _whole(policy: Policy | Cause) -> str:
    return f"{policy}.eventually(...)" if isinstance(policy, Cause) else str(policy)


def _declared(cls: type, kind: type[Any]) -> dict[str, Any]:
    return {name: value for name, value in vars(cls).items() if isinstance(value, kind)}


def _deps_of(cls: AnyMachine) -> Any:
    """Read the type of the dependencies from `Machine[Context, Deps]`; None if there are none."""
    arguments = next((typing.get_args(b) for b in cls.__orig_bases__ if typing.get_origin(b) is Machine), ())  # type: ignore[attr-defined]
    return arguments[1] if len(arguments) > 1 and arguments[1] not in (D, type(None)) else None


def _context_of(cls: AnyMachine, where: str) -> type[Context]:
    """Read the context class from `Machine[...]`; without it nothing else can be checked."""
    bases = getattr(cls, "__orig_bases__", ())
    parents = [base for base in cls.__bases__ if base is not Machine and issubclass(base, Machine)]
    if parents:
        raise DefinitionError(
            cls.__name__,
            [
                Finding(
                    code="FSM115",
                    where=where,
                    came=f"{cls.__name__} subclasses the machine {parents[0].__name__}",
                    allowed="Machine[...] as its only base: an inherited handoff would lead to the old states",
                    do="write a machine of its own, and share agents and guards as plain values",
                )
            ],
        )
    context = next((typing.get_args(base)[0] for base in bases if typing.get_origin(base) is Machine), None)
    if not (isinstance(context, type) and issubclass(context, Context)):
        raise DefinitionError(
            cls.__name__,
            [
                Finding(
                    code="FSM116",
                    where=where,
                    came=f"{cls.__name__} names no context class",
                    allowed="class X(Machine[MyContext]) with a subclass of Context",
                    do="name the context in the brackets",
                )
            ],
        )
    return context
