"""MCP servers as a machine declares them: without a connection, and without what connects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.mcp_servers import BARE, TOKEN, pinned, shop
from support.shop import Ticket, desk

from fsm_orch import MCP, Machine, Tool
from fsm_orch.proof import prove


def digest(*tools: Tool) -> str:
    return desk(*tools, max_input_tokens=4_000).definition.digest


def changed(folder: Path, change: Any) -> Path:
    """Pin something else."""
    file = pinned(folder)
    held = json.loads(file.read_text())
    change(held["tools"]["order_status"])
    file.write_text(json.dumps(held))
    return file


def test_a_machine_is_built_and_proved_without_its_server(tmp_path: Path) -> None:
    """Neither a connection nor the package that connects is needed to build a machine and to prove its bounds."""
    program = f"""
        import sys
        from support.mcp_servers import shop
        from support.shop import desk
        from pathlib import Path
        from fsm_orch.proof import prove
        server = shop(Path({str(tmp_path)!r}), command=("there-is-no-such",))
        proof = prove(desk(*server.tools("order_status")))
        print(proof.certificate is not None, {{"mcp", "mcp_types"}} & {{*sys.modules}})
    """
    lines = "\n".join(line.strip() for line in program.splitlines())
    # this test's own imports come from places that a new process does not know of
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False, env=env)

    assert (done.stdout, done.returncode) == ("True set()\n", 0), done.stderr


def test_the_proof_counts_the_tools_of_servers_as_any_others(tmp_path: Path) -> None:
    """A machine has the same bounds whoever runs its tools."""

    def order_status(order: int) -> str:
        """Return where an order is."""
        return ""

    order_status.__qualname__ = "order_status"
    remote, own = (prove(desk(*tools)) for tools in (shop(tmp_path).tools("order_status"), [order_status]))

    assert remote.certificate is not None
    assert own.certificate is not None
    assert remote.certificate.bounds == own.certificate.bounds


def test_a_digest_moves_with_what_is_pinned(tmp_path: Path) -> None:
    """Whatever the server is said to take, give or do is in it, and so are its name and that of its tool."""
    before = digest(*shop(tmp_path).tools("order_status"))
    file = tmp_path / "shop.tools.json"
    seen = {before, digest(shop(tmp_path).tool("order_status", called="where"))}
    seen.add(digest(*MCP("other", command=BARE, pinned=file).tools("order_status")))
    for change in (
        lambda tool: tool.update(description="Else."),
        lambda tool: tool["inputSchema"]["properties"]["order"].update(minimum=2),
        lambda tool: tool["outputSchema"].update(title="Else"),
        lambda tool: tool.pop("outputSchema"),
    ):
        seen.add(digest(*MCP("shop", command=BARE, pinned=changed(tmp_path, change)).tools("order_status")))

    assert len(seen) == 7


def test_a_digest_does_not_say_where_a_server_is(tmp_path: Path) -> None:
    """It is the same for a test's server and for that of a shop; nothing secret is in it, nor what nobody uses."""
    here = shop(tmp_path, env={"SHOP_TOKEN": TOKEN})
    there = shop(tmp_path, url="https://shop.example/mcp", headers={"Authorization": TOKEN})
    held = json.loads((file := pinned(tmp_path)).read_text())
    del held["tools"]["hung"]
    file.write_text(json.dumps(held))
    fewer = MCP("shop", command=("x",), pinned=file)

    assert len({digest(*server.tools("order_status")) for server in (here, there, fewer)}) == 1


def test_a_relative_path_starts_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module finds its pinned file wherever the process was started."""
    pinned(tmp_path)
    (tmp_path / "shop_of_tests.py").write_text(
        "from fsm_orch import MCP\nserver = MCP('shop', command=('x',), pinned='shop.tools.json')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import shop_of_tests  # type: ignore[import-not-found]

    assert [tool.name for tool in shop_of_tests.server.tools("slow")] == ["slow"]


def test_only_what_is_named_can_be_used(tmp_path: Path) -> None:
    """A machine's tools are those that it lists, in its order; two servers may each have one of that name."""
    one, other = shop(tmp_path), MCP("other", command=BARE, pinned=pinned(tmp_path))
    machine: type[Machine[Ticket]] = desk(*one.tools("slow", "counted"), other.tool("slow", called="other_slow"))

    assert [tool.name for tool in machine.definition.states["work"].spec.tools] == ["slow", "counted", "other_slow"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda shop: shop.tools(), "name the tools that are allowed: MCP('shop') has any, change, "),
        (
            lambda shop: shop.tools("order_stat"),
            "the pinned file of MCP('shop') has no tool 'order_stat': did you mean",
        ),
        (lambda shop: shop.tool("slow", most_chars=1), "slow: most_chars= is 20 or more"),
        (
            lambda shop: shop.tools("any"),
            "any of MCP('shop') cannot be a tool: a model cannot be asked for arguments.what, which holds objects",
        ),
        (
            lambda shop: Tool(shop.tool("slow").remote, attempts=2),
            "attempts=, thread= and most= have no meaning for slow",
        ),
        (lambda shop: shop.tool("slow", choices={"second": Ticket.numbers}), "slow has no parameter 'second': did you"),
    ],
)
def test_what_cannot_be_a_tool_is_refused(tmp_path: Path, wrong: Any, said: str) -> None:
    """The error names the tool, and what there is or what is in the way."""
    with pytest.raises((ValueError, TypeError)) as caught:
        wrong(shop(tmp_path))

    assert str(caught.value).startswith(said)


def test_a_tool_without_a_description_is_none(tmp_path: Path) -> None:
    """Nobody could tell a model when to use it."""
    server = MCP("shop", command=BARE, pinned=changed(tmp_path, lambda tool: tool.pop("description")))
    with pytest.raises(TypeError, match=r"order_status of .* has no description"):
        server.tools("order_status")


def test_choices_limit_an_argument(tmp_path: Path) -> None:
    """An argument that must be given may be one of what a field holds."""
    tool = shop(tmp_path).tool("order_status", choices={"order": Ticket.numbers})

    assert [ref.name for ref in desk(tool).definition.states["work"].spec.reads] == ["query", "numbers"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either a command=(...), which starts it, or a url="),
        ({"command": BARE, "url": "https://x.example"}, "either a command="),
        ({"command": "python -m shop"}, "command= is a tuple of words"),
        ({"command": BARE, "headers": {"a": "b"}}, "env= goes with command="),
        ({"url": "https://x.example", "env": {"a": "b"}}, "env= goes with command="),
        ({"url": f"https://x.example/mcp?key={TOKEN}"}, "say secrets in headers="),
        ({"url": f"https://user:{TOKEN}@x.example/mcp"}, "say secrets in headers="),
        ({"url": f"https://user:{TOKEN}\u2100@x.example/mcp"}, "say secrets in headers="),
        ({"url": "http://["}, "say secrets in headers="),
        ({"url": "x.example"}, "url= is like 'https://shop.example/mcp'"),
        ({"command": BARE, "start_s": 0}, "start_s= above 0"),
        (
            {"command": BARE, "pinned": "nothing.json"},
            "nothing.json' cannot be read (No such file or directory): write it",
        ),
        (
            {"command": BARE, "pinned": __file__},
            "test_server.py' is no file of pinned tools: write it, and look at it: fsm",
        ),
    ],
)
def test_a_server_that_makes_no_sense_is_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    """The error says what is expected, and shows nothing that is secret."""
    with pytest.raises(ValueError, match=r".") as caught:
        MCP("shop", **{"pinned": pinned(tmp_path), **options})

    assert said in str(caught.value)
    assert TOKEN not in str(caught.value)
