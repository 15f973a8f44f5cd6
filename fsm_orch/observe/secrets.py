"""Secrets in texts: keys of the kinds that providers give out, and what this process has in its environment as keys."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping

from ..messages import REDACTED

_SHAPES = (
    r"sk-[\w-]{16,}",  # OpenAI, Anthropic and others
    r"gh[pousr]_\w{20,}|github_pat_\w{20,}",
    r"xox[a-z]-[\w-]{10,}",  # Slack
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",  # AWS
    r"AIza[\w-]{30,}",  # Google
    r"hf_\w{20,}",  # Hugging Face
    r"[rs]k_(?:live|test)_\w{16,}|whsec_\w{16,}",  # Stripe
    # A JSON web token, signed or encrypted; its first part alone, too: to look for the others from each `eyJ` of a text
    # that has many takes the square of its length.
    r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:.*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|.*)",
    r"(?<=[Bb]earer )[\w.~+/-]{8,}=*",
    r"(?<=://)[^\s/:@]*:[^\s/]+(?=@)",  # the user and password of a URL, up to the last @ of its host
)
"""What keys look like, by those who give them out."""

_NAMED = re.compile(r"(?:(?:^|_)(?:KEY|APIKEY|TOKEN|SECRET)|PASSWORD|PASSWD)$")
_LEAST = 8
"""A shorter value of the environment is no key, and would be found in texts that hold none."""


def without_secrets(environment: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Return what replaces secrets in a text.

    Args:
        environment: names and values; what is named as keys are, such as `OPENAI_API_KEY`, is replaced wherever it
            stands, as it is or in JSON, if it has 8 characters or more. None: that of this process, as it is now.
    """
    named = os.environ if environment is None else environment
    keys = (value.strip() for name, value in named.items() if _NAMED.search(name.upper()))
    values = {form for key in keys if len(key) >= _LEAST for form in _forms(key)}
    # the longest first: one may be the beginning of another
    known = [re.escape(value) for value in sorted(values, key=len, reverse=True)]
    found = re.compile("|".join([*known, *_SHAPES]), re.DOTALL)

    def clean(text: str) -> str:
        return found.sub(REDACTED, text)

    return clean


def _forms(key: str) -> set[str]:
    """Return how a key may stand in a text: as it is, in JSON, and in JSON that is in JSON."""
    forms = once = {key}
    for _ in range(2):
        once = {json.dumps(form, ensure_ascii=is_ascii)[1:-1] for form in once for is_ascii in (False, True)}
        forms = forms | once
    return forms
