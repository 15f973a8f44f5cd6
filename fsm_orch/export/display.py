"""How machines, proofs, certificates and results of runs are shown in a notebook.

A machine is a picture, or a table of its handoffs where the extra `svg` is not installed; the others are tables. Where
IPython runs, `import fsm_orch` registers them by itself. No other room knows of it.

What is shown of a run is its user's own: its path, what it used, and the fields of its context, each cut short. Texts
of users and models are escaped, and nothing that is shown runs or loads anything.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..define.changes import shown
from ..define.definition import Definition
from ..define.machine import is_machine
from ..proof.bounds.certificate import Certificate
from ..proof.bounds.skeleton import Measure
from ..proof.bounds.words import bound_in_words, tolls_in_words, verdict_in_words
from ..proof.report import Counterexample, Proof
from ..run.result import RunResult, cut, stands_in_words, taken, used_in_words, why_landed
from .diagram import diagram, printable
from .table import HEADINGS, rows

_MEASURES: tuple[Measure, ...] = ("tokens", "cost", "calls", "hops")


def register() -> None:
    """Show machines, proofs, certificates and results well in the IPython that runs now; without one, do nothing."""
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - not a dependency, and loaded where it runs

    shell: Any = get_ipython()
    if shell is None:
        return
    formatters = shell.display_formatter.formatters
    as_html, as_svg, as_text = (formatters[kind] for kind in ("text/html", "image/svg+xml", "text/plain"))
    as_html.for_type(Proof, proof_html)
    as_html.for_type(Certificate, certificate_html)
    as_html.for_type(RunResult, result_html)
    as_text.for_type(Certificate, lambda one, printer, _: printer.text(_certificate_text(one)))
    as_text.for_type(RunResult, lambda one, printer, _: printer.text(_result_text(one)))
    # A machine is a class, and so its type is `type`: whatever shows other classes goes on to.
    as_svg.for_type(type, _for_machines(_picture, as_svg.for_type(type)))
    as_html.for_type(type, _for_machines(_table_without_picture, as_html.for_type(type)))


def _for_machines(
    show: Callable[[Definition], str | None], others: Callable[[type], str | None] | None
) -> Callable[[type], str | None]:
    def show_class(one: type) -> str | None:
        if is_machine(one):
            return show(one.definition)
        return others(one) if others else None

    return show_class


def _drawer() -> Callable[[Definition], str] | None:
    """Return what draws a machine; None where the extra for it is not installed."""
    try:
        from .svg import svg  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return svg


def _picture(definition: Definition) -> str | None:
    draw = _drawer()
    return draw(definition) if draw else None


def _table_without_picture(definition: Definition) -> str | None:
    return definition_html(definition) if _drawer() is None else None


def definition_html(definition: Definition) -> str:
    """Return a machine as a table of its handoffs, as HTML."""
    drawn = diagram(definition)
    names = {node.id: node.lines[0] for node in drawn.nodes}
    turns = [
        (names[arrow.source], arrow.lines[0], names[arrow.target], ", ".join(arrow.lines[1:]))
        for arrow in drawn.arrows
        if arrow.lines
    ]
    return _joined(
        _heading(drawn.title[0], drawn.title[1]),
        _table(("state", "handoff", "to", ""), turns),
        _line(f"starts in {' or '.join(definition.starts)}; whatever fails lands in {definition.fallback.name}"),
    )


def proof_html(proof: Proof) -> str:
    """Return what is proved of a machine as tables, as HTML."""
    explored = proof.exploration
    extent = "all runs explored" if explored.is_complete else "not all runs were explored"
    return _joined(
        _heading(proof.definition.name, "is sound" if proof.is_sound() else "has something to mend"),
        _table(("", "no run exceeds"), [*_bounds(proof.certificate), _time(proof)]),
        *_policies(proof),
        *(part for example in proof.counterexamples for part in _counterexample(example)),
        *_findings(proof),
        _line(f"{extent}: {explored.configurations:,} configurations; held: {', '.join(explored.held)}"),
        _folded("assuming", proof.certificate.assumptions),
    )


def certificate_html(certificate: Certificate) -> str:
    """Return the bounds of a certificate as a table, as HTML."""
    models = [f"{state}: {model or 'not named'}" for state, model in certificate.models.items()]
    return _joined(
        _heading(certificate.machine, f"certificate of the definition {certificate.definition[:12]}"),
        _table(("", "no run exceeds"), _bounds(certificate)),
        _folded("models", models),
        _folded("assuming", certificate.assumptions),
    )


def result_html(result: RunResult[Any]) -> str:
    """Return a run as tables, as HTML: where it ended or waits, its path, the fields of its context, what it used."""
    landing = result.landing
    end = stands_in_words(result) if landing is None else f"Landed in {result.state.name} ({landing.reason})"
    path = [
        (str(number), hop.source, hop.handoff or "landing", hop.target, f"{record.stamp.remaining:,}")
        for number, (hop, record) in enumerate(zip(result.path, taken(result.records), strict=True), 1)
    ]
    fields = [(name, cut(value)) for name, value in shown(result.context).items()]
    return _joined(
        _heading(end, why_landed(result, landing) if landing else ""),
        _line(f"used before: {result.used_before}") if landing and result.used_before else "",
        _table(("hop", "state", "handoff", "to", "tokens left"), path),
        _table(("field", "value"), fields),
        _line(used_in_words(result)),
    )


def _bounds(certificate: Certificate) -> Iterator[tuple[str, str]]:
    """Yield rows for each measure that is bounded: its bound, and below that what is known of its limit."""
    for measure in _MEASURES:
        if measure not in certificate.bounds or (measure == "cost" and not certificate.prices):
            continue
        yield measure, bound_in_words(certificate, measure)
        if measure in ("tokens", "cost"):
            yield "", verdict_in_words(certificate, measure) or "not limited"
        if measure == "tokens":
            yield "", "; ".join(tolls_in_words(certificate, measure))


def _time(proof: Proof) -> tuple[str, str]:
    return "time", f"at most {proof.bounds.seconds:g} s"


def _policies(proof: Proof) -> Iterator[str]:
    if proof.policies:
        yield _table(("policy", "verdict"), [(str(judged.policy), judged.verdict) for judged in proof.policies])


def _counterexample(example: Counterexample) -> Iterator[str]:
    """Yield the path that breaks a policy, and what would close it."""
    turns = [
        (str(r.hop), r.state, r.handoff, r.target, f"{r.reserved:,}", f"{r.total:,}", r.note)
        for r in rows(example.trace)
    ]
    yield _line(f"{example.policy} is {example.verdict}:")
    yield _table(HEADINGS, turns)
    if example.change is not None:
        yield _line(f"the smallest change: {example.change}")


def _findings(proof: Proof) -> Iterator[str]:
    if proof.findings:
        lines = [(finding.code, finding.level, finding.problem, finding.fix) for finding in proof.findings]
        yield _table(("finding", "level", "problem", "fix"), lines)


def _result_text(result: RunResult[Any]) -> str:
    """Return a run in a line."""
    way = "".join(f" -{hop.handoff or 'landing'}-> {hop.target}" for hop in result.path)
    begin = result.path[0].source if result.path else result.state.name
    return f"<RunResult {begin}{way}; {used_in_words(result)}>"


def _certificate_text(certificate: Certificate) -> str:
    """Return a certificate in a line."""
    bounds = (
        f"{measure} {certificate.bounds[measure].bound:,}" for measure in _MEASURES if measure in certificate.bounds
    )
    return f"<Certificate {certificate.machine}: {', '.join(bounds)}>"


def _joined(*parts: str) -> str:
    return f'<div class="fsm-orch">\n{chr(10).join(part for part in parts if part)}\n</div>'


def _heading(name: str, more: str) -> str:
    return f"<p><b>{_text(name)}</b> {_text(more)}</p>"


def _line(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def _table(headings: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a table; none without lines."""
    body = "\n".join(_row("td", line) for line in lines)
    return f"<table>\n<thead>{_row('th', headings)}</thead>\n<tbody>\n{body}\n</tbody>\n</table>" if body else ""


def _row(kind: str, cells: Iterable[str]) -> str:
    marked = (f'<{kind} align="left">{_text(cell)}</{kind}>' for cell in cells)
    return f"<tr>{''.join(marked)}</tr>"


def _folded(title: str, lines: Iterable[str]) -> str:
    """Return lines that are shown when their title is clicked; nothing without lines."""
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f"<details><summary>{_text(title)}</summary><ul>{items}</ul></details>" if items else ""


def _text(text: str) -> str:
    """Return a text as HTML that shows it, without what would steer the page or turn its direction."""
    return html.escape(printable(text))
