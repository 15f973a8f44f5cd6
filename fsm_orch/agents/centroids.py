"""Centroids: where the examples of a target lie, as directions in the space of an embedder.

They are stored as JSON, so that nobody has to embed the examples again, or to have them: eight bits a number are enough
for a direction, and what comes back is what was stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import mul

from ..define.source import phrases
from ..define.wording import kind_of
from ..models.embed import Embedder, Vector, unit

_MOST = 127
"""The largest number that eight bits hold, with its sign."""


@dataclass(frozen=True)
class Centroids:
    """The centroids of one target, by the names of its groups, such as intents."""

    embedder: str
    """The name of the embedder that made them."""
    groups: Mapping[str, Vector]
    """The direction in which the examples of each group lie."""

    @classmethod
    def of(cls, groups: Mapping[str, str | Iterable[str]], embedder: Embedder) -> Centroids:
        """Embed the examples of each group, and take the mean of their directions.

        Raises ValueError: if a group has no examples, or an embedder gives no vector for each, all of one length.
        """
        return cls(embedder.name, {name: _centroid(name, phrases(texts), embedder) for name, texts in groups.items()})

    @property
    def digest(self) -> str:
        """SHA-256 of the directions as they are stored, in hex; the names of groups are not in it."""
        return digest_of([self.embedder, sorted(map(_packed, self.groups.values()))])


def load_centroids(text: str) -> dict[str, Centroids]:
    """Read the centroids of each label from what `dump_centroids` wrote.

    Raises ValueError: if the text is something else.
    """
    try:
        held = json.loads(text)
        embedder = held["embedder"]
        if not isinstance(embedder, str):
            raise TypeError(f"the name of its embedder is {kind_of(embedder)}")
        return {
            label: Centroids(embedder, {name: _unpacked(packed) for name, packed in groups.items()})
            for label, groups in held["centroids"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise ValueError(
            f"these are no centroids that dump_centroids wrote: {type(error).__name__}: {error}"
        ) from error


def dump_centroids(centroids: Mapping[str, Centroids]) -> str:
    """Write the centroids of each label as JSON, a line a group.

    Raises ValueError: if there are none, or embedders of two names made them.
    """
    embedders = {each.embedder for each in centroids.values()}
    if len(embedders) != 1:
        raise ValueError(f"a file holds the centroids of one embedder, not of {sorted(embedders) or 'none'}")
    held = {label: {name: _packed(vector) for name, vector in each.groups.items()} for label, each in centroids.items()}
    return json.dumps({"embedder": embedders.pop(), "centroids": held}, indent=1) + "\n"


def digest_of(value: object) -> str:
    """Return the SHA-256 of a value's JSON, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def cosine(one: Vector, other: Vector) -> float:
    """Return how near two directions are: 1 if they are the same, 0 if they have nothing in common.

    Raises ValueError: if they are of different lengths.
    """
    if len(one) != len(other):
        raise ValueError(f"a vector of {len(one)} numbers is not comparable with a centroid of {len(other)}")
    return float(sum(map(mul, one, other)))


def _centroid(name: str, texts: tuple[str, ...], embedder: Embedder) -> Vector:
    vectors = [unit(vector) for vector in embedder.embed(texts)]
    if not texts or len(vectors) != len(texts) or len(set(map(len, vectors))) != 1:
        raise ValueError(
            f"the embedder {embedder.name!r} made {len(vectors)} vectors of the {len(texts)} examples {name!r}: give "
            "at least one example, and an embedder that makes a vector of each, all of one length"
        )
    return unit(map(math.fsum, zip(*vectors, strict=True)))  # exact, so that their order makes no difference


def _packed(vector: Vector) -> str:
    most = max(map(abs, vector), default=0.0) or 1.0
    return base64.b64encode(array("b", (round(part / most * _MOST) for part in vector)).tobytes()).decode("ascii")


def _unpacked(packed: str) -> Vector:
    return unit(array("b", base64.b64decode(packed, validate=True)))
