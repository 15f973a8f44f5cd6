"""The base of inputs and records: frozen values that say in JSON, under `kind`, which of their union they are."""

from __future__ import annotations

from typing import Annotated, cast

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(ge=0)]
"""How long a run has been active, or something took in it."""

NO_TIME = 0.0
"""No seconds, as a default that is left out of JSON: msgspec leaves out a float only if it is the very same object."""


class Tagged(Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """A member of a union of values."""

    @property
    def kind(self) -> str:
        """The word that names its class in JSON, logs and streams, such as `handed_off`."""
        return cast("str", self.__struct_config__.tag)
