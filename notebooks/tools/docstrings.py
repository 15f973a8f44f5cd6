"""Docstrings of the project as griffe reads them: an extension of griffe, named in mkdocs.yml.

The project writes `Raises ValueError: if ...` in a line of its own, and explains two arguments at once (`reads, writes:
the fields ...`). Griffe knows a section of errors, and one argument a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

_RAISED = re.compile(r"^(?P<margin>\s*)Raises (?P<error>[\w.]+): ?(?P<when>.+)$")
_TOGETHER = re.compile(r"^(?P<margin>\s+)(?P<names>\w+(?:, \w+)+): (?P<what>.+)$")


class HouseStyle(griffe.Extension):
    """Rewrites docstrings after they are loaded, and before they are parsed."""

    def on_instance(self, *, obj: griffe.Object, **others: Any) -> None:  # noqa: ARG002 - what else the hook is given
        """Rewrite the docstring of an object, if it has one."""
        if obj.docstring:
            obj.docstring.value = "\n".join(rewritten(obj.docstring.value.splitlines())).strip("\n")


def rewritten(lines: list[str]) -> Iterator[str]:
    """Yield the lines of a docstring, with errors in a section, and each argument in a line of its own."""
    is_error = False
    for line in lines:
        if found := _RAISED.match(line):
            if not is_error:
                yield from ("", f"{found['margin']}Raises:")
            yield f"{found['margin']}    {found['error']}: {found['when']}"
            is_error = True
        elif is_error and line.strip().startswith("Raises "):  # no class is named: it is prose
            yield from ("", line)
            is_error = False
        elif is_error and line.strip():
            yield f"    {line}"  # goes on with the error above
        elif found := _TOGETHER.match(line):
            *others, last = found["names"].split(", ")
            yield from (f"{found['margin']}{other}: see `{last}`." for other in others)
            yield f"{found['margin']}{last}: {found['what']}"
        else:
            is_error = False
            yield line
