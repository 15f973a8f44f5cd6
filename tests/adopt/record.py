"""Write down the examples of the frameworks that are installed here, for tests that run without them.

    python tests/adopt/record.py

Of each example, all that its reader reads is written to a file in `recorded`, and beside it the graph that was read.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
RECORDED = HERE / "recorded"
CODES_RECORDED = HERE / "recorded_codes.json"
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))

from support.foreign_objects import graph_data, write_down  # noqa: E402

from fsm_orch.adopt import detect  # noqa: E402
from fsm_orch.adopt.graph import Graph  # noqa: E402
from fsm_orch.define.codes import CODES  # noqa: E402
from fsm_orch.define.codes.code import IMPORT_SETTING  # noqa: E402


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
    "langgraph_forks": Example("langgraph_swarm", "langgraph", "langgraph_flows", "forks"),
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


def example_recorded(lines: str) -> dict[str, Any]:
    """Return what is read of an example of a finding, below the setting of all imports."""
    with TemporaryDirectory() as folder:  # where its source is until it was read
        path = Path(folder, "example_of_a_finding.py")
        path.write_text(f"{IMPORT_SETTING}\n\n{lines}\n", encoding="utf-8")
        spec = spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        thing = vars(module).get("triage", vars(module)["graph"])
        return write_down(thing, lambda thing: detect.read(thing, "example"))


def codes_recorded() -> dict[str, Any]:
    """Return, for each code of imports, what is read of its example, and of the mended one if that is no machine."""
    forms = {
        code.code: {"example": code.example, "mended": code.mended} for code in CODES.values() if code.found == "import"
    }
    return {
        code: {form: example_recorded(lines) for form, lines in each.items() if "Machine[" not in lines}
        for code, each in forms.items()
    }


if __name__ == "__main__":
    if find_spec("agents") and find_spec("langgraph"):
        text = json.dumps(codes_recorded(), indent=1, sort_keys=True)
        CODES_RECORDED.write_text(text + "\n", encoding="utf-8")
    for name, example in EXAMPLES.items():
        if example.is_here:
            text = json.dumps(record(name), indent=1, sort_keys=True)
            (RECORDED / f"{name}.json").write_text(text + "\n", encoding="utf-8")
