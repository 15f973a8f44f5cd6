"""The table of all findings: what is stable about each, said once, and the findings made from it.

Messages, `fsm-orch explain` and FINDINGS.md are read from here. Where a finding is, and what exactly came, is known to
the rule alone.

To add a finding:

1. Take the next free number of its family. A gap is the code of a finding that is gone: it is not used again.
2. Add a `Code` to the table of its family, with a `mending`: lines that raise it, and how they are mended.
3. Write a rule that yields `codes.finding(...)`: in `define.rules` if it keeps a class from building, in
   `adopt.examine` if it is about another framework's graph, else in `proof.findings`. Only `check` and `import` find a
   warning or a note: whatever is found when the class is built stops it.
4. Write a test of the rule. `tests/define/test_codes.py` tries the example and its mended form by itself; those of
   other frameworks are tried by `tests/adopt/test_import_codes.py`.
5. Run `fsm-orch explain --markdown > FINDINGS.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import Finding, Level
from . import bounds, handoffs, imported_nodes, imports, landing, names, parts, policies, prompts, states, tools
from .code import Code

_TABLES = (states, handoffs, names, parts, tools, landing, bounds, policies, prompts, imports, imported_nodes)

CODES: Mapping[str, Code] = {
    code.code: code for code in sorted((code for table in _TABLES for code in table.CODES), key=lambda code: code.code)
}
"""By number."""


def finding(
    code: str,
    *,
    where: str,
    problem: str,
    expected: str | None = None,
    fix: str | None = None,
    level: Level | None = None,
    about: str = "",
) -> Finding:
    """Make a finding.

    Args:
        where: `file:line` of the user's declaration.
        problem: what was declared, and what is wrong with it.
        expected, fix, level: None: as the table says.
        about: the name of the state or handoff.

    Raises KeyError: if the table does not have the code, which is our mistake.
    """
    known = CODES[code]
    assert level is None or level in known.levels, f"{code} is {' or '.join(known.levels)}, not {level}"
    return Finding(
        code=code,
        where=where,
        problem=problem,
        expected=expected or known.expected,
        fix=fix or known.fix,
        level=level or known.levels[0],
        about=about,
    )
