"""What clients of OpenAI send, as far as a machine takes it: who speaks, and what was said.

How a model is sampled is the machine's to say, so what clients say of that is not read. What would make the answer
another one, such as tools of the client's, is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field

from ..messages import Message
from .problems import Problem

_ONLY: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "functions": ([],),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "response_format": ({"type": "text"},),
    "tools": ([],),
}
"""What changes an answer, and the values that it may have if it is there."""


class Part(BaseModel):
    """A part of a message."""

    type: str = Field(description="`text`; no other is taken.")
    text: str = ""


class ChatMessage(BaseModel):
    """A message. Those of `user` and `assistant` are taken; the machine has instructions of its own."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None


class StreamOptions(BaseModel):
    """How a stream is sent."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A request of OpenAI's. Each is a run of its own; what was said before comes with it."""

    # a client may send what is new in OpenAI's, or an extension of another server's
    model_config = ConfigDict(extra="allow")

    model: str = Field(description="The name of the machine.")
    messages: Annotated[list[ChatMessage], FailFast()] = Field(
        min_length=1, description="The conversation; the last message is the user's."
    )
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    metadata: dict[str, str] | None = Field(None, description="Other fields of the context that a caller may give.")

    @property
    def has_usage(self) -> bool:
        """Whether a stream is to end with what providers reported."""
        return self.stream_options is not None and self.stream_options.include_usage

    def check(self, name: str) -> None:
        """Check that this can be answered.

        Args:
            name: of the machine.

        Raises Problem: if it names another model, or asks for what a machine cannot give.
        """
        if self.model != name:
            raise Problem("model_not_found", f"There is no model {self.model!r} here, but {name!r}.", param="model")
        for parameter, values in _ONLY.items():
            value = (self.model_extra or {}).get(parameter)
            if value is not None and value not in values:
                raise Problem("unsupported_parameter", f"{parameter!r} is the machine's to say.", param=parameter)

    def said(self) -> tuple[str, tuple[Message, ...]]:
        """Return what the user says, and what was said before.

        Raises Problem: if the last message is not the user's, or one is no text.
        """
        *before, last = self.messages
        if last.role != "user":
            raise Problem("invalid_request", "The last message is the user's.", param="messages")
        spoken = [
            Message(role=each.role, content=text)
            for each in before
            if each.role in ("user", "assistant") and (text := _text(each))
        ]
        return _text(last), tuple(spoken)


def _text(message: ChatMessage) -> str:
    content = message.content
    if content is None or isinstance(content, str):
        return content or ""
    if any(part.type != "text" for part in content):
        raise Problem("invalid_request", "Only parts of the type 'text' are taken.", param="messages")
    return "".join(part.text for part in content)
