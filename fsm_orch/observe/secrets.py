"""Secrets in texts: keys of the kinds that providers give out, and what this process has in its environment as keys."""

from __future__ import annotations

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
    r"[rs]k_(?:live|test)_\w{16,}",  # Stripe
    r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*",  # a JSON web token
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)",
    r"(?<=Bearer )[\w.~+/-]{8,}=*",
    r"(?<=://)[^\s/:@]*:[^\s/@]+(?=@)",  # the user and password of a URL
)
"""What keys look like, by those who give them out."""

_NAMED = re.compile(r"(?:_KEY|_TOKEN|_SECRET|_PASSWORD|_PASSWD)$")
_LEAST = 8
"""A shorter value of the environment is no key, and would be found in texts that hold none."""


def without_secrets(environment: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Return what replaces secrets in a text.

    Args:
        environment: names and values; what is named as keys are, such as `OPENAI_API_KEY`, is replaced wherever it
            stands. None: that of this process, as it is now.
    """
    named = os.environ if environment is None else environment
    values = {value for name, value in named.items() if _NAMED.search(name.upper()) and len(value) >= _LEAST}
    # the longest first: one may be the beginning of another
    known = [re.escape(value) for value in sorted(values, key=len, reverse=True)]
    found = re.compile("|".join([*known, *_SHAPES]), re.DOTALL)

    def clean(text: str) -> str:
        return found.sub(REDACTED, text)

    return clean
