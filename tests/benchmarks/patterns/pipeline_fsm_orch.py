"""Three models, one after the other; the last text has 40 characters at most, or is written again once."""

from typing import Annotated, Any

from pydantic import Field

from fsm_orch import Context, Final, LLMAgent, Machine, Runner, State


class Article(Context):
    source: str
    facts: str | None = None
    draft: str | None = None
    text: Annotated[str, Field(max_length=40)] | None = None


class Newsroom(Machine[Article]):
    """Turn a source into a short text."""

    extract = State(LLMAgent("List the facts.", reads=Article.source, writes=Article.facts), initial=True)
    write = State(LLMAgent("Write a paragraph.", reads=Article.facts, writes=Article.draft))
    shorten = State(LLMAgent("Shorten it.", reads=Article.draft, writes=Article.text))
    printed, dropped = Final(), Final(fallback=True)
    flow = extract >> write >> shorten >> printed


async def run(model: Any, source: str) -> str | None:
    """Return the text."""
    result = await Runner(Newsroom, model=model).run(Article(source=source))
    return result.context.text
