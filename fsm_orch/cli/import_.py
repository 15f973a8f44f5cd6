"""`fsm-orch import`: what an orchestration of another framework can cost as it stands, and the machine to own."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import DefinitionError
from . import files
from .show import CommandError, complaints, console

_AT_LEAST_ONE = {"min": 1, "metavar": "N"}


def import_(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:OBJECT",
            help="Such as 'app:triage'; or 'app:make()' or 'app:Desk().graph()', by functions without arguments.",
            show_default=False,
        ),
    ],
    *,
    end: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="Where a run may end too, such as where it waits for its user. Repeatable."),
    ] = None,
    max_visits: Annotated[int, typer.Option(**_AT_LEAST_ONE, help="Visits of each state in a cycle.")] = 2,
    hops: Annotated[
        int | None, typer.Option(**_AT_LEAST_ONE, max=10_000, help="Hops of a run. Default: one for each visit.")
    ] = None,
    calls: Annotated[
        int, typer.Option(**_AT_LEAST_ONE, help="Requests of one visit of an agent, or more if it has tools.")
    ] = 2,
    input_tokens: Annotated[int, typer.Option(**_AT_LEAST_ONE, help="Tokens of one request.")] = 2_048,
    output_tokens: Annotated[
        int, typer.Option(**_AT_LEAST_ONE, help="Tokens of one reply, where the agent has no cap of its own.")
    ] = 256,
    model: Annotated[
        str | None, typer.Option(metavar="PROVIDER:MODEL", help="The model of all agents. Default: what they name.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the machine as a module, which must not be there yet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on a finding that is an error.")] = False,
) -> None:
    """Import an orchestration of another framework: what it can cost as it stands, and as a machine.

    Its module is imported, so its code runs; no model is asked. What is found is said with codes of their own, and the
    machine that is made of it is proved as `fsm-orch check` does; --write gives it to you.

    Exit codes: 0 it was read; 1 no machine can be built of it, or, with --strict, a finding is an error; 2 nothing was
    read.
    """
    from ..adopt.plan import Caps  # noqa: PLC0415 - slow to import, as few commands need it
    from . import adopted, imported  # noqa: PLC0415

    with complaints():
        caps = Caps(
            max_visits=max_visits,
            hops=hops,
            calls=calls,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            model=model,
        )
        if write is not None:
            _check_new(write)
        found = imported.imported(target, tuple(end or ()), caps, "imported_machine" if write is None else write.stem)
        if write is not None:
            _check_absent(write)  # the module that was imported may have made it
            files.write(write, found.source.encode())
    if as_json:
        # names of others may hold halves of surrogate pairs, which no UTF-8 has: they stay escaped
        typer.echo(json.dumps(imported.as_json(found, write), separators=(",", ":")))
    else:
        adopted.show(console(), found, target=target, written=write)
    is_wrong = isinstance(found.machine, DefinitionError)
    if is_wrong or (strict and not (found.is_proved and all(each.level != "error" for each in found.findings))):
        raise typer.Exit(1)


def _check_new(path: Path) -> None:
    """Check that a module may be written, before long work is done for it.

    Raises CommandError: if something is there, its folder is not, or no module can have its name.
    """
    _check_absent(path)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise CommandError(f"--write {str(path)!r} is not a module to Python: name a file such as 'support.py'")
    if importlib.util.find_spec(path.stem) is not None:
        raise CommandError(f"--write {str(path)!r}: there is a module {path.stem!r} already: name another file")
    files.check_writable(path, files.beginning("a machine", "as it was read from"), force=False)


def _check_absent(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise CommandError(f"--write {str(path)!r} is there already, and is kept: name another file")
