"""Three sources at once, each in 5 s, and a model that writes from them."""

from typing import Any

from world import books_of, news_of, papers_of

from fsm_orch import Context, Final, LLMAgent, Machine, Parallel, Runner, State, Visit


class Report(Context):
    topic: str
    news: str | None = None
    papers: str | None = None
    books: str | None = None
    text: str | None = None


async def in_news(visit: Visit[Report]) -> dict[Any, Any]:
    return {Report.news: await news_of(visit.context.topic)}


async def in_papers(visit: Visit[Report]) -> dict[Any, Any]:
    return {Report.papers: await papers_of(visit.context.topic)}


async def in_books(visit: Visit[Report]) -> dict[Any, Any]:
    return {Report.books: await books_of(visit.context.topic)}


FOUND = (Report.topic, Report.news, Report.papers, Report.books)


class Research(Machine[Report]):
    """Write from three sources."""

    gather = State(
        Parallel(
            State(in_news, reads=Report.topic, writes=Report.news, timeout_s=5),
            State(in_papers, reads=Report.topic, writes=Report.papers, timeout_s=5),
            State(in_books, reads=Report.topic, writes=Report.books, timeout_s=5),
        ),
        initial=True,
    )
    write = State(LLMAgent("Write from the sources alone.", reads=FOUND, writes=Report.text))
    written, given_up = Final(), Final(fallback=True)
    flow = gather >> write >> written


async def run(model: Any, topic: str) -> str | None:
    """Return the text."""
    result = await Runner(Research, model=model).run(Report(topic=topic))
    return result.context.text
