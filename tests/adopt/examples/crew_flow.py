"""A flow of CrewAI: a fork, a join, a cycle, a router that says what nobody listens to, and one that is only read."""

from typing import Any, Literal

from crewai.flow.flow import Flow, and_, listen, or_, router, start

crew: Any = None
"""Stand for a crew; nothing here is run."""


class Articles(Flow):
    """Write articles."""

    @start()
    def plan(self) -> str:
        """Plan the article."""
        return crew.kickoff()

    @listen(plan)
    def facts(self) -> str:
        """Check the facts."""
        return "right"

    @listen(plan)
    def style(self) -> str:
        """Check the style."""
        return "fine"

    @router(and_(facts, style))
    def judge(self) -> Literal["good", "poor", "hopeless"]:
        """Judge the article."""
        return "good"

    @listen("good")
    def publish(self) -> None:
        """Publish the article."""

    @listen(or_("poor", "again"))
    def rewrite(self) -> str:
        """Rewrite the article."""
        return crew.kickoff()

    @router(rewrite)
    def look(self) -> str:
        """Look at it once more."""
        if self.state:
            return "again"
        return "good"

    @listen("forgotten")
    def orphan(self) -> None:
        """Wait for what nothing says."""
