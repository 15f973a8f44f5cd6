"""The application of `fsm-orch serve`: what its routes are made with, from the command line and the settings."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, Literal, NamedTuple

from ...define.context import Context, FieldRef
from ...define.wording import did_you_mean, to_install
from ...resilience.admission import Admission
from ...run.deps import Factory
from ...run.runner import Runner
from ..show import CommandError
from .settings import ServiceTable

_WORKS, _DRAIN_S = 50, 10.0


class Chat(NamedTuple):
    """The fields of a context that make a chat."""

    text: FieldRef
    """Takes what a user says."""
    answer: FieldRef
    """Holds the answer."""


class Service(NamedTuple):
    """What is served."""

    app: Any
    """Of ASGI."""
    works: int
    drain_s: float
    chat: Chat | None


def token_in(variable: str | None) -> str | None:
    """Return the token in a variable of the environment; None if none is named.

    Raises CommandError: if there is no such variable.
    """
    if variable is None:
        return None
    if not (token := os.environ.get(variable)):
        raise CommandError(f"--auth-token-env: there is no variable {variable!r} in the environment, or it is empty")
    return token


def chat_of(context: type[Context], text: str | None, answer: str | None) -> Chat | None:
    """Return the fields that make a chat; None if nobody names them, and they do not show themselves.

    Args:
        text: the name of the field that takes what a user says; None: the only required `str`.
        answer: the name of the one that holds the answer; None: `answer`.

    Raises CommandError: if there is no field of a name, or one is named and the other is not to be found.
    """
    fields = context.__pydantic_fields__
    for option, name in (("--text", text), ("--answer", answer)):
        if name is not None and name not in fields:
            raise CommandError(
                f"{option}: {context.__name__} has no field {name!r}{did_you_mean(name, fields) or '.'} Fields: "
                + ", ".join(fields)
            )
    texts = [name for name, field in fields.items() if field.is_required() and field.annotation is str]
    said = text or (texts[0] if len(texts) == 1 else None)
    holds = answer or ("answer" if "answer" in fields else None)
    if said is not None and holds is not None:
        return Chat(getattr(context, said), getattr(context, holds))
    if text is None and answer is None:
        return None
    missing = "--answer FIELD, which holds the answer" if said else "--text FIELD, which takes what a user says"
    raise CommandError(f"a chat has two fields: give {missing}, too. Fields: {', '.join(fields)}")


def service_of(
    runner: Runner[Any, Any],
    table: ServiceTable,
    *,
    admission: Admission | None,
    deps: Factory[Any] | None,
    token: str | None,
    chat: Chat | None,
    metrics: Any,
    works: int | None,
    drain_s: float | None,
    inspector: Literal["own", "all"] | None = None,
    hosts: Collection[str] | None = None,
    **shown: Any,
) -> Service:
    """Return what is served.

    Args:
        table: what the file says of it.
        admission: that of the runner; None: all runs are driven at once.
        token: what callers send; None: nobody is asked.
        metrics: what counts the runs, and is given out at `/metrics`; None: there is nothing.
        works: how many runs that nobody drives it drives; None: as the file says.
        drain_s: how long runs may take to end; None: as the file says.
        inspector: whose runs a page shows, as for `router`; None: there is none.
        hosts: by which names it is called; None: by any.
        shown: what else the page shows, as for `router`.

    Raises CommandError: if a package is missing, the token can be guessed or cannot be sent, or there is no page to
        show what is given for it.
    Raises as `router` does.
    """
    try:
        from ...service.application import application  # noqa: PLC0415 - an extra, and slow to import
        from ...service.bearer import bearer  # noqa: PLC0415
    except ImportError:
        raise CommandError(f"a service needs some packages: {to_install('service')}") from None
    if inspector is None and any(shown.values()):
        raise CommandError("--coverage and --eval are shown by the inspector alone: give --inspect, too")
    options: dict[str, Any] = {"inspector": inspector, "hosts": hosts, **shown}
    options |= {} if chat is None else chat._asdict()
    if token is not None:
        try:
            options["auth"] = bearer(token)
        except ValueError as error:
            raise CommandError(f"--auth-token-env: {error}") from None
    for name in ("max_body", "heartbeat_s", "grace_s", "on_disconnect", "multitask", "texts"):
        options[name] = getattr(table, name)
    works = next(each for each in (works, table.works, _WORKS) if each is not None)
    drain_s = next(each for each in (drain_s, table.drain_s, _DRAIN_S) if each is not None)
    app = application(runner, admission=admission, metrics=metrics, deps=deps, works=works, drain_s=drain_s, **options)
    return Service(app, works, drain_s, chat)
