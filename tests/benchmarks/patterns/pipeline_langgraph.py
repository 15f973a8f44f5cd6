"""Three models, one after the other; the last text has 40 characters at most, or is written again once."""

from typing import Any, TypedDict

from langchain_core.exceptions import OutputParserException
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy
from pydantic import BaseModel, Field, ValidationError


class Article(TypedDict, total=False):
    source: str
    facts: str
    draft: str
    text: str


class Short(BaseModel):
    text: str = Field(max_length=40)


def graph(model: Any) -> Any:
    """Return the graph."""

    async def extract(state: Article) -> Article:
        return {"facts": (await model.ainvoke(f"List the facts.\n{state['source']}")).content}

    async def write(state: Article) -> Article:
        return {"draft": (await model.ainvoke(f"Write a paragraph.\n{state['facts']}")).content}

    async def shorten(state: Article) -> Article:
        said = await model.with_structured_output(Short).ainvoke(f"Shorten it.\n{state['draft']}")
        return {"text": said.text}

    again = RetryPolicy(max_attempts=2, initial_interval=0.01, retry_on=(OutputParserException, ValidationError))
    building = StateGraph(Article)
    building.add_node(extract)
    building.add_node(write)
    building.add_node(shorten, retry_policy=again)
    building.add_edge(START, "extract")
    building.add_edge("extract", "write")
    building.add_edge("write", "shorten")
    building.add_edge("shorten", END)
    return building.compile()


async def run(model: Any, source: str) -> str | None:
    """Return the text."""
    state = await graph(model).ainvoke({"source": source})
    return state.get("text")
