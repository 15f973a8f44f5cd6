"""A definition as JSON: all that decides how a run moves, with the digest that journals and certificates name."""

from __future__ import annotations

import json

from ..define.definition import Definition


def canonical(definition: Definition) -> str:
    """Return the canonical JSON of a definition and its digest, indented and with a line break at the end.

    The digest is SHA-256 over the member `definition`, written with sorted keys, without spaces, in UTF-8.
    """
    return json.dumps({"digest": definition.digest, "definition": definition.canonical}, indent=2) + "\n"
