"""The page of the inspector, opened in a browser: what went wrong in it, and an attack in all that it is given."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Dialog, Page, Route, expect
from support.asking import Claim
from support.serving import app_of, client_of, listening

from fsm_orch import Final, HumanAgent, Limits, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, State, Tool
from fsm_orch.observe import Recorder
from fsm_orch.service import Caller
from machines.travel import Travel, Trip

MARKUP = (
    '\'"><img src=x onerror="window.pwned=1;alert(1)"></script><script>window.pwned=2</script></title></style>'
    '<a href="javascript:window.pwned=3">javascript:window.pwned=4</a><svg onload="window.pwned=5"></svg>'
    '<iframe srcdoc="<script>parent.pwned=6</script>"></iframe>${window.pwned=7}{{pwned}}'
)
"""What would run if any of it were taken for more than text."""

_SHAPES = {"run_id", "parent", "kind", "status", "type", "path", "where", "end", "level", "verdict", "measure"}
"""What decides how something is drawn or found, which nobody but the service writes."""


def travel() -> Runner[Trip, None]:
    """Return a runner of trips to Oslo that keeps its prompts."""
    store = MemoryStore()
    model = ScriptedModel(cycle([{"handoff": "by_air", "city": "Oslo"}, {"day": "Friday"}]))
    return Runner(Travel, model=model, store=store, on_prompt=Recorder(store))


def look_up(query: str) -> str:
    """Look something up."""
    return MARKUP


class Attacked(Machine[Claim]):
    """Take whatever is said, and ask a human what to do with it."""

    work = State(
        LLMAgent(
            "Do as you are told.", reads=Claim.query, writes=Claim.note, tools=(Tool(look_up),), calls=3,
            max_input_tokens=9_000, max_output_tokens=2_000,
        ),
        initial=True,
    )  # fmt: skip
    ask = State(HumanAgent("Is this right?", reads=(Claim.query, Claim.note), writes=Claim.receipt))
    done, human = Final(), Final(fallback=True)
    end, other, right = work.to(ask, "go on"), work.to(human, "give up"), ask.to(done, "it is")
    limits = Limits(hops=4, tokens=60_000)


def attacked() -> Runner[Claim, None]:
    """Return a runner whose model and tool say markup: as the name of a handoff, as an argument, as an answer."""
    store = MemoryStore()
    says = [
        {"reply": {"handoff": MARKUP, "note": MARKUP}},
        {"reply": {"use": {"tool": "look_up", "arguments": {"query": MARKUP}}}},
        {"handoff": "end", "note": MARKUP},  # the last call may use no tool
    ]
    return Runner(Attacked, model=ScriptedModel(cycle(says)), store=store, on_prompt=Recorder(store))


async def attacker() -> Caller:
    """Return a caller that is called markup, and whose tenant is."""
    return Caller(tenant=MARKUP[:250], who=MARKUP[:250])


async def begun(url: str, context: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Begin a run; return where it stands."""
    async with client_of(url) as client:
        return dict((await client.post("/runs", json={"context": context, **more})).json())


