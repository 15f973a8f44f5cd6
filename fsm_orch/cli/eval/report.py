"""The report of `fsm-orch eval` as one page of HTML: no script, nothing from elsewhere, and every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ...evaluate.routes import Share
from ...observe.triage.shares import wilson
from .. import files
from ..show import safe
from .against import Comparison, in_words
from .scores import Scores, lines_of

_TITLE = "How fsm_orch machines route"
_MOST = 1_000
"""Disagreements of one comparison that are listed."""
REPORT = files.beginning("a report of how machines route", "<!doctype html>", f"<title>{_TITLE}</title>")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { border: 1px solid #ddd; padding: .25em .6em; text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
th { background: #f6f6f6; font-weight: 600; }
td.own { outline: 2px solid #555; outline-offset: -2px; }
"""
_HEAD = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{_TITLE}</title><style>{_STYLE}</style></head><body>
"""


def report(measured: Sequence[Scores], comparisons: Sequence[Comparison]) -> str:
    """Return the page."""
    parts = [_HEAD, f"<h1>{_TITLE}</h1>\n"]
    parts += [part for comparison in comparisons for part in _comparison(comparison)]
    parts += [part for scores in measured for part in _machine(scores)]
    return "".join([*parts, "</body></html>\n"])


def _text(text: object) -> str:
    """Return a text that a browser shows as it is."""
    return escape(safe(str(text)))


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><th>{_text(label)}</th><td>{_text(told)}</td></tr>\n" for label, told in pairs)
    return f"<table>\n{rows}</table>\n"


def _machine(scores: Scores) -> Iterable[str]:
    model = f" on {scores.model}" if scores.model else ""
    rates = scores.routing.rates
    yield f"<h2>{_text(scores.definition.name + model)}</h2>\n"
    yield f"<p>{len(scores.routing.routes):,} queries of {_text(scores.source)}</p>\n"
    yield _matrix(scores)
    shares = (
        ("accuracy", rates.accuracy),
        ("misroute", rates.misroute),
        ("false fallback", rates.false_fallback),
        ("leak", rates.leak),
    )
    yield _rows([*((name, _share(share)) for name, share in shares), *lines_of(scores)])


def _share(share: Share) -> str:
    if not share.of:
        return "-"
    near = wilson(share.count, share.of)
    return f"{100 * near.rate:.1f} % [{100 * near.low:.1f}, {100 * near.high:.1f}], {share.count:,} of {share.of:,}"


def _matrix(scores: Scores) -> str:
    """Return the confusion matrix; the darker a cell, the more of its row went there."""
    matrix, reached = scores.routing.matrix, scores.reached
    head = "".join(f"<th>{_text(name)}</th>" for name in reached)
    rows = [f"<tr><th>expected \\ reached</th>{head}</tr>\n"]
    for expected in scores.expected:
        of = sum(matrix[expected, name] for name in reached) or 1
        cells = (_cell(matrix[expected, name], of, is_own=expected == name) for name in reached)
        rows.append(f"<tr><th>{_text(expected)}</th>{''.join(cells)}</tr>\n")
    return f"<table>\n{''.join(rows)}</table>\n"


def _cell(count: int, of: int, *, is_own: bool) -> str:
    colour = "46, 160, 67" if is_own else "218, 54, 51"
    return (
        f'<td class="n{" own" if is_own else ""}" style="background: rgba({colour}, {0.75 * count / of:.2f})">'
        f"{f'{count:,}' if count else ''}</td>"
    )


def _comparison(comparison: Comparison) -> Iterable[str]:
    yield f"<h2>{_text(comparison.before.name)} → {_text(comparison.now.name)}</h2>\n"
    yield _rows(in_words(comparison))
    differ = [pair for pair in comparison.result.pairs if not pair.is_same]
    if not differ:
        yield "<p>Both sent each query to the same state.</p>\n"
        return
    yield f"<h3>{len(differ):,} queries went elsewhere</h3>\n"
    yield "<table>\n<tr><th>expected</th><th>before</th><th>now</th><th>query</th></tr>\n"
    for pair in differ[:_MOST]:
        states = (pair.now.expected, pair.before.reached, pair.now.reached, pair.now.text)
        yield f"<tr>{''.join(f'<td>{_text(each)}</td>' for each in states)}</tr>\n"
    yield "</table>\n"
    if len(differ) > _MOST:
        yield f"<p>{len(differ) - _MOST:,} more are not listed.</p>\n"
