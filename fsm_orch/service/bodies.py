"""What clients send: models of the bodies, made of a machine, so that a page of the API shows it; and keys."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, FailFast, Field, WithJsonSchema, create_model
from pydantic.fields import FieldInfo

from ..agents.decision import form
from ..define.context import given_fields
from ..define.definition import Definition
from ..define.options import one_of
from ..messages import Message

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]
"""A name that a client gives: a line of text, which goes into logs and into keys of databases."""

OnDisconnect = Literal["cancel", "continue"]
"""What becomes of a run when its client goes away: it is landed after a while, or goes on."""

Multitask = Literal["reject", "enqueue"]
"""What becomes of a request for a conversation in which a run is under way: it is refused, or waits for its turn."""


def check_ways(on_disconnect: object, multitask: object) -> None:
    """Check what an application says of all its runs.

    Raises ValueError: if it is none of the words that a request may say, too.
    """
    one_of("on_disconnect= of a router", on_disconnect, get_args(OnDisconnect))
    one_of("multitask= of a router", multitask, get_args(Multitask))


class Body(BaseModel):
    """A body: what it does not know is refused, since it was meant to do something."""

    model_config = ConfigDict(extra="forbid")


class Said(Body):
    """What was said before, in the conversation that a run goes on with."""

    role: Literal["user", "assistant"]
    content: str

    def as_message(self) -> Message:
        """Return it as a runner takes it."""
        return Message(role=self.role, content=self.content)


class NewRun(Body):
    """A run that is to begin."""

    context: Any
    messages: Annotated[list[Said], FailFast()] = Field(
        [], description="The conversation so far, where no `thread_id` tells it."
    )
    thread_id: Name | None = Field(
        None, description="Names a conversation: the run goes on with what its last run has left.", examples=["chat-17"]
    )
    on_disconnect: OnDisconnect | None = Field(
        None, description="Whether the run is cancelled, which lands it, when the client goes away and stays away."
    )
    multitask: Multitask | None = Field(
        None, description="What to do while another run of the thread is under way: `reject` (409), or `enqueue`."
    )


class Answer(Body):
    """An answer to a question of a run that waits."""

    answer: Any
    question: str | None = Field(None, description="The `key` of the question; the only one if it is left out.")


def body_of_run(definition: Definition) -> type[NewRun]:
    """Return the model of a new run of a machine: its context has the fields that a caller may give."""
    name, context = definition.name, definition.context
    fields: dict[str, Any] = {
        field: _field(info) for field, info in context.__pydantic_fields__.items() if field in given_fields(context)
    }
    given = create_model(f"{name}Context", __config__=_STRICT, __doc__=context.__doc__, **fields)
    return create_model(
        f"{name}Run", __base__=NewRun, __doc__=f"A run of {name} that is to begin.", context=(given, ...)
    )


_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=())


def _field(info: FieldInfo) -> tuple[Any, Any]:
    """Return a field of a context, with what a page shows of it; its validators are left to the context itself."""
    shown: dict[str, Any] = {"description": info.description, "examples": info.examples}
    if info.is_required():
        return info.rebuild_annotation(), Field(..., **shown)
    return info.rebuild_annotation(), Field(default=info.get_default(call_default_factory=False), **shown)


def body_of_answer(definition: Definition) -> type[Answer]:
    """Return the model of an answer: the forms that humans fill in where the machine asks them are shown with it."""
    forms = list(_forms(definition))
    shown: dict[str, Any] = {"anyOf": [*forms, {"title": "Another answer"}]} if forms else {}
    answer = Annotated[Any, WithJsonSchema({"description": "What the `form` of the question asks for.", **shown})]
    return create_model(f"{definition.name}Answer", __base__=Answer, __doc__=Answer.__doc__, answer=(answer, ...))


def _forms(definition: Definition) -> Iterator[dict[str, Any]]:
    """Yield the forms that humans fill in, as JSON schemas."""
    for state in definition.states.values():
        if state.spec.kind != "human":
            continue
        exits = tuple(handoff.name for handoff in state.exits)
        names = exits if len(exits) > 1 else ()
        made = form(definition.context, tuple(ref.name for ref in state.spec.writes), names, names)
        if made.schema is not None:
            yield deepcopy(dict(made.schema)) | {"title": f"Where {state.name!r} asks"}
