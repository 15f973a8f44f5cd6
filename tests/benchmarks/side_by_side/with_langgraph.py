"""The task with LangGraph: agents that hand over by a tool, in a swarm."""

from typing import Any

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from langgraph_swarm import create_handoff_tool, create_swarm
from side_world import BILLING, KEY, MODEL, SHIPPING, TRIAGE, send_again


def desk(
    url: str, *, saver: Any = None, tool: Any = send_again, middleware: Any = (), config: Any = None, **how: Any
) -> Any:
    """Return what answers a question."""
    model = ChatOpenAI(model=MODEL, base_url=url, api_key=KEY)
    to = {name: create_handoff_tool(agent_name=name) for name in ("triage", "billing", "shipping")}
    made = {"model": model, "middleware": middleware}
    triage = create_agent(name="triage", system_prompt=TRIAGE, tools=[to["billing"], to["shipping"]], **made)
    billing = create_agent(name="billing", system_prompt=BILLING, tools=[to["triage"]], **made)
    shipping = create_agent(name="shipping", system_prompt=SHIPPING, tools=[to["triage"], tool], **made)
    swarm = create_swarm([triage, billing, shipping], default_active_agent="triage")
    swarm = swarm.compile(checkpointer=saver).with_config(config)

    async def ask(question: str, run_id: str, *, is_again: bool = False) -> str:
        asked = None if is_again else {"messages": [{"role": "user", "content": question}]}
        state = await swarm.ainvoke(asked, {"configurable": {"thread_id": run_id}}, **how)
        return str(state["messages"][-1].content)

    return ask
