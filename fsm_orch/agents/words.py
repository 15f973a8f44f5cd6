"""Words in a text, in any script: what is compared, and where a word begins and ends.

Both sides are folded first: one text in the several ways that Unicode writes it is one text, in any case. A word is
found as a whole word: `red` is not in `ordered`. In scripts that set no spaces between words, or join endings to them
(Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese, Tibetan), it is found inside a text too, and spaces in it may be
left out. A letter is never parted from its marks. Hyphens, apostrophes and quotes are the same, curved or not.

What is not one text for Unicode stays two: simplified and traditional characters, or words with other endings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, cached_property
from itertools import groupby, pairwise
from unicodedata import category, normalize

_UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u19e0-\u19ff\u3005-\u3007\u3031-\u3035\u3040-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uaa60-\uaa7f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""The scripts without borders of words, as ranges of a regular expression."""

_LEFT_OUT = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
    "\U000e0100-\U000e01ef"  # all these are without a shape of their own
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # vowels of Hebrew, which are written or not
    "\u0610-\u061a\u0640\u064b-\u0652\u0670]"  # those of Arabic, and the stroke that stretches a word
)
_DOTTED = re.compile("i\u0307+")
_ALIKE = str.maketrans(
    {
        "\u0131": "i",
        "\u2010": "-",
        **dict.fromkeys("\u2018\u2019\u02bc\u05f3", "'"),
        **dict.fromkeys("\u201c\u201d\u05f4", '"'),
    }
)
"""The `i` without a dot, whose capital is that of the other; and hyphens, apostrophes and quotes, as phones write them,
or as Ukrainian and Hebrew have them in words."""


def folded(text: str) -> str:
    """Return a text as it is compared: without case, and in one of the ways that Unicode has to write it."""
    if text.isascii():
        return text.lower()
    text = normalize("NFKD", normalize("NFKD", text).casefold()).casefold()
    # letters and marks are joined last: what is left out may stand between them, and what is alike may be joined too
    text = normalize("NFKD", _LEFT_OUT.sub("", text).translate(_ALIKE))
    # a capital with a dot is, without case, an `i` with a dot above it, which is an `i`
    return normalize("NFC", _DOTTED.sub("i", text))


class Phrases:
    """Phrases that are looked for in texts; white space in one matches any white space."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._phrases = [folded(phrase).strip() for phrase in phrases]
        plain = [_spelt(phrase) for phrase in self._phrases if phrase.isascii()]
        self._plain = re.compile(rf"(?<!\w)(?:{'|'.join(plain)})(?!\w)" if plain else "(?!)")
        if len(plain) < len(self._phrases):
            _ = self._pattern  # made now, since it will be needed

    def are_in(self, text: str) -> bool:
        """Return whether any of them is in a folded text."""
        # in ASCII there are no marks and no scripts without spaces, and a simpler pattern is three times as fast
        return (self._plain if text.isascii() else self._pattern).search(text) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        edged = sorted((_before(phrase[0]), _after(phrase[-1]), _spelt(phrase)) for phrase in self._phrases)
        return re.compile(
            "|".join(
                f"{before}(?:{'|'.join(spelt for *_, spelt in alike)}){after}"
                for (before, after), alike in groupby(edged, key=lambda edges: edges[:2])
            )
        )


def is_blank(phrase: str) -> bool:
    """Return whether a phrase holds nothing that could be found."""
    return not folded(phrase).strip()


def _spelt(phrase: str) -> str:
    words = phrase.split()
    gaps = [r"\s*" if _is_unspaced(one[-1]) and _is_unspaced(next_[0]) else r"\s+" for one, next_ in pairwise(words)]
    return "".join(re.escape(word) + gap for word, gap in zip(words, [*gaps, ""], strict=True))


# not `\b`: it needs a letter at the edge, and would never match a phrase that ends in a sign, such as "C++"
def _before(letter: str) -> str:
    """Return what must hold before a phrase that begins with a letter."""
    return "" if _is_unspaced(letter) else rf"(?<![^\W{_UNSPACED}])(?<![{_marks(spaced=True)}])"


def _after(letter: str) -> str:
    """Return what must hold after a phrase that ends with a letter."""
    return rf"(?![{_marks()}])" if _is_unspaced(letter) else rf"(?![^\W{_UNSPACED}]|[{_marks()}])"


def _is_unspaced(letter: str) -> bool:
    return re.match(f"[{_UNSPACED}]", letter) is not None


@cache
def _marks(*, spaced: bool = False) -> str:
    """Return the marks that belong to the letter before them, as ranges; `spaced`: only of scripts with spaces."""
    found = [code for code in _mark_codes() if not (spaced and _is_unspaced(chr(code)))]
    runs = groupby(enumerate(found), key=lambda numbered: numbered[1] - numbered[0])
    ends = [(run[0][1], run[-1][1]) for _, alike in runs for run in [list(alike)]]
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ends)


@cache  # all of Unicode is looked at, which takes some milliseconds
def _mark_codes() -> list[int]:
    return [code for code in range(0x300, 0x1F000) if category(chr(code)).startswith("M")]
