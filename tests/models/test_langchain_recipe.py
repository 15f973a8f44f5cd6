"""The lines that ask a chat model of LangChain, as the page shows them: with a fake, and with LangChain where it is."""

from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
from support.shown import ROOT, blocks, execute

from fsm_orch import CallFailed, Context, Final, LLMAgent, Machine, Runner, State
from fsm_orch.messages import Message
from fsm_orch.models import Request

USAGE = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
TEXT = '{"handoff": "done"}'
SECRET = "where is my order"
ASKED = Request(
    messages=(Message(role="user", content=SECRET),), schema={"type": "object", "title": "é"}, max_output_tokens=20
)


class Refused(Exception):
    """What an SDK raises; it holds the prompt."""

    def __init__(self, status: int | None) -> None:
        super().__init__(SECRET)
        if status is not None:
            self.status_code = status


class Fake:
    """As much of a chat model as the lines ask for."""

    max_retries = 0

    def __init__(self, usage: Any = USAGE, error: Exception | None = None, **ended: str) -> None:
        self.usage, self.error, self.ended = usage, error, ended
        self.asked: list[tuple[Any, dict[str, Any]]] = []
        self.bound: dict[str, Any] = {}

    def bind(self, **bound: Any) -> Fake:
        self.bound = bound
        return self

    async def ainvoke(self, told: list[tuple[str, str]]) -> Any:
        self.asked.append((told, self.bound))
        if self.error is not None:
            raise self.error
        return SimpleNamespace(text=TEXT, usage_metadata=self.usage, response_metadata=self.ended)


def real(**ended: str) -> Any:
    """Return the same as a chat model of LangChain's own class."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

    class Real(BaseChatModel):
        max_retries: int = 0
        asked: list[Any]

        @property
        def _llm_type(self) -> str:
            return "real"

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **bound: Any) -> ChatResult:
            self.asked.append(([(m.type, m.content) for m in messages], bound))
            message = AIMessage(TEXT, usage_metadata=USAGE, response_metadata=ended)
            return ChatResult(generations=[ChatGeneration(message=message)])

    return Real(asked=[])


KINDS = ["fake", pytest.param("real", marks=pytest.mark.skipif(not find_spec("langchain_core"), reason="no LangChain"))]
MAKES: dict[str, Any] = {"fake": lambda **ended: Fake(**ended), "real": real}


@pytest.fixture(scope="module")
def chained() -> Any:
    """Return the class of the page."""
    names: dict[str, Any] = {"__name__": "__main__"}
    page = [block for block in blocks(ROOT / "notebooks" / "how-to" / "model.md") if block.language == "python"]
    first = next(block for block in page if "class Echo" in block.text)
    for block in (first, next(block for block in page if "class Chained" in block.text)):
        execute(block, names)
    return names["Chained"]


class Mail(Context):
    """A letter."""

    text: str


class Desk(Machine[Mail]):
    """Say that it is done."""

    sort = State(LLMAgent("Answer.", reads=Mail.text), initial=True)
    finished, open = Final(), Final()
    colleague = Final(fallback=True)
    done = sort.to(finished, "it is answered")
    later = sort.to(open, "it is not")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_answered_by_a_chat_model(kind: str, chained: Any) -> None:
    """A run takes it like any other model; its cap and the schema are sent, in one request a call."""
    chat = MAKES[kind](finish_reason="stop")
    result = Runner(Desk, model=chained(chat, "langchain:fake")).run_sync(Mail(text="Hello."))

    ((told, bound),) = chat.asked
    assert result.state is Desk.finished
    assert (9, 3) == (result.usage.input_tokens, result.usage.output_tokens)
    assert bound["max_tokens"] > 0
    assert "handoff" in told[0][1]


@pytest.mark.parametrize(
    ("status", "unsent", "transient"),
    [(429, True, True), (400, True, False), (500, False, True), (None, False, True), (True, False, True)],
)
async def test_only_a_refusal_is_free(status: int | None, unsent: bool, transient: bool, chained: Any) -> None:
    """A call is free if a status says that it was refused, and nothing of the exception is told."""
    with pytest.raises(CallFailed) as caught:
        await chained(Fake(error=Refused(status)), "langchain:fake").complete(ASKED)

    assert (unsent, transient) == (caught.value.unsent, caught.value.transient)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": True, "output_tokens": 3}, {"input_tokens": 9}])
async def test_a_usage_that_cannot_be_believed_is_none(usage: Any, chained: Any) -> None:
    """What is no number of tokens is charged as it was reserved, and an end that nobody knows is told as such."""
    response = await chained(Fake(usage, stop_reason="bored"), "langchain:fake").complete(ASKED)

    assert (None, "other", TEXT) == (response.usage, response.finish, response.text)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_counted_bounds_what_is_said(kind: str, chained: Any) -> None:
    """The schema that is told in words is counted, in bytes."""
    model = chained(MAKES[kind](), "langchain:fake")

    assert await model.count(ASKED) >= sum(len(text.encode()) for _, text in model.told(ASKED))


@pytest.mark.parametrize("retries", [None, 2])
def test_a_chat_model_that_sends_again_is_refused(retries: int | None, chained: Any) -> None:
    """A model whose retries are not off is refused, with the word that puts them off."""
    chat = Fake()
    chat.max_retries = retries  # type: ignore[assignment]
    with pytest.raises(ValueError, match="max_retries=0"):
        chained(chat, "langchain:fake")