def figures_in(folder: Path) -> dict[str, Path]:
    """Write figures of trips by hand; return the options of a router that shows them."""
    definition, (label, reached) = Travel.definition, ("stay", "desk")
    taken = {"digest": definition.digest, "runs": 2, "refusals": {"illegal": 1}, "landings": {"hops": 1}}
    rows = [{"expected": each, "reached": label, "path": ["fly", label], "landing": None} for each in (label, "none")]
    held = {
        "coverage": {"Travel (travel.py:1)": taken | {"edges": [["fly", "seat", 2]]}},
        "evaluation": {
            "machine": "Travel", "digest": "0" * 64, "source": MARKUP, "model": None, "labels": [label],
            "matrix": {label: {label: 1, reached: 0}, "none": {label: 1}}, "routes": rows,
        },
    }  # fmt: skip
    for name, told in held.items():
        (folder / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")
    return {name: folder / f"{name}.json" for name in held}


@asynccontextmanager
async def inspected(runner: Runner[Any, Any], *contexts: dict[str, Any], **options: Any) -> AsyncIterator[str]:
    """Serve a runner with its inspector, once runs have begun; yield the URL."""
    async with listening(app_of(runner, **{"inspector": "own", **options})) as url:
        for context in contexts:
            await begun(url, context)
        yield url


@asynccontextmanager
async def opened(
    chromium: Browser, url: str, *, odd: str = "^$", size: tuple[int, int] = (1440, 860), **options: Any
) -> AsyncIterator[Page]:
    """Yield the page, open at the newest run; nothing goes wrong in it until the block is left.

    Args:
        odd: begins what may be said on the console.
        size: of the window, in pixels.
        options: of the context of the browser.
    """
    context = await chromium.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    page = await context.new_page()
    wrong = list[str]()

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(odd):
            wrong.append(message.text)

    async def asked(dialog: Dialog) -> None:
        wrong.append(f"a dialog: {dialog.message}")
        await dialog.dismiss()

    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", said)
    page.on("dialog", asked)
    try:
        await page.goto(f"{url}/inspector/")
        yield page
        assert [] == wrong
        assert await page.evaluate("window.pwned === undefined")
    finally:
        await page.unroute_all(behavior="ignoreErrors")  # what answers for the service must not outlive the page
        await context.close()


async def looked_at(page: Page) -> AsyncIterator[str]:
    """Look at each view; yield its name."""
    for name in ("fleet", "proof", "runs"):
        await page.locator(f"button[data-view={name}]").click()
        await expect(page.locator("#right h2").first).to_be_visible()
        if name != "runs":
            await expect(page.locator("#left h2").first).not_to_have_text("Runs")
            await expect(page.locator("#left .note").first).not_to_have_text("proving …")
        yield name


async def forked_beside(page: Page) -> None:
    """Fork the run that is looked at, and look at the fork beside its parent."""
    await page.locator("#fork").click()
    await page.get_by_role("button", name="beside its parent").click()
    await expect(page.locator(".two > *")).to_have_count(2)


async def looked_at_both(page: Page) -> None:
    """Look at each record of two runs that stand side by side; both hold markup, as text."""
    for column in (".two > :first-child", ".two > :last-child"):
        await expect(page.locator(column).get_by_text("<img src=x onerror=").first).to_be_attached()
        records = page.locator(f"{column} .record .to")
        for number in range(await records.count()):
            await records.nth(number).click()
    await page.locator("#now").click()


async def tainted(route: Route, *, spared: frozenset[str] = frozenset()) -> None:
    """Answer a request of the page as the service does, with markup in every text that could hold a user's words.

    Args:
        spared: keys whose texts stay as they are, as where a place is found by the names of states.
    """
    answer = await route.fetch()
    if answer.status == 304:
        await route.fulfill(response=answer)
        return
    said = await answer.text()
    if "event-stream" in answer.headers.get("content-type", ""):
        lines = [_line(line, spared) for line in said.split("\n")]
        await route.fulfill(response=answer, body="\n".join(lines))
        return
    await route.fulfill(response=answer, body=json.dumps(_taint(json.loads(said), spared)))


async def tainted_inside(route: Route) -> None:
    """Answer with markup in every text but the names by which what runs inside a state is found."""
    await tainted(route, spared=frozenset({"state", "name"}))


async def refused(route: Route) -> None:
    """Answer that it is refused, in markup."""
    await route.fulfill(status=409, json={"title": MARKUP, "detail": MARKUP, "errors": [{"msg": MARKUP}]})


def _line(line: str, spared: frozenset[str]) -> str:
    return f"data: {json.dumps(_taint(json.loads(line[6:]), spared))}" if line.startswith("data: ") else line


def _taint(value: Any, spared: frozenset[str], key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _taint(each, spared, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_taint(each, spared, key) for each in value]
    return value + MARKUP if isinstance(value, str) and key not in _SHAPES | spared else value
