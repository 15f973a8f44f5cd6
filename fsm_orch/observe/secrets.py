"""Secrets in texts: keys of the kinds that providers give out, and what this process has in its environment as keys.

They are found as they are, in base64, and with characters inside that nobody sees. What is encoded twice is not, nor a
key of a short beginning right behind 200 characters of base64.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from ..messages import REDACTED

_SHORT = r"(?<![\w+/-]{208})"
"""What follows a short beginning: in data as long as that, as in pictures in base64, it stands by chance."""
_EDGE = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2})"
    r"|(?<=\[\dm)|(?<=\[\d\dm)|(?<=\[\d;\d\dm))"
)
"""No letter and no digit before this, but the last of what JSON, a URL or a terminal writes for another character."""
_SHAPES = (
    # OpenAI, Anthropic and others. A part of it is long and has no dash, unlike `task-oriented-dialogue-systems`. In
    # front of it stands no letter or digit, unlike `task-5f3c…`, or else it names its kind, or that part mixes letters
    # of both cases and digits. Each look ahead is bounded, for the time.
    _EDGE + r"sk-" + _SHORT + r"(?=[\w-]{0,48}?\w{16})[\w-]{16,}",
    r"sk-(?:ant-\w{3,8}|or-v1|(?:proj|svcacct|admin)(?=[\w-]{0,48}?[A-Z])(?=[\w-]{0,48}?\d))-[\w-]{40,}",
    r"sk-" + _SHORT + r"(?:[a-z0-9]{1,8}-){0,2}(?=\w{0,47}\d)(?=\w{0,19}[A-Z])(?=\w{0,19}[a-z])\w{20}[\w-]*",
    r"sk-lf-[0-9a-f]{8}-[0-9a-f-]{27}",  # Langfuse
    r"gh[pousr]_" + _SHORT + r"[A-Za-z0-9]{20,}|github_pat_\w{20,}",
    r"gl(?:pat|dt|rt|ptt|cbt|soat|agent)-[\w-]{20,}(?:\.[0-9a-z]{2,9}){0,2}",  # GitLab
    r"xox[a-z]-[\w-]{10,}|xapp-\d-[\w-]{20,}",  # Slack
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",  # AWS
    r"AIza" + _SHORT + r"[\w-]{30,}|GOCSPX-[\w-]{20,}|ya29\.[\w-]{20,}",  # Google
    r"hf_" + _SHORT + r"[A-Za-z0-9]{20,}",  # Hugging Face: no `_` inside, unlike `hf_hub_download_with_retries`
    r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[\w+/]{16,}=*",  # Stripe
    r"(?:xai-|pplx-|gsk_)" + _SHORT + r"[A-Za-z0-9]{20,}",  # xAI, Perplexity, Groq
    r"nvapi-[\w-]{40,}",  # NVIDIA
    r"npm_" + _SHORT + r"[A-Za-z0-9]{30,}",
    r"hv[sbr]\.[\w-]{24,}",  # HashiCorp Vault
    r"SG\.[\w-]{22}\.[\w-]{43,}",  # SendGrid
    r"glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}",  # Grafana
    r"do[opr]_v1_[0-9a-f]{64}",  # DigitalOcean
    _EDGE + r"r8_" + _SHORT + r"[A-Za-z0-9]{30,}",  # Replicate
    r"tvly-(?:[a-z]{1,8}-)?[A-Za-z0-9]{16,}[\w-]*",  # Tavily
    r"pcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{32,}",  # Pinecone
    r"lsv2_[a-z]{2}_\w{16,}",  # LangSmith
    # A JSON web token, signed or encrypted; its first part alone, too: to look for the others from each `eyJ` of a text
    # that has many takes the square of its length. Within letters and in data, where `eyJ` stands by chance, only with
    # a name that such tokens begin with: alg, typ, kid, enc, cty, zip, jku, x5t.
    r"(?:(?<![A-Za-z0-9+/])eyJ"
    + _SHORT
    + r"|eyJ(?=hbGci|0eXAi|raWQi|lbmMi|jdHki|6aXAi|qa3Ui|4NXQi))[\w-]{8,}(?:\.[\w-]*){0,4}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:.*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|.*)",
    # `bearer` is a word, too, and a plain word follows it then
    r"(?:(?<=Bearer )|(?<=bearer )(?=[a-z./-]*[A-Z0-9_~+]|[a-z]{24}))[\w.~+/-]{8,}=*",
    r"(?<=://)[^\s/:@]*:[^\s/]+(?=@)",  # the user and password of a URL, up to the last @ of its host
)
"""What keys look like, by those who give them out."""

_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
    # and as JSON writes them, and JSON in JSON
    r"|\\{1,4}u(?:00ad|034f|061c|115f|1160|17b[45]|180[b-f]|200[b-f]|202[a-e]|206[0-9a-f]|3164|fe0[0-9a-f]|feff|ffa0"
    r"|db4[0-3]\\{1,4}ud[c-f][0-9a-f]{2})",
    re.IGNORECASE,
)
"""Characters of no width, and those that only say how others are shown."""

_BASE64 = re.compile(r"[\w+/-]{24,}(?:(?:\r?\n|\\r\\n|\\n)[\w+/-]{4,})*", re.ASCII)
"""What may be base64 of a key, of either alphabet, in one line or in several."""
_BREAK = re.compile(r"\r?\n|\\r\\n|\\n")
_ONE_ALPHABET, _URL_ALPHABET = str.maketrans("-_", "+/"), str.maketrans("+/", "-_")

_NAMED = re.compile(r"(?:(?:^|_)(?:KEY|APIKEY|TOKEN|SECRET)|PASSWORD|PASSWD)$")
_LEAST = 8
"""A shorter value of the environment is no key, and would be found in texts that hold none."""

Span = tuple[int, int]
"""Where a secret stands in a text: its first character, and the one after its last."""


def without_secrets(environment: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Return what replaces secrets in a text. Its time grows with the length of the text alone.

    Args:
        environment: names and values; what is named as keys are, such as `OPENAI_API_KEY`, is replaced wherever it
            stands, as it is, in JSON, in a URL or in base64, if it has 8 characters or more. None: that of this
            process, as it is now.
    """
    named = os.environ if environment is None else environment
    keys = (value.strip() for name, value in named.items() if _NAMED.search(name.upper()))
    values = {_UNSEEN.sub("", form) for key in keys if len(key) >= _LEAST for form in _forms(key)}
    values = {value for value in values if len(value) >= _LEAST}
    # the longest first: one may be the beginning of another
    known = [re.escape(value) for value in sorted(values, key=len, reverse=True)]
    found = re.compile("|".join([*known, *_SHAPES]), re.DOTALL | re.ASCII)

    def clean(text: str) -> str:
        seen, places = _seen(text)
        spans = [match.span() for match in found.finditer(seen)]
        spans += [span for run in _BASE64.finditer(seen) for span in _encoded(run, found, values)]
        if not spans:
            return text
        return _replaced(text, [(places[start], places[end - 1] + 1) for start, end in spans])

    return clean


