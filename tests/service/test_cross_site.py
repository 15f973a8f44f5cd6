"""Requests that a browser sends for a page of another site: by their headers, and from a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse
from support.browsing import browser
from support.serving import ASYNC, HELD, app_of, body, client_of, desk, listening, served, until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},  # which cannot be read
    {"Sec-Fetch-Site": "cross-site", "Authorization": "Basic eDp5"},  # a browser adds that by itself
    {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain; x=application/json"},
    {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
]
ACTS = (
    "/runs/{}/cancel",
    "/runs/{}/resume",
    *(f"/inspector/api/runs/{{}}/{act}" for act in ("answer", "cancel", "fork", "resume")),
    "/inspector/api/runs/{}/resume?effects=true",
)


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    """Begin with nothing held; let go what is."""
    HELD.clear()
    yield
    for each in HELD.values():
        each.set()


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_no_page_of_another_site_changes_anything(headers: dict[str, str]) -> None:
    """By no route, whatever form it sends; the run goes on, and no other has begun."""
    runner = desk()
    async with served(runner, inspector="own") as client:
        run_id = (await client.post("/runs", json=body("hold site"), headers=ASYNC)).json()["run_id"]
        paths = ["/runs", *(act.format(run_id) for act in ACTS)]
        came = [await client.post(path, content=b"x=y", headers=FORM | headers) for path in paths]
        assert {(403, "cross_site")} == {(each.status_code, each.json().get("code")) for each in came}
        seen = (await client.get(f"/runs/{run_id}", headers=headers)).status_code
        stands = await until(client, run_id, state="second")
        HELD["hold site"].set()
        await until(client, run_id, status="finished")
        rows = await runner.store.list()  # type: ignore[union-attr]

    assert (200, "running", 1) == (seen, stands["status"], len(rows))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://behind.a.proxy"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://HOST"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://other.example", **JSON},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://other.example", "Authorization": "Bearer x"},
    ],
    ids=str,
)
async def test_who_calls_from_here_or_has_asked_is_served(headers: dict[str, str]) -> None:
    """The page itself, what is no browser, and what a browser sends to another site only once that has agreed."""
    async with listening(app_of(desk())) as url, client_of(url) as client:
        run_id = (await client.post("/runs", json=body("hold here"), headers=ASYNC)).json()["run_id"]
        headers = {name: value.replace("HOST", url.removeprefix("http://").upper()) for name, value in headers.items()}
        came = await client.post(f"/runs/{run_id}/cancel", headers=headers)

    assert 202 == came.status_code


_HOSTILE = """<!doctype html><title>hostile</title>
<form id="form" method="post" target="frame"></form><iframe name="frame"></iframe>
<script>
window.posted = (url, options) => fetch(url, {method: "POST", ...options}).then(came => came.status, () => "blocked");
</script>"""


def _other_site() -> FastAPI:
    app = FastAPI()

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        return _HOSTILE

    return app


@pytest.mark.slow
async def test_a_browser_is_of_no_use_to_another_sites_page() -> None:
    """Its forms are refused, and its requests are not sent; where the service has agreed they are served."""
    service, agreed = app_of(desk(), inspector="own"), app_of(desk())
    agreed.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    async with (
        browser() as chromium,
        listening(_other_site()) as other,
        listening(service) as url,
        listening(agreed) as open_url,
        client_of(url) as client,
    ):
        run_id = (await client.post("/runs", json=body("hold browser"), headers=ASYNC)).json()["run_id"]
        page = await chromium.new_page()
        statuses = dict[str, int]()
        page.on("response", lambda came: statuses.update({came.url.removeprefix(url): came.status}))
        await page.goto(other)
        paths = [
            f"/runs/{run_id}/cancel",
            f"/inspector/api/runs/{run_id}/cancel",
            f"/inspector/api/runs/{run_id}/resume",
        ]
        for path in paths:
            async with page.expect_response(url + path):
                await page.evaluate("action => { form.action = action; form.submit() }", url + path)
        options: dict[str, Any] = {"body": '{"context":{"text":"x"}}', "headers": JSON}
        sent = [
            await page.evaluate("([url, options]) => posted(url, options)", [f"{each}/runs", options])
            for each in (url, open_url)
        ]
        stands = (await client.get(f"/runs/{run_id}")).json()["status"]
        HELD["hold browser"].set()

    assert [403] * 3 == [statuses[path] for path in paths]
    assert ["blocked", 200] == sent
    assert "running" == stands
