"""Settings of `fsm-orch serve` in a file of TOML: gates, admission, quotas, and limits of the service.

Whatever is wrong in it is said at once, with the file, the key, and what is expected there. A value is shown only if it
is a number: a text may be a secret that stands in the wrong place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...define.wording import did_you_mean, kind_of
from ..show import CommandError

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Wait = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Places = Annotated[int, Field(ge=1, le=100_000)]
Line = Annotated[int, Field(ge=0, le=100_000)]
Window = Annotated[float, Field(gt=0, le=366 * 86_400, allow_inf_nan=False)]
Failure = Literal["error", "timeout", "refusal"]


class _Table(BaseModel):
    """A table of the file: no key that it does not know, and no value that is nearly of its type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PaceTable(_Table):
    """So many calls in so many seconds."""

    calls: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
    per_s: Window = 1.0
    burst: Places = 1


class BreakerTable(_Table):
    """So many failures in so many seconds open it, for so many seconds."""

    failures: Places = 5
    window_s: Window = 60.0
    open_s: Window = 30.0
    counts: Annotated[list[Failure], Field(min_length=1)] = ["error", "timeout"]


class GateTable(_Table):
    """What stands before the agent of a state."""

    pace: PaceTable | None = None
    at_once: Places | None = None
    queue: Line = 0
    breaker: BreakerTable | None = None


class AdmissionTable(_Table):
    """So many runs, or tokens, at once; the others wait in line."""

    most: Annotated[int, Field(ge=0, le=10**12)] | None = None
    by: Literal["runs", "tokens"] = "runs"
    queue: Line = 256
    wait_s: Wait = 5.0
    expected_s: Seconds = 1.0


class QuotaTable(_Table):
    """What all runs may cost together in a window."""

    tokens: Annotated[int, Field(ge=1, le=10**15)] | None = None
    cost_usd: Annotated[str, Field(pattern=r"^\d{1,9}(\.\d{1,6})?$")] | None = None
    per_s: Window = 3_600.0
    name: Annotated[str, Field(pattern=r"^[\w-]{1,50}$")] = "quota"


class ServiceTable(_Table):
    """Where it listens, and the limits of the service. None: what the command line says, or its default."""

    host: Annotated[str, Field(min_length=1)] | None = None
    port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    workers: Annotated[int, Field(ge=1, le=256)] | None = None
    works: Annotated[int, Field(ge=0, le=100_000)] | None = None
    drain_s: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] | None = None
    max_body: Annotated[int, Field(ge=1_024, le=1_073_741_824)] = 256 * 1_024
    heartbeat_s: Annotated[float, Field(ge=0.1, le=3_600, allow_inf_nan=False)] = 15.0
    grace_s: Wait = 5.0
    on_disconnect: Literal["cancel", "continue"] = "cancel"
    multitask: Literal["reject", "enqueue"] = "reject"
    texts: bool = False


class Settings(_Table):
    """All of them."""

    service: ServiceTable = ServiceTable()
    admission: AdmissionTable = AdmissionTable()
    gates: dict[str, GateTable] = {}
    quotas: list[QuotaTable] = []


def settings_in(file: Path | None) -> Settings:
    """Return the settings in a file; the defaults without one.

    Raises CommandError: if it cannot be read, or something in it is unknown, of another type, or absurd.
    """
    if file is None:
        return Settings()
    try:
        read = tomllib.loads(file.read_bytes().decode("utf-8-sig"))  # some editors put a mark of their own first
    except OSError as error:
        raise CommandError(f"--settings {file} cannot be read: {error.strerror}") from None
    except ValueError as error:  # of UTF-8 or of TOML: both say where
        raise CommandError(f"--settings {file} is no TOML: {error}") from None
    except RecursionError:
        raise CommandError(f"--settings {file} is nested too deeply: expected tables of keys") from None
    try:
        settings = Settings.model_validate(read)
    except ValidationError as error:
        raise CommandError(f"--settings {file}: {'; '.join(map(_told, error.errors()))}") from None
    for wrong in _do_not_go_together(settings):
        raise CommandError(f"--settings {file}: {wrong}")
    return settings


def _do_not_go_together(settings: Settings) -> Sequence[str]:
    """Return what is wrong with keys that are right by themselves."""
    gates = [
        *[
            f"gates.{name} holds nothing back: expected pace, at_once or breaker"
            for name, gate in settings.gates.items()
            if gate.pace is None and gate.at_once is None and gate.breaker is None
        ],
        *[
            f"gates.{name}.queue waits for a place: expected gates.{name}.at_once beside it"
            for name, gate in settings.gates.items()
            if gate.queue and gate.at_once is None
        ],
    ]
    names = [quota.name for quota in settings.quotas]
    quotas = [
        *[
            f"quotas[{number}] limits nothing: expected tokens, or cost_usd"
            for number, quota in enumerate(settings.quotas)
            if quota.tokens is None and quota.cost_usd is None
        ],
        *[
            f"quotas[{number}].name is that of another: expected a name of its own"
            for number, name in enumerate(names)
            if name in names[:number]
        ],
    ]
    return gates + quotas


def _told(error: Any) -> str:
    """Return what is wrong with one key."""
    *table, key = error["loc"]
    where = _dotted(error["loc"])
    if error["type"] == "extra_forbidden":
        known = _keys_of(table)
        return f"{where} is unknown{did_you_mean(str(key), known) or '.'} Expected: {', '.join(known)}"
    if error["type"] == "missing":
        return f"{where} is missing: expected a value"
    value = error["input"]
    came = repr(value) if type(value) in (int, float, bool) else kind_of(value)
    return f"{where}: expected {_expected(key, error)}, not {came}"


def _expected(key: object, error: Any) -> str:
    if key == "cost_usd":
        return "an exact number in quotes, such as '5.00'"
    match error["type"]:
        case "string_pattern_mismatch":
            return "letters, digits, '_' and '-'"
        case "model_type" | "dict_type":
            return "a table"
        case "too_short":
            return "one item or more"
    said = str(error["msg"]).removeprefix("Input should be ").replace("a valid ", "a ")
    return f"a number {said}" if said.startswith(("greater", "less")) else said


def _dotted(loc: Sequence[str | int]) -> str:
    """Return a place as TOML writes it: `gates.router.at_once`, and `quotas[1].tokens` in lists."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _keys_of(table: Sequence[str | int]) -> Sequence[str]:
    """Return the keys of a table that is in the file at this place."""
    model: type[BaseModel] = Settings
    for part in table:
        field = model.model_fields.get(str(part))
        if field is not None:  # else it is the name of a gate, or the number of a quota
            model = _model_in(field.annotation)
    return tuple(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel]:
    """Return the table that a type holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return _model_in(next(each for each in get_args(annotation) if each not in (str, type(None))))
