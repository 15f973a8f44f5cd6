"""Count the lines of five programs, each written for fsm_orch and two other libraries, and run them: `lines.json`.

    python tests/benchmarks/patterns/lines.py                            those for fsm_orch
    python -m venv peers && peers/bin/pip install langgraph langchain openai-agents
    peers/bin/python tests/benchmarks/patterns/lines.py                  those for the others

Each environment plays the programs of the libraries that are installed in it, and leaves what others have recorded. The
models are scripts, through each library's own port for models; what each program has to come to stands in `PLAYS`, the
same for all. So a program that is counted is known to run.

A line counts if it holds code: no blank lines, comments, docstrings and imports. All are formatted by the same tool,
120 columns wide. How a caller begins a run and goes on with it counts too; `world.py`, which all share, does not.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import importlib.metadata
import io
import json
import os
import sys
import tokenize
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILE = HERE / "lines.json"
PATTERNS = ("refund", "research", "pipeline", "nested", "manager")
LIBRARIES = {"fsm_orch": "fsm-orch", "langgraph": "langgraph", "openai_agents": "openai-agents"}
Script = list[dict[str, Any]]
"""What a model says: values of its form, or what it wants to use, `{"use": [[tool, arguments], ...]}`."""


def counted(source: str) -> int:
    """Return how many lines of a program hold code, imports left out."""
    lines = set[int]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree := ast.parse(source)):
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        is_told = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        if is_import or is_told:
            lines -= set(range(node.lineno, node.end_lineno + 1))
    lines.discard(len(source.splitlines()) + 1)  # the end of the file
    assert tree.body
    return len(lines)


# --- models that are scripts ---


def fsm_orch_model(script: Script) -> Any:
    """Return a model of fsm_orch that answers by a script."""
    from fsm_orch import ScriptedModel

    return ScriptedModel([partial(as_fsm_orch, said) for said in script])


def as_fsm_orch(said: dict[str, Any], request: Any) -> dict[str, Any]:
    """Return what a model of fsm_orch replies to a request: where tools are offered, under the key `reply`."""
    if "reply" not in request.schema["properties"]:
        return said
    uses = [{"tool": tool, "arguments": arguments} for tool, arguments in said.get("use", [])]
    return {"reply": {"use_all": uses} if uses[1:] else {"use": uses[0]} if uses else said}


def langgraph_model(script: Script) -> Any:
    """Return a chat model of LangChain that answers by a script: a text, or the call of the tool that is bound."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

    left = list(script)

    class Scripted(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "script"

        def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:
            return self.bind(form=getattr(tools[0], "__name__", None))  # a class is a form, all else are tools

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> ChatResult:
            given, form = left.pop(0), options.get("form")
            uses = given.get("use", [[form, given]] if form else [])
            calls = [{"name": name, "args": args, "id": f"c{len(left)}-{i}"} for i, (name, args) in enumerate(uses)]
            said = AIMessage(content="" if uses else next(iter(given.values())), tool_calls=calls)
            return ChatResult(generations=[ChatGeneration(message=said)])

    return Scripted()


def openai_agents_model(script: Script) -> Any:
    """Return a model of openai-agents that answers by a script: a tool call, an object of the form, or a text."""
    from agents import Model, ModelResponse, Usage, set_tracing_disabled
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    set_tracing_disabled(True)
    left = list(script)

    class Scripted(Model):
        async def get_response(self, *_: Any, tools: Any, output_schema: Any, **__: Any) -> ModelResponse:
            given, call = left.pop(0), f"c{len(left)}"
            uses = (
                given["use"] if "use" in given else [[tools[0].name, given]] if tools and "answer" not in given else []
            )
            said: list[Any] = [
                ResponseFunctionToolCall(
                    call_id=f"{call}-{i}", name=name, arguments=json.dumps(arguments), type="function_call"
                )
                for i, (name, arguments) in enumerate(uses)
            ]
            if not uses:
                text = json.dumps(given) if output_schema is not None else next(iter(given.values()))
                part = ResponseOutputText(text=text, type="output_text", annotations=[])
                said = [
                    ResponseOutputMessage(id=call, content=[part], role="assistant", status="completed", type="message")
                ]
            return ModelResponse(output=said, usage=Usage(requests=1), response_id=None)

        def stream_response(self, *args: Any, **options: Any) -> Any:
            raise NotImplementedError

    return Scripted()


# --- what each program has to come to ---

Model = Callable[[Script], Any]
REASON: Script = [{"reason": "broken"}]


async def refunded(program: Any, model: Model) -> None:
    """A yes pays once, a no pays nothing, and for no order nobody is asked."""
    from world import DECLINED, PAID

    PAID.clear()
    assert await program.ask(model(REASON), "1041 arrived broken", "one") is None
    assert not PAID
    assert await program.tell(model([]), "one", is_yes=True) == "4900 cents of order 1041 are on their way."
    assert list(PAID.values()) == [4_900]
    assert await program.ask(model(REASON), "1042 is ugly", "two") is None
    assert await program.tell(model([]), "two", is_yes=False) == DECLINED
    assert await program.ask(model(REASON), "money back", "three") == DECLINED
    assert len(PAID) == 1


async def researched(program: Any, model: Model) -> None:
    """Three sources take as long as one, and the model's text is returned."""
    began = asyncio.get_running_loop().time()
    assert await program.run(model([{"text": "It is wet."}]), "the sea") == "It is wet."
    assert asyncio.get_running_loop().time() - began < 60  # a hang, not a speed


async def pipelined(program: Any, model: Model) -> None:
    """A text that is too long is written again once."""
    script = [{"facts": "wet"}, {"draft": "It is wet."}, {"text": "w" * 41}, {"text": "Wet."}]
    assert await program.run(model(script), "the sea") == "Wet."


async def nested(program: Any, model: Model) -> None:
    """A room is looked for where a seat was found."""
    from world import SORRY

    assert await program.run(model([{"city": "Oslo"}]), "fjords") == "SK 2652, Hotel Nord"
    assert await program.run(model([{"city": "Rome"}]), "the Colosseum") == SORRY


async def managed(program: Any, model: Model) -> None:
    """What is looked up needs nobody, a yes pays once, and after a no nothing is paid; the model has the last word."""
    from world import PAID

    PAID.clear()
    looked = {"use": [["status_of", {"order": 1041}], ["stock_of", {"item": "cup"}]]}
    pays = {"use": [["refund", {"order": 1041}]]}
    assert await program.ask(model([looked, {"answer": "shipped"}]), "where is 1041?", "one") == "shipped"
    assert await program.ask(model([looked, pays]), "1041 is broken", "two") is None
    assert not PAID
    assert await program.tell(model([{"answer": "paid"}]), "two", is_yes=True) == "paid"
    assert list(PAID.values()) == [4_900]
    assert await program.ask(model([pays]), "1041 is ugly", "three") is None
    assert await program.tell(model([{"answer": "sorry"}]), "three", is_yes=False) == "sorry"
    assert len(PAID) == 1


PLAYS: dict[str, Callable[[Any, Model], Awaitable[None]]] = {
    "refund": refunded,
    "research": researched,
    "pipeline": pipelined,
    "nested": nested,
    "manager": managed,
}
MODELS = {"fsm_orch": fsm_orch_model, "langgraph": langgraph_model, "openai_agents": openai_agents_model}


def main() -> None:
    """Play and count what is installed, and record it."""
    os.environ |= {"OPENAI_AGENTS_DISABLE_TRACING": "1", "LANGSMITH_TRACING": "false"}
    sys.path.insert(0, str(HERE))
    found = json.loads(FILE.read_text()) if FILE.exists() else {"versions": {}, "lines": {}}
    for library, package in LIBRARIES.items():
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        for pattern in PATTERNS:
            asyncio.run(PLAYS[pattern](importlib.import_module(f"{pattern}_{library}"), MODELS[library]))
            source = (HERE / f"{pattern}_{library}.py").read_text(encoding="utf-8")
            found["lines"].setdefault(pattern, {})[library] = counted(source)
        if library != "fsm_orch":
            found["versions"][library] = version
    FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(FILE.read_text())


if __name__ == "__main__":
    main()
