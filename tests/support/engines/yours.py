"""A workflow of somebody else, which runs in the sandbox of Temporal."""

from temporalio import workflow


@workflow.defn
class Yours:
    """Gives back what it is given."""

    @workflow.run
    async def run(self, what: str) -> str:
        """Return what it was given."""
        return what
