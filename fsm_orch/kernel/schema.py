"""The JSON schema of records: what whoever reads them from logs, streams and stores may rely on.

A field may be added at any time, with a default that is left out; so a reader skips what it does not know. Whatever
else changes raises the version.
"""

from __future__ import annotations

from typing import Any

from msgspec.json import schema

from ..limits import Limits
from .records import Record

RECORDS_VERSION = 1
"""The version of the schema. It rises whenever a reader of the one before could misread a record."""


def records_schema() -> dict[str, Any]:
    """Return the JSON schema of a record of any kind; its `version` says which schema it is.

    `json.dumps(records_schema())`; the site has it as `reference/records.schema.json`.
    """
    made = schema(Record, schema_hook=_limits)
    for kind in made["$defs"].values():
        kind.pop("additionalProperties")  # one that is false would refuse the field that a later version adds
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Record",
        "description": "What fsm_orch made of something that happened to a run.",
        "version": RECORDS_VERSION,
        **made,
    }


def _limits(kind: type) -> dict[str, Any]:
    """Return the schema of the one value that is no struct."""
    if kind is not Limits:
        raise NotImplementedError(f"{kind.__name__} has no schema")
    made: dict[str, Any] = Limits.model_json_schema(mode="serialization")
    del made["additionalProperties"]
    return {**made, "description": "The limits of the run."}
