"""openai-agents with its session in SQLite, which keeps what was said and done."""

from typing import Any

import with_openai_agents


async def desk(url: str, database: str) -> Any:
    """Return what answers a question; asked again, it begins again, with what the session has kept."""
    return with_openai_agents.desk(url, database=database)
