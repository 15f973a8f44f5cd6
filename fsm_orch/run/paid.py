"""Paid responses: what models have answered an attempt that is not over is kept, and given again after a crash.

A response is stored with the settlement of its call, if that is stored before the outcome of its attempt. An attempt
that is resumed asks again in the same order: each of its requests is given the response that is kept for its number, if
it asks the same of the same model, and reserves nothing. The first that asks something else ends that.

    key   VISIT:ATTEMPT:NUMBER:CALL    the visit's key, and which request of the attempt, and which call of the visit
    body  {"v":1,"text":...,"usage":{...}|null,"finish":...,"ended":...}

They are no second journal: a store drops them with the next hop of the run, and no fold knows of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import Struct, ValidationError, convert, to_builtins

from ..amounts import Usage
from ..errors import StoreError
from ..models.base import FinishReason, Request, Response
from ..store.values import PaidResponse


class _Body(Struct, frozen=True, forbid_unknown_fields=True):
    """A response as it is kept."""

    v: Literal[1]
    text: str
    usage: Usage | None
    finish: FinishReason
    ended: str


class _Held(NamedTuple):
    """A response that is not stored."""

    model: str
    request: Request
    response: Response


class _Known(NamedTuple):
    """What one request of an attempt was answered."""

    call: int
    bodies: dict[str, str]
    """By the hash of what was asked: an attempt that was resumed may have asked something else."""


class Paid:
    """The paid responses of a run.

    Args:
        known: what its store has kept.
    """

    def __init__(self, known: Sequence[PaidResponse] = ()) -> None:
        self.known: dict[str, _Known] = {}
        """By attempt and number."""
        self.new: dict[str, _Held] = {}
        """By key, what is to be stored along with its settlement."""
        for each in known:
            place, _, call = each.key.rpartition(":")
            if not call.isdecimal():
                raise StoreError(
                    f"response {each.key!r} is kept under no key of a request: something else than a store has changed "
                    "it. Delete it, and its model is asked again"
                )
            earlier = self.known.get(place)
            bodies = {} if earlier is None else earlier.bodies
            self.known[place] = _Known(
                int(call) if earlier is None else earlier.call, {**bodies, each.request: each.body}
            )

    def responses(self) -> tuple[PaidResponse, ...]:
        """Return what is to be stored."""
        if not self.new:  # as at most flushes: an attempt whose outcome is known needs none
            return ()
        return tuple(
            [
                PaidResponse(key, hash_of(held.model, held.request), _written(held.response))
                for key, held in self.new.items()
            ]
        )

    def note_stored(self, responses: Sequence[PaidResponse]) -> None:
        """Note that some are stored."""
        for each in responses:
            self.new.pop(each.key, None)


class AttemptMemory:
    """What one attempt was answered.

    Args:
        attempt: names it, among all of the run.
        model: the name of its model.
    """

    def __init__(self, paid: Paid, attempt: str, model: str) -> None:
        self._paid, self._attempt, self._model = paid, attempt, model
        self._asked = 0
        self._keys: list[str] = []
        self._is_over = False

    @property
    def calls_before(self) -> int | None:
        """How many calls its visit had made when the next request was made first; None if it was not answered."""
        known = self._paid.known.get(f"{self._attempt}:{self._asked + 1}")
        return None if known is None else known.call - 1

    def recall(self, request: Request) -> tuple[int, Response | None]:
        """Count a request. Return its number in the attempt, and what it was answered already, if it was."""
        self._asked += 1
        if not self._paid.known:
            return self._asked, None
        known = self._paid.known.pop(f"{self._attempt}:{self._asked}", None)
        if known is None:
            return self._asked, None
        response = _read(known.bodies.get(hash_of(self._model, request)))
        if response is None:  # it goes another way than before: what it was answered there may not fit here
            for place in [place for place in self._paid.known if place.startswith(f"{self._attempt}:")]:
                del self._paid.known[place]
        return self._asked, response

    def keep(self, number: int, call: int, request: Request, response: Response) -> None:
        """Keep what a request was answered, until the outcome of the attempt is known."""
        if not self._is_over:
            key = f"{self._attempt}:{number}:{call}"
            self._paid.new[key] = _Held(self._model, request, response)
            self._keys.append(key)

    def end(self) -> None:
        """Forget it all: the outcome of the attempt is known, and is stored no later than the settlements."""
        self._is_over = True
        for key in self._keys:
            self._paid.new.pop(key, None)


def hash_of(model: str, request: Request) -> str:
    """Return a name of what a model is asked: SHA-256 over all of it as JSON."""
    asked = [model, to_builtins(request.messages), request.schema, request.max_output_tokens, request.settings.chosen]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _written(response: Response) -> str:
    body = _Body(1, response.text, response.usage, response.finish, response.ended)
    return json.dumps(to_builtins(body))  # in ASCII: half of a surrogate pair is kept, and so is the character 0


def _read(body: str | None) -> Response | None:
    """Return a response that was kept; None if it was kept in another form."""
    try:
        read = None if body is None else convert(json.loads(body), _Body)
    except (ValidationError, ValueError):
        return None
    if read is None:
        return None
    return Response(text=read.text, usage=read.usage, finish=read.finish, ended=read.ended)
