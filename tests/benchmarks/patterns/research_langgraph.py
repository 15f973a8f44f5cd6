"""Three sources at once, each in 5 s, and a model that writes from them."""

from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from world import books_of, news_of, papers_of


class Report(TypedDict, total=False):
    topic: str
    news: str
    papers: str
    books: str
    text: str


async def in_news(state: Report) -> Report:
    return {"news": await news_of(state["topic"])}


async def in_papers(state: Report) -> Report:
    return {"papers": await papers_of(state["topic"])}


async def in_books(state: Report) -> Report:
    return {"books": await books_of(state["topic"])}


def graph(model: Any) -> Any:
    """Return the graph."""

    async def write(state: Report) -> Report:
        found = f"{state['topic']}: {state['news']}; {state['papers']}; {state['books']}"
        said = await model.ainvoke(f"Write from the sources alone.\n{found}")
        return {"text": said.content}

    building = StateGraph(Report)
    for source in (in_news, in_papers, in_books):
        building.add_node(source, timeout=5)
        building.add_edge(START, source.__name__)
    building.add_node(write)
    building.add_edge(["in_news", "in_papers", "in_books"], "write")
    building.add_edge("write", END)
    return building.compile()


async def run(model: Any, topic: str) -> str | None:
    """Return the text."""
    state = await graph(model).ainvoke({"topic": topic})
    return state.get("text")
