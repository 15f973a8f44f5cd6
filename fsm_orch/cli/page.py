"""The page that `fsm-orch check` prints of a machine that builds."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..amounts import FREE
from ..define.definition import Definition
from ..define.states import State
from ..define.wording import number_of
from ..export.diagram import used_by
from ..export.table import HEADINGS, rows
from ..proof.away import away, in_lines
from ..proof.bounds.certificate import Certificate
from ..proof.bounds.words import bound_in_words, tolls_in_words, verdict_in_words
from ..proof.explore.breach import THEOREMS
from ..proof.explore.exploration import Exploration
from ..proof.report import Counterexample, Proof
from .show import columns, hanging, place, safe, show_each

_LABEL = 12
_VERDICTS = {"holds": "green", "violated": "red", "possible": "yellow", "unknown": "yellow"}


def show_proof(out: Console, found: Proof, target: str) -> None:
    """Print all that is known of a machine. Findings come last, since they say what to do.

    Args:
        target: how the user named it.
    """
    definition = found.definition
    name = Text(definition.name, style="bold").append(" builds", style="bold green")
    out.print(name.append(f"  {place(definition.where)}, digest {definition.digest[:12]}", style="not bold dim"))
    out.print(Text(safe(definition.doc), style="dim"))
    out.print()
    out.print(_states(definition))
    users = [state for state in definition.states.values() if _used(state)]
    sections = [
        *([_tools(users)] if users else []),
        _bounds(found),
        _explored(found.exploration),
        *([_inside(found)] if found.parts else []),
        _away(definition),
        _assumed(found),
    ]
    for lines in sections:
        out.print()
        for label, text, style in lines:
            out.print(hanging(out, f"  {label:<{_LABEL}}", text, style))
    for example in found.counterexamples:
        _show_counterexample(out, example, target)
    _show_findings(out, found)


_Lines = Iterator[tuple[str, str, str]]
"""A label, what is said, and its style."""


def _states(definition: Definition) -> Table:
    table = columns()
    table.add_column("  state")
    table.add_column("agent", style="dim")
    for heading in ("first call", "tokens of a visit", "visits at most", "seconds"):
        table.add_column(heading, justify="right")
    for state in definition.states.values():
        table.add_row(*_row(definition, state))
    return table


def _row(definition: Definition, state: State) -> tuple[str, ...]:
    spec, limits = state.spec, definition.limits
    grant, worst = spec.grant(FREE).tokens, spec.worst_case(FREE).tokens
    runs = [f"{part.most} x {part.name} {part.share.tokens:,}" for part in spec.parts]
    calls = [f"{spec.calls} x {grant:,}"] if spec.calls else []
    return (
        f"{'*' if state.initial else '+' if state.entry else ' '} {state.name}",
        spec.name,
        f"{grant:,}" if spec.calls else "-",
        f"{' + '.join([*calls, *runs])} = {worst:,}" if worst else "-",
        str(min(state.max_visits or limits.hops, limits.hops)),
        "-" if spec.kind == "human" else f"{state.seconds(limits):g}",  # while one is asked no time passes
    )


def _used(state: State) -> list[str]:
    """Return the tools that the agent of a state may use; the machines that a model may run are tools too."""
    spec = state.spec
    return [*used_by(spec), *(f"{part.name} (a machine)" for part in spec.parts if spec.kind == "llm")]


def _tools(users: list[State]) -> _Lines:
    """Yield what agents may use."""
    for number, state in enumerate(users):
        uses = ", ".join(_used(state))
        first = ", one of them first" if state.spec.must_ask else ""
        yield (
            "" if number else "tools",
            f"{state.name}: {uses}{first}; at most {number_of(state.spec.asks, 'ask')} a visit",
            "",
        )


def _bounds(found: Proof) -> _Lines:
    """Yield what no run exceeds."""
    certificate, limits = found.certificate, found.definition.limits
    if not certificate.bounds["calls"].bound:
        yield "tokens", "none: no agent calls a model", "bold"
    else:
        yield from _spent(found)
    yield "hops", bound_in_words(certificate, "hops"), "bold"
    seconds = min(certificate.bounds["milliseconds"].bound, round(limits.deadline_s * 1_000))
    yield "time", f"at most {seconds / 1_000:g} s", "bold"
    if asks := [state.seconds(limits) for state in found.definition.states.values() if state.spec.kind == "human"]:
        yield "", f"to take a human's answer counts as a visit of {max(asks):g} s; to wait for it does not count", "dim"
    yield "", "each of these was checked edge by edge, in exact arithmetic", "dim"


def _spent(found: Proof) -> _Lines:
    certificate = found.certificate
    yield "tokens", bound_in_words(certificate, "tokens"), "bold"
    yield "", verdict_in_words(certificate, "tokens") or "", _colour(certificate.verdict("tokens"))
    yield "", "; ".join(tolls_in_words(certificate, "tokens")), ""
    for change in found.slackening:
        yield "", f"to make it fit: {change}", ""
    if "cost" in certificate.bounds and certificate.prices:
        yield "cost", bound_in_words(certificate, "cost"), "bold"
        verdict = certificate.verdict("cost")
        yield "", verdict_in_words(certificate, "cost") or "not limited", _colour(verdict)
    else:
        yield "cost", _unbounded_cost(certificate), ""
    yield "calls", bound_in_words(certificate, "calls"), "bold"


def _unbounded_cost(certificate: Certificate) -> str:
    """Return what is missing to bound the cost."""
    limit = certificate.limits.cost_usd
    limited = "not limited" if limit is None else f"limited to ${limit:f}, and not bounded"
    models = certificate.models.items()
    unpriced = dict.fromkeys(repr(model) for state, model in models if model and state not in certificate.prices)
    if unpriced:
        return f"{limited}; the price of {', '.join(unpriced)} is not known: to bound it, name a model whose price is"
    return f"{limited}; to bound it, name a model whose price is known: --model provider:model"


def _colour(verdict: str | None) -> str:
    return {"slack": "green", "guarded": "yellow"}.get(verdict or "", "")


def _explored(explored: Exploration) -> _Lines:
    """Yield how runs were explored, and what holds of them."""
    took = "" if explored.seconds is None else f" in {explored.seconds:.2f} s"
    extent = "all runs" if explored.is_complete else "not all runs, since it ended there"
    yield (
        "explored",
        f"{extent}: {explored.configurations:,} configurations, {explored.steps:,} steps, "
        f"{number_of(explored.measures.hops.amount, 'hop')} deep{took}",
        "bold",
    )
    for note in explored.abstracted:
        yield "", note, ""
    yield "held", "; ".join(f"{name} {THEOREMS[name].partition(':')[0]}" for name in explored.held), "green"
    for broken in explored.broken:
        yield "BROKEN", f"{broken.breach.theorem} {broken.breach.detail}, on {broken.trace}: please report it", "red"
    for number, judged in enumerate(explored.policies):
        label = "" if number else "policies"
        yield label, f"{judged.verdict:<9} {judged.policy}", _VERDICTS[judged.verdict]


def _inside(found: Proof) -> _Lines:
    """Yield what was proved of each machine that runs inside, by itself."""
    for number, (at, part) in enumerate(found.parts.items()):
        explored, name = part.exploration, part.definition.name
        extent = "all runs" if explored.is_complete else "not all runs"
        held = ", ".join(explored.held)
        yield "" if number else "inside", f"{at} ({name}): {extent} on its share, {held} held", ""
        for judged in explored.policies:
            yield "", f"  {judged.verdict:<9} {judged.policy}", _VERDICTS[judged.verdict]
        if not part.is_sound:
            yield "", f"  fsm-orch check on {name} says why: {place(part.definition.where)}", "red"


def _away(definition: Definition) -> _Lines:
    """Yield what a run does if an agent is away."""
    for number, (states, does) in enumerate(in_lines(away(definition))):
        yield "" if number else "if away", f"{states}: {does}", ""


def _assumed(found: Proof) -> _Lines:
    for number, assumption in enumerate(found.certificate.assumptions):
        yield "" if number else "assuming", assumption, "dim"


def _show_counterexample(out: Console, example: Counterexample, target: str) -> None:
    """Show a path that breaks a policy, and what to do."""
    out.print()
    style = _VERDICTS[example.verdict]
    out.print(Text(example.verdict, style=f"bold {style}").append(f"  {example.policy}", style="default"))
    out.print()
    out.print(_path(example))
    out.print()
    lines = [
        ("smallest", str(example.change) if example.change else "no small change was found that closes this path"),
        ("as a test", f"fsm-orch check {target} --counterexample test_counterexample.py"),
    ]
    for label, text in lines:
        out.print(hanging(out, f"  {label:<{_LABEL}}", text))


def _path(example: Counterexample) -> Table:
    table = columns()
    turns = rows(example.trace)
    width = len(HEADINGS) if any(turn.note for turn in turns) else len(HEADINGS) - 1
    for number, heading in enumerate(HEADINGS[:width]):
        is_number = heading in ("hop", "reserved", "total")
        table.add_column(f"  {heading}" if number == 0 else heading, justify="right" if is_number else "left")
    for turn in turns:
        cells = (str(turn.hop), *turn[1:4], f"{turn.reserved:,}", f"{turn.total:,}", safe(turn.note))
        table.add_row(*cells[:width])
    return table


def _show_findings(out: Console, found: Proof) -> None:
    counts = [(level, sum(f.level == level for f in found.findings)) for level in ("error", "warning", "note")]
    said = ", ".join(number_of(count, level) for level, count in counts if count)
    out.print()
    out.print(hanging(out, f"  {'findings':<{_LABEL}}", said or "none", "bold" if said else "green"))
    show_each(out, found.findings)
    out.print()