def _forms(key: str) -> set[str]:
    """Return how a key may stand in a text: as it is, in JSON, in JSON that is in JSON, in a URL, and in base64.

    In base64 it is found with what stands around it; alone it may be too short to look like base64 at all.
    """
    forms = once = {key}
    for _ in range(2):
        once = {json.dumps(form, ensure_ascii=is_ascii)[1:-1] for form in once for is_ascii in (False, True)}
        forms = forms | once
    as_bytes = {form.encode("utf-8", "surrogateescape") for form in forms}
    forms = forms | {quote(key, safe="", errors="surrogateescape"), quote_plus(key, errors="surrogateescape")}
    alone = base64.b64encode(key.encode("utf-8", "surrogateescape")).decode().rstrip("=")
    return forms | {form.decode("latin-1") for form in as_bytes} | {alone, alone.translate(_URL_ALPHABET)}


def _seen(text: str) -> tuple[str, range | list[int]]:
    """Return a text without the characters that nobody sees, and where each of its characters stands in the text."""
    places: list[int] = []
    parts: list[str] = []
    begin = 0
    for unseen in _UNSEEN.finditer(text):
        parts.append(text[begin : unseen.start()])
        places.extend(range(begin, unseen.start()))
        begin = unseen.end()
    if not begin:
        return text, range(len(text))
    places.extend(range(begin, len(text)))
    return "".join([*parts, text[begin:]]), places


def _encoded(run: re.Match[str], found: re.Pattern[str], values: set[str]) -> Iterator[Span]:
    """Yield where characters of base64 hold secrets. Where the encoding begins is not known, so each of four is tried.

    Bytes of a picture are no text: a secret in them is one of the environment, or begins with plain characters.
    """
    letters, places = _in_one_line(run)
    for offset in range(4):
        whole = (len(letters) - offset) // 4 * 4
        rest = letters[offset:]
        # with what padding would end it: a last group of two or three characters has a byte or two
        missing = -len(rest) % 4
        rest = rest[:whole] if missing == 3 else rest + "A" * missing
        bytes_ = base64.b64decode(rest).decode("latin-1")
        for match in found.finditer(bytes_[: len(bytes_) - (missing if missing < 3 else 0)]):
            if match.group()[:12].isascii() or match.group() in values:
                first = offset + match.start() // 3 * 4
                last = min(offset + (match.end() + 2) // 3 * 4, len(letters)) - 1
                yield places[first], places[last] + 1


def _in_one_line(run: re.Match[str]) -> tuple[str, range | list[int]]:
    """Return the characters of base64 without line breaks, in one alphabet, and where each stands in the text."""
    places: list[int] = []
    begin, text = run.start(), run.string
    for line in _BREAK.finditer(text, run.start(), run.end()):
        places.extend(range(begin, line.start()))
        begin = line.end()
    if begin == run.start():
        return run.group().translate(_ONE_ALPHABET), range(*run.span())
    places.extend(range(begin, run.end()))
    return _BREAK.sub("", run.group()).translate(_ONE_ALPHABET), places


def _replaced(text: str, spans: list[Span]) -> str:
    """Return a text with a mark instead of each of these parts, and one for parts that touch."""
    parts: list[str] = []
    begin = 0
    for start, end in sorted(spans):
        if start > begin or not parts:
            parts.append(text[begin:start])
            begin = end
        begin = max(begin, end)
    return REDACTED.join([*parts, text[begin:]])
