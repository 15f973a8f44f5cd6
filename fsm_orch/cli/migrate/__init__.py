"""`fsm-orch migrate`: what becomes of runs in flight when their machine changes, and the way into its new version."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from ... import discover
from ...define.definition import Definition
from ...kernel.engine import CompiledMachine
from ...kernel.renames import Renames
from ...proof.versions.every import judge_all
from ...run.migration import Migration, Way
from ...run.runner import Runner
from ...store.base import Store
from .. import start
from ..outcome import AsJson, json_alone
from ..show import CommandError, complaints, console, interrupted
from ..stored import CodecName, OptionalStoreUrl, opened, option_of
from .revisions import Version, version
from .shown import Shown, advice, all_as_json, renaming, show_all


def migrate(
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD",
            help="The version that runs are bound to: a revision of git, such as main, HEAD~1 or v1.2, behind which a "
            "colon and a module may follow; or a module.",
            show_default=False,
        ),
    ],
    new: start.Target,
    *,
    store: OptionalStoreUrl = None,
    codec: CodecName = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW", help="What the new version calls a state or a handoff; repeatable.", show_default=False
        ),
    ] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Leave all runs to the old version; the default.")] = False,
    land: Annotated[bool, typer.Option("--land", help="Land the runs that are stranded, by the old version.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Have the runs that continue go on with the new one.")] = False,
    model: start.ModelName = None,
    max_places: Annotated[
        int, typer.Option(min=1, metavar="N", help="Without --store: stop looking after N places that a run can be in.")
    ] = 20_000,
    as_json: AsJson = False,
) -> None:
    """Judge which runs of an old version of a machine go on in the new one, which do not, and why.

    Without --store it is asked of every run that could be in flight, as in CI. With it, each run there that is bound to
    the old version and has not ended is judged by its journal. Code of both versions runs: a revision of git is checked
    out into a scratch folder, and its modules are imported from there.

    A run that continues has the same journal in both versions, so all that is proved of the new one holds of it. No
    other run is moved.

    Exit codes: 0 all runs continue, or none is left that does not; 1 some may not; 2 it could not be found out; 130 it
    was interrupted, and what was done is kept.
    """
    with complaints(), json_alone(as_json) as stdout:
        way = _way(pin=pin, land=land, apply=apply)
        if store is None and way != "pin":
            raise CommandError(f"--{way} is for runs that are stored: say --store too")
        machine, out = discover.machine(new, Path.cwd()), None if as_json else console()
        with version(old, new, Path.cwd()) as before:
            was, now = before.machine.definition, machine.definition
            renames = _renames(was, now, rename or ())
            if out is not None:
                told = f": digest {was.digest[:12]}, and now {now.digest[:12]}"
                out.print(Text(now.name, style="bold").append(told, style="not bold dim"))
            if store is None:
                is_any_left, became = _of_all(out, was, now, renames, max_places)
            else:
                with opened(store, codec) as kept:
                    landing = _landing(before, model, kept) if way == "land" else None
                    migration = Migration(store=kept, old=was, new=now, renames=renames, way=way, landing=landing)
                    is_any_left, became = _of_stored(out, migration)
        if out is None:
            versions = {"machine": now.name, "old": was.digest, "new": now.digest}
            typer.echo(orjson.dumps({**versions, **became}), file=stdout)
        else:
            at = "--store ..." if store is None else option_of(store, codec)
            told = advice(before, new, at, way, is_any_left=is_any_left, is_same=was.digest == now.digest)
            for words in filter(None, (renaming(was, now, renames) if is_any_left else "", told)):
                out.print(Text(words, style="dim"), soft_wrap=True)
    if is_any_left:
        raise typer.Exit(1)


def _of_all(
    out: Console | None, old: Definition, new: Definition, renames: Renames, max_places: int
) -> tuple[bool, dict[str, Any]]:
    """Judge all runs that could be in flight. Return whether one may be left, and what was found as JSON.

    Args:
        out: None: nothing is printed.
    """
    with interrupted("nothing was found out"):
        found = judge_all(CompiledMachine(old), CompiledMachine(new), renames=renames, max_places=max_places)
    if out is not None:
        show_all(out, found)
    return not found.continues, all_as_json(found)


def _of_stored(out: Console | None, migration: Migration) -> tuple[bool, dict[str, Any]]:
    """Judge the runs of a store, and do with them what is asked. Return whether one is left, and all of it as JSON.

    Args:
        out: None: nothing is printed.
    """
    shown = Shown(out)
    with interrupted("what was done is kept"):
        asyncio.run(_each(migration, shown))
    shown.end()
    return shown.is_any_left, shown.as_json()


async def _each(migration: Migration, shown: Shown) -> None:
    async for case in migration.cases():
        shown.add(case)


def _way(**given: bool) -> Way:
    """Return what is done with runs.

    Raises CommandError: if several things are to be done.
    """
    ways: dict[str, Way] = {"pin": "pin", "land": "land", "apply": "apply"}
    said: list[Way] = [ways[name] for name, is_given in given.items() if is_given]
    if len(said) > 1:
        raise CommandError(f"{' and '.join(f'--{way}' for way in said)} are two things: do one, and then the other")
    return said[0] if said else "pin"


def _renames(old: Definition, new: Definition, said: Iterable[str]) -> Renames:
    """Return what is called otherwise in the new version.

    Raises CommandError: if a name is one of neither a state nor a handoff there, or has two new ones.
    """
    states, handoffs = dict[str, str](), dict[str, str]()
    for each in said:
        was, _, now = each.partition("=")
        kinds = [
            (states, {*old.states, *old.finals}, {*new.states, *new.finals}),
            (handoffs, {handoff.name for handoff in old.handoffs}, {handoff.name for handoff in new.handoffs}),
        ]
        known = [names for names, before, after in kinds if was in before and now in after]
        if not known:
            raise CommandError(
                f"--rename {each}: say OLD=NEW, a state of the old version and one of the new one, or two handoffs. "
                f"States: {', '.join(old.states)}, now {', '.join(new.states)}. "
                f"Handoffs: {_handoffs(old)}, now {_handoffs(new)}"
            )
        for names in known:
            if names.setdefault(was, now) != now:
                raise CommandError(f"--rename {each}: {was!r} is {names[was]!r} already, so say it once")
    return Renames(states, handoffs)


def _handoffs(definition: Definition) -> str:
    return ", ".join(dict.fromkeys(handoff.name for handoff in definition.handoffs))


def _landing(old: Version, model: str | None, store: Store) -> Runner[Any, Any]:
    """Return what lands runs of the old version. No agent of it acts, and no model is asked."""
    return Runner[Any, Any](old.machine, model=start.model_of(old.machine, model), store=store)
