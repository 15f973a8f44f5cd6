"""Write down the examples of the frameworks that are installed here, for tests that run without them.

    python tests/adopt/record.py

Of each example, all that its reader reads is written to a file in `recorded`, and beside it the graph that was read.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORDED = HERE / "recorded"
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))

from support.foreign_objects import graph_data, write_down  # noqa: E402

from fsm_orch.adopt.graph import Graph  # noqa: E402


@dataclass(frozen=True)
class Example:
    """An object of a framework, by the module and the attribute it is in."""

    library: str
    reader: str
    module: str
    attribute: str

    @property
    def is_here(self) -> bool:
        """Return whether its framework is installed."""
        try:
            spec = find_spec(self.library)
        except ModuleNotFoundError:  # of the package that it is in
            return False
        return spec is not None and spec.origin is not None  # a folder of tests of the same name has no origin

    def thing(self) -> Any:
        """Return the object itself."""
        return getattr(import_module(f"adopt.examples.{self.module}"), self.attribute)

    def read(self, thing: object) -> Graph:
        """Return what its reader reads of it, or of what was made of it again."""
        reader: Any = import_module(f"fsm_orch.adopt.{self.reader}")
        assert reader.reads(thing), "it is of another framework"
        read: Callable[[object, str], Graph] = reader.read
        return read(thing, self.attribute)


EXAMPLES = {
    "langgraph_agent": Example("langgraph_swarm", "langgraph", "langgraph_flows", "alice"),
    "langgraph_cycle": Example("langgraph_swarm", "langgraph", "langgraph_flows", "cycle"),
    "langgraph_swarm": Example("langgraph_swarm", "langgraph", "langgraph_flows", "swarm"),
    "langgraph_wide": Example("langgraph_swarm", "langgraph", "langgraph_flows", "wide_compiled"),
    "openai_agents": Example("agents", "openai_agents", "agents_triage", "triage"),
    "agent_framework": Example("agent_framework", "agent_framework", "framework_workflow", "workflow"),
    "autogen_flow": Example("autogen_agentchat", "autogen", "autogen_teams", "flow"),
    "autogen_swarm": Example("autogen_agentchat", "autogen", "autogen_teams", "swarm"),
    "burr": Example("burr", "burr", "burr_mail", "application"),
    "crewai": Example("crewai", "crewai", "crew_flow", "Articles"),
    "pydantic_graph_built": Example("pydantic_graph.graph_builder", "pydantic_graph", "built_graph", "graph"),
    "pydantic_graph_nodes": Example("pydantic_graph.graph", "pydantic_graph", "nodes_graph", "graph"),
}
"""By the names of their files."""


def record(name: str) -> dict[str, Any]:
    """Return an example as plain data."""
    example = EXAMPLES[name]
    thing = example.thing()
    return {"graph": graph_data(example.read(thing)), "read": write_down(thing, example.read)}


if __name__ == "__main__":
    for name, example in EXAMPLES.items():
        if example.is_here:
            text = json.dumps(record(name), indent=1, sort_keys=True)
            (RECORDED / f"{name}.json").write_text(text + "\n", encoding="utf-8")
