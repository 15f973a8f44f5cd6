"""Three sources at once, each in 5 s, and a model that writes from them."""

import asyncio
from typing import Any

from agents import Agent, Runner
from world import books_of, news_of, papers_of


async def run(model: Any, topic: str) -> str | None:
    """Return the text."""
    writer = Agent(name="writer", instructions="Write from the sources alone.", model=model)
    sources = (news_of, papers_of, books_of)
    found = await asyncio.gather(*(asyncio.wait_for(source(topic), 5) for source in sources))
    result = await Runner.run(writer, f"{topic}: {'; '.join(found)}", max_turns=1)
    return str(result.final_output)
