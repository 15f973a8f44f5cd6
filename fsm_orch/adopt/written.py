"""Python as `ruff format` leaves it, at its own width of a line or a wider one."""

import keyword
import re
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, count

_LINE = 79
_PIECE = 72
"""Letters of a long text in one line."""
_NAME = 24
"""Letters of a name at most, so that what is made of two of them still fits in a line."""


def name_for(text: str, taken: Collection[str]) -> str:
    """Return a name for a variable that is like a text, and is not taken."""
    bare = re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")[:_NAME].strip("_") or "state"
    bare = f"s_{bare}"[:_NAME] if bare[0].isdigit() else bare
    more = (f"{bare[: _NAME - 4]}_{number}" for number in count(2))
    return next(each for each in chain([bare], more) if each not in taken and not keyword.iskeyword(each))


def quoted(text: str) -> str:
    """Return a text as a literal, in the quotes that need fewer escapes."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    escaped = "".join(_escaped(letter, mark) for letter in text)
    return f"{mark}{escaped}{mark}"


def _escaped(letter: str, mark: str) -> str:
    if letter in ("\\", mark):
        return f"\\{letter}"
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


def literal(text: str) -> list[str]:
    """Return the lines of a literal; a text that is too long for one goes over several."""
    if len(text) <= 2 * _PIECE:
        return [quoted(text)]
    return [quoted(piece) for line in text.splitlines(keepends=True) for piece in _pieces(line)]


def _pieces(line: str) -> Iterator[str]:
    """Yield a line in pieces that are it again when joined; words stay whole where they can."""
    rest = line
    while len(rest) > _PIECE:
        cut = rest.rfind(" ", 1, _PIECE) + 1 or _PIECE
        yield rest[:cut]
        rest = rest[cut:]
    yield rest


def call(head: str, arguments: Iterable[Sequence[str]], *, depth: int = 0) -> list[str]:
    """Return the lines of a call, an argument below the other.

    Args:
        head: What is called, and what stands before it.
        arguments: The lines of each.
        depth: Of what indentation.
    """
    inner = [line for argument in arguments for line in [*argument[:-1], f"{argument[-1]},"]]
    return textwrap.indent("\n".join([f"{head}(", *(f"    {line}" for line in inner), ")"]), "    " * depth).split("\n")


def short_call(head: str, arguments: Sequence[Sequence[str]], *, depth: int = 0) -> list[str]:
    """Return the lines of a call: one if it fits, else as `call` does."""
    one = f"{'    ' * depth}{head}({', '.join(argument[0] for argument in arguments)})"
    is_short = len(one) <= _LINE and all(len(argument) == 1 for argument in arguments)
    return [one] if is_short else call(head, arguments, depth=depth)


def comment(text: str, *, depth: int = 0) -> str:
    """Return a comment of one line."""
    return f"{'    ' * depth}# {one_line(text)}"


def one_line(text: str) -> str:
    """Return a text without what could end a line, a comment or a docstring."""
    return re.sub(r'["\\]', "'", "".join(letter if letter.isprintable() else " " for letter in text)).strip()
