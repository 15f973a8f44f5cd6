"""A definition as JSON: all that decides how a run moves, with the digest that journals and certificates name it by."""

from __future__ import annotations

import json

from ..define.definition import Definition


def canonical(definition: Definition) -> str:
    """Write the canonical JSON of a definition and its digest.

    The digest is SHA-256 over the member `definition`, written with its keys sorted, without spaces, and in UTF-8.
    """
    return json.dumps({"digest": definition.digest, "definition": definition.canonical}, indent=2) + "\n"
