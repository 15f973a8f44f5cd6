"""Three models, one after the other; the last text has 40 characters at most, or is written again once."""

from typing import Any

from agents import Agent, ModelBehaviorError, Runner
from pydantic import BaseModel, Field


class Short(BaseModel):
    text: str = Field(max_length=40)


async def run(model: Any, source: str) -> str | None:
    """Return the text."""
    extract = Agent(name="extract", instructions="List the facts.", model=model)
    write = Agent(name="write", instructions="Write a paragraph.", model=model)
    shorten = Agent(name="shorten", instructions="Shorten it.", model=model, output_type=Short)
    facts = await Runner.run(extract, source, max_turns=1)
    draft = await Runner.run(write, facts.final_output, max_turns=1)
    try:
        short = await Runner.run(shorten, draft.final_output, max_turns=1)
    except ModelBehaviorError as error:
        short = await Runner.run(shorten, f"{draft.final_output}\n{error}", max_turns=1)
    return str(short.final_output.text)
