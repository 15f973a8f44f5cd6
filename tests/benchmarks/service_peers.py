"""The task of `service_apps.py` behind the HTTP faces that other libraries bring: `python service_peers.py PEER`.

It prints its port. It runs in an environment of its own, of which `service.py` tells, without fsm_orch. LangGraph keeps
its threads and runs in memory; pydantic-ai keeps nothing. Its agent has a function for a model, which uses a tool for
the look-up, and then answers: two calls, as two hops.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any, TypedDict

ANSWER, REFUSAL = "9 to 5", "Please ask at the desk."


class Question(TypedDict, total=False):
    """What is asked."""

    text: str
    answer: str


def _graph() -> Any:
    from langgraph.graph import END, StateGraph

    async def triage(state: Question) -> Question:
        return {}

    async def hours(state: Question) -> Question:
        return {"answer": ANSWER}

    async def human(state: Question) -> Question:
        return {"answer": REFUSAL}

    def chosen(state: Question) -> str:
        return "hours" if any(word in state["text"] for word in ("open", "hours")) else "human"

    graph = StateGraph(Question)
    for name, node in (("triage", triage), ("hours", hours), ("human", human)):
        graph.add_node(name, node)
    graph.set_entry_point("triage")
    graph.add_conditional_edges("triage", chosen, {"hours": "hours", "human": "human"})
    graph.add_edge("hours", END)
    graph.add_edge("human", END)
    return graph.compile()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def langgraph() -> None:
    """Serve as `langgraph dev` does, without its reloading, its tracing and its log."""
    os.environ.update(LANGSMITH_TRACING="false", LANGGRAPH_CLI_NO_ANALYTICS="1", LOG_LEVEL="ERROR")
    from langgraph_api.cli import run_server

    graphs = {"desk": f"{__file__}:graph"}
    print(port := _free_port(), flush=True)
    run_server("127.0.0.1", port, graphs=graphs, n_jobs_per_worker=8, open_browser=False, server_level="ERROR")


def pydantic_ai() -> None:
    """Serve an agent by its adapter for AG-UI, in a route of Starlette."""
    import uvicorn
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelMessage, ToolReturnPart
    from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel
    from pydantic_ai.ui.ag_ui import AGUIAdapter
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def answers(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        found = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        if found:
            yield str(found[0].content)
        else:
            yield {0: DeltaToolCall(name="look_up", json_args="{}", tool_call_id="1")}

    agent = Agent(FunctionModel(stream_function=answers))

    @agent.tool_plain
    async def look_up() -> str:
        return ANSWER

    async def ask(request: Request) -> Response:
        return await AGUIAdapter.dispatch_request(request, agent=agent)

    app = Starlette(routes=[Route("/", ask, methods=["POST"])])
    config = uvicorn.Config(app, port=0, log_level="error", access_log=False)
    listening = config.bind_socket()
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listening])


if sys.argv[1:] == ["langgraph"]:
    graph = _graph()  # which its server imports by this name

if __name__ == "__main__":
    {"langgraph": langgraph, "pydantic_ai": pydantic_ai}[sys.argv[1]]()
