"""The first screen of `fsm-orch serve`: what is served where, what was proved of it, who may call, what to try."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.console import Console

from ...define.context import Context
from ...define.wording import number_of, to_install
from ...proof.bounds.words import most_in_words
from ...resilience.admission import Admission
from ...run.runner import Runner
from ..show import hanging
from .service import Chat

_WIDTH = 10


class Told(NamedTuple):
    """What is said of a service."""

    url: str
    workers: int
    token_env: str | None
    """The variable that holds the token; None: nobody is asked."""
    store: str | None
    """None: it is in memory."""
    works: int
    admission: Admission | None
    gates: tuple[str, ...]
    """The states that have one."""
    has_metrics: bool
    """Whether there is what counts runs."""
    is_shared: bool
    """Whether processes share the gates."""
    chat: Chat | None
    is_inspected: bool
    """Whether a page shows its runs."""


def show(out: Console, runner: Runner[Any, Any], told: Told) -> None:
    """Write the screen."""
    out.print(f"{runner.definition.name} at {told.url}", style="bold", soft_wrap=True)
    for label, text in _lines(runner, told):
        out.print(hanging(out, f"  {label:<{_WIDTH}}", text), soft_wrap=True)


def _lines(runner: Runner[Any, Any], told: Told) -> Iterator[tuple[str, str]]:
    yield "proved", most_in_words(runner.definition)
    chats = "" if told.chat is None else ", /v1 for OpenAI's clients, /agui for AG-UI"
    metrics = ", /metrics for Prometheus" if told.has_metrics else ""
    page = ", /inspector/" if told.is_inspected else ""
    yield "serves", f"/runs{chats}{metrics}, /docs{page} for people, /healthz, /readyz"
    if told.chat is None:
        yield "no chat", "--text FIELD --answer FIELD, to be asked by OpenAI's clients and AG-UI"
    if not told.has_metrics:
        yield "uncounted", f"for /metrics: {to_install('prometheus')}"
    asked = "of nobody, so whoever reaches it may call" if told.token_env is None else f"the token in ${told.token_env}"
    yield "auth", asked
    yield "store", told.store or "memory: its runs end with this process. --store sqlite:///runs.db keeps them"
    works = f"drives {told.works} at once" if told.works else "leaves them to fsm-orch worker"
    yield "works", f"of runs that nobody drives it {works}"
    yield "admits", _admitted(told)
    if told.gates:
        shares = "by all processes" if told.is_shared else "in each process; --redis URL shares them"
        yield "gates", f"{', '.join(told.gates)}, kept {shares}"
    token = None if told.token_env is None else f"${told.token_env}"
    yield "try", tried(runner.definition.context, told.url, token)


def _admitted(told: Told) -> str:
    if told.admission is None:
        return "all runs that come"
    most = number_of(told.admission.most, told.admission.by.removesuffix("s"))
    return f"{most} at once{' in each process' if told.workers > 1 else ''}, then 429 with Retry-After"


def tried(context: type[Context], url: str, token: str | None) -> str:
    """Return the command of a shell that begins a run.

    Args:
        token: what it sends: a variable of the shell, such as `$TOKEN`, or the token itself; None: nothing.
    """
    fields = {name: _sample(each) for name, each in context.__pydantic_fields__.items() if each.is_required()}
    auth = "" if token is None else f'-H "Authorization: Bearer {token}" '
    body = shlex.quote(json.dumps({"context": fields}))
    return f"curl {url}/runs {auth}-H 'Content-Type: application/json' -d {body}"


def _sample(field: Any) -> object:
    """Return a value for a required field, where one is easily made."""
    return {int: 1, float: 1.0, bool: True}.get(field.annotation, "...")
