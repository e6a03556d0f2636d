"""`/docs` in a real browser: the whole interface, a place for the token, and nothing from anywhere else."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from chassis.app import server
from tests.contract.test_queries import SERVICES
from tests.serving import serving


def test_the_docs_page_shows_every_endpoint_and_asks_nobody_else(browser: Browser) -> None:
    app, _ = SERVICES["ledger"]()
    with serving(server(app, host="127.0.0.1", port=0)) as (host, port):
        address = f"http://{host}:{port}"
        context = browser.new_context()
        page = context.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/docs")
        expect(page.locator(".opblock")).to_have_count(sum(map(len, app.openapi()["paths"].values())))
        page.get_by_role("button", name="Authorize").click()
        page.locator(".modal-ux input").fill("a.token.of-mine")
        page.locator(".modal-ux").get_by_role("button", name="Apply credentials").click()
        page.locator(".modal-ux").get_by_role("button", name="Close").click()
        page.locator(".opblock-get", has_text="/v1/ledgers").locator(".opblock-summary").click()
        page.get_by_role("button", name="Try it out").click()
        with page.expect_request("**/v1/ledgers") as sent:
            page.get_by_role("button", name="Execute").click()
        assert sent.value.headers["authorization"] == "Bearer a.token.of-mine"
        expect(page.locator(".live-responses-table")).to_contain_text("401")
        context.close()
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
    assert [said for said in complaints if "401" not in said] == []
