"""Find what a command needs: the named machine and, for a run, its first context, model and dependencies."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from .. import discover
from ..define.changes import describe
from ..define.context import Context, given_fields
from ..define.machine import AnyMachine
from ..run.deps import Factory
from .show import CommandError

NAME = "MODULE[:Machine]"
_WHAT = (
    "A module, such as 'machines.shop', a file, such as 'machines/shop.py', or a package or folder with all modules "
    "below it"
)
Target = Annotated[
    str,
    typer.Argument(
        metavar=NAME,
        help=f"{_WHAT}; the machine's name is needed only where there are several.",
        show_default=False,
    ),
]
OptionalTarget = Annotated[
    str | None,
    typer.Argument(metavar=NAME, help=f"{_WHAT}; named as when the run began.", show_default=False),
]
Targets = Annotated[
    list[str],
    typer.Argument(
        metavar=NAME,
        help=f"{_WHAT}; the machine's name picks one of several. Give as many of these as you like.",
        show_default=False,
    ),
]
DEFAULT_MODEL = "local:smollm2"
"""The model of agents that name none, in a machine that names none; it needs no key and no network."""

CoverageFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="What pytest --fsm-coverage-json has written, to be shown on the edges."),
]
EvaluationFile = Annotated[
    Path | None,
    typer.Option("--eval", metavar="FILE", help="What fsm-orch eval --json has printed, to be shown on the edges."),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        metavar="PROVIDER:MODEL",
        help=f"Model for agents that name none; several, with commas: a fallback. Default: the machine's, or else "
        f"{DEFAULT_MODEL}.",
        show_default=False,
    ),
]

DepsName = Annotated[
    str | None,
    typer.Option(metavar="MODULE:FUNCTION", help="Makes the dependencies of a run; called once for each."),
]


def model_of(machine: AnyMachine, named: str | None) -> str:
    """Return the model of a machine's agents that name none.

    Args:
        named: the one that the command was given; None: the machine's, or else the default.
    """
    return named or machine.definition.model or DEFAULT_MODEL


def context(context_type: type[Context], text: str | None, fields: str) -> Context:
    """Return the initial context.

    Args:
        context_type: the class of the context.
        text: the value of the only required `str` field that `fields` leaves open; None: no such field is filled.
        fields: a JSON object.

    Raises CommandError: if `fields` is not a JSON object, the text fits no field or several, or a value does not fit.
    """
    given = _object(fields)
    if text is not None:
        given[_place(context_type, given)] = text
    try:
        return context_type.model_validate_json(to_json(given))
    except ValidationError as error:
        raise CommandError(f"Not a valid {context_type.__name__}: {describe(error)}. {_how(context_type)}") from None
    except ValueError:
        raise CommandError("The text is not valid UTF-8") from None


def _object(fields: str) -> dict[str, Any]:
    try:
        given = from_json(fields, allow_inf_nan=False)
    except ValueError as error:
        raise CommandError(f"--context is not JSON: {error}. Give an object, such as '{{\"field\": 1}}'") from None
    if not isinstance(given, dict):
        raise CommandError(f"--context is a {type(given).__name__}. Give an object, such as '{{\"field\": 1}}'")
    return given


def _place(context_type: type[Context], given: dict[str, Any]) -> str:
    fields = context_type.__pydantic_fields__.items()
    places = [name for name, field in fields if field.is_required() and field.annotation is str and name not in given]
    if len(places) == 1:
        return places[0]
    found = f"{len(places)} such fields: {', '.join(places)}" if places else "no such field"
    raise CommandError(
        f"The text fills the only required str field that --context leaves open; {context_type.__name__} has {found}. "
        + _how(context_type)
    )


def _how(context_type: type[Context]) -> str:
    fields, given = context_type.__pydantic_fields__, given_fields(context_type)
    own, others = ", ".join(name for name in fields if name in given), [name for name in fields if name not in given]
    theirs = f" ({', '.join(others)}: only agents write {'it' if len(others) == 1 else 'them'})" if others else ""
    return f"Give fields by --context as a JSON object; fields: {own or 'none'}{theirs}"


def factory(machines: Sequence[AnyMachine], named: str | None, stack: ExitStack) -> Factory[Any] | None:
    """Return what makes the dependencies of a run; None if no machine has any.

    Args:
        named: `MODULE:FUNCTION` of `--deps`; None: `deps()` of each machine's module.
        stack: closes what is opened once, for all runs.

    Raises CommandError: if a function is named, and no machine has dependencies.
    """
    with_deps = [machine for machine in machines if machine.definition.deps is not None]
    if not with_deps:
        if named is not None:
            names = ", ".join(machine.__name__ for machine in machines)
            raise CommandError(
                f"--deps {named} is for machines with dependencies, and {names} has none: leave it out, or declare "
                "them by Machine[Context, Dependencies]"
            )
        return None
    if named is not None:
        return discover.function(named, Path.cwd())
    by_digest = {machine.definition.digest: stack.enter_context(dependencies(machine)) for machine in with_deps}
    return lambda run: nullcontext(by_digest[run.digest])  # which is open already, and stays so


@contextmanager
def dependencies(machine: AnyMachine) -> Iterator[Any]:
    """Yield the dependencies of a machine while it runs: what `deps()` of its module returns; None if it has none.

    If `deps()` returns a context manager, that is entered now and left when the run has ended.

    Raises CommandError: if the module of a machine with dependencies has no such function, or the function raises, is
        async, or is a bare generator.
    """
    if machine.definition.deps is None:
        yield None
        return
    with ExitStack() as stack:
        yield _opened(machine, stack)


def _opened(machine: AnyMachine, stack: ExitStack) -> Any:
    module = machine.__module__
    opener = getattr(sys.modules[module], "deps", None)
    if not callable(opener):
        raise CommandError(
            f"{machine.__name__} has dependencies, but {module!r} has no function deps(). "
            "Write one that returns them, or a context manager that yields them"
        )
    try:
        opened = opener()
        entered = stack.enter_context(opened) if isinstance(opened, AbstractContextManager) else opened
    except Exception as error:
        raise CommandError(f"deps() of {module!r} raised {type(error).__name__}: {error}") from error
    if inspect.isgenerator(entered) or inspect.isawaitable(entered) or hasattr(entered, "__aenter__"):
        raise CommandError(f"deps() of {module!r} is async or a bare generator: write a plain @contextmanager")
    return entered
