"""The operators' overview in a real browser, on a real console that hears real events."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ROOT, Console
from tests.fakes.neighbours import (
    GREEN,
    RED,
    Neighbours,
    alarm_raised,
    checkpoint_registered,
    colour_changed,
    entry_opened,
    ledger_defined,
    scan,
)

pytestmark = pytest.mark.usefixtures("chart_library")
BUILD = ROOT / "build"
STATIC = ROOT / "services" / "console" / "static"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"


CUT_OR_TOUCHING = """() => {
    const figures = document.querySelectorAll('.colours td:nth-of-type(odd) [data-slot]');
    for (const slot of figures) slot.textContent = '18,640,225';
    const outside = (e) => e.getBoundingClientRect().right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 1;
    const cut = [...document.querySelectorAll('td, th, .alarm-owner, .alarm-kind, .ledger-stages')].filter(outside);
    const range = document.createRange();
    const text = (e) => (range.selectNodeContents(e), range.getBoundingClientRect());
    const touching = [...document.querySelectorAll('td, th')].filter((e) => {
        const next = e.nextElementSibling;
        return next?.textContent.trim() && e.textContent.trim() && text(e).right > text(next).left - 4;
    });
    return [...cut, ...touching].map((e) => e.textContent.trim());
}"""
"""What lies outside of its place, or closer to its neighbour than four pixels, in a city of 20 million people."""


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """Whatever the browser complained of: errors, refused scripts and styles, files that were not there."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("response", lambda answer: said.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    return said


def figure(page: Page, path: str) -> str:
    return f'[data-slot="{path}"]'


def paste(page: Page, token: str) -> None:
    page.get_by_test_id("token").fill(token)
    page.get_by_test_id("token-use").click()


def await_labels(page: Page, wanted: str) -> None:
    """Until the chart has drawn that label; the page's policy forbids `wait_for_function` to evaluate a second time."""
    deadline = time.monotonic() + 20
    while wanted not in page.evaluate("window.labels.map(([text]) => text)"):
        assert time.monotonic() < deadline, f"the chart has not drawn {wanted}"
        page.wait_for_timeout(50)


def tell_a_morning(neighbours: Neighbours) -> None:
    recorded, gate = datetime.now(UTC) - timedelta(seconds=20), uuid4()
    neighbours.tell([scan(decision, recorded_at=recorded) for decision in ["pass"] * 1200 + ["check"] * 7 + ["stop"]])
    neighbours.tell([colour_changed(uuid4(), colour) for colour in [GREEN] * 40 + [RED] * 2])
    neighbours.tell(
        [entry_opened(uuid4(), "confirmed", "in_hospital"), entry_opened(uuid4(), "close_contact", "found")]
    )
    neighbours.tell([ledger_defined("close_contact", ("密切接触者", "Close contacts"), {"found": ("待管控", "found")})])
    neighbours.tell([checkpoint_registered(gate, "西塱站安检点 01", area="440103019")])
    neighbours.tell([alarm_raised("person_stopped", owner="440103", area="440103019", checkpoint_id=gate)])


def test_what_happens_in_the_city_shows_on_the_page(
    page: Page, console: Console, neighbours: Neighbours, complaints: list[str]
) -> None:
    page.goto(f"{console.address}/")
    expect(page.locator("body")).to_have_attribute("data-freshness", "fresh")
    expect(page.locator(figure(page, "figures.scans.last_minute.pass"))).to_have_text("0")
    expect(page.locator(".alarms .empty")).to_be_hidden()
    expect(page.locator(".alarms .hidden-part")).to_be_visible()

    tell_a_morning(neighbours)

    for path, text in {
        "figures.scans.last_minute.pass": "1,200",
        "figures.scans.last_minute.check": "7",
        "figures.scans.last_minute.stop": "1",
        "figures.colours.people.green": "40",
        "figures.colours.changed.red": "2",
        "figures.entries": "2",
        "figures.alarms_today": "1",
    }.items():
        expect(page.locator(figure(page, path))).to_have_text(text, timeout=10_000)
    expect(page.locator(".alarm")).to_have_count(0)
    paste(page, console.issuer.token("operator", area="440103"))
    expect(page.locator(".alarm")).to_contain_text("西塱站安检点 01")
    expect(page.locator(".alarm")).to_contain_text("荔湾区")
    expect(page.locator('[data-key="close_contact"] .ledger-stages')).to_have_text("待管控 found 1")
    expect(page.locator('[data-key="console-worker"]')).to_have_attribute("data-state", "ok")
    expect(page.locator('[data-key="import-worker"]')).to_have_attribute("data-state", "away")
    assert page.locator('rect[data-bar="red"]').get_attribute("width") != "0"
    assert page.locator("#chart canvas").count() == 1
    BUILD.mkdir(exist_ok=True)
    page.screenshot(path=BUILD / "console-overview.png")
    assert complaints == []


def test_a_pasted_token_shows_what_it_reaches_and_stays_in_the_memory_of_the_page(
    page: Page, console: Console, neighbours: Neighbours
) -> None:
    tell_a_morning(neighbours)
    page.goto(f"{console.address}/")
    expect(page.locator(figure(page, "figures.alarms_today"))).to_have_text("1", timeout=10_000)
    token = console.issuer.token("operator", area="440111")
    paste(page, token)
    expect(page.locator(".alarms .reach")).to_contain_text("白云区")
    expect(page.locator(".alarm")).to_have_count(0)
    paste(page, console.issuer.token("community", area="440103"))
    expect(page.locator(".alarms .reach")).to_contain_text("荔湾区")
    expect(page.locator(".alarm")).to_have_count(1)
    assert token not in page.content() + page.url
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert kept == '[{},{},""]'
    paste(page, token[:-8] + "AAAAAAAA")
    expect(page.locator("#token-refused")).to_be_visible()
    expect(page.locator(".alarm")).to_have_count(0)
    expect(page.locator("body")).to_have_attribute("data-freshness", "fresh")
    page.reload()
    expect(page.locator(".alarms .hidden-part")).to_be_visible()


def test_without_scripts_the_page_shows_the_figures_of_its_moment(
    browser: Browser, console: Console, neighbours: Neighbours, page: Page
) -> None:
    page.goto(f"{console.address}/")
    tell_a_morning(neighbours)
    expect(page.locator(figure(page, "figures.colours.people.green"))).to_have_text("40", timeout=10_000)
    context = browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(f"{console.address}/")
    expect(still.locator(figure(still, "figures.colours.people.green"))).to_have_text("40")
    expect(still.locator("noscript")).to_be_visible()
    context.close()


def test_when_the_stream_stops_the_page_says_so_and_comes_back_by_itself(page: Page, console: Console) -> None:
    page.goto(f"{console.address}/")
    expect(page.locator("body")).to_have_attribute("data-freshness", "fresh")
    console.end("api", signal.SIGKILL)
    expect(page.locator("body")).to_have_attribute("data-freshness", "late", timeout=10_000)
    expect(page.locator("body")).to_have_attribute("data-freshness", "stale", timeout=10_000)
    expect(page.locator("#banner")).to_be_visible()
    expect(page.locator("#banner")).to_contain_text(re.compile(r"stopped at \d\d:\d\d:\d\d"))
    console.start("api")
    expect(page.locator("body")).to_have_attribute("data-freshness", "fresh", timeout=15_000)
    expect(page.locator("#banner")).to_be_hidden()


def test_when_only_the_worker_dies_the_figures_grow_old_although_the_stream_goes_on(
    page: Page, console: Console
) -> None:
    page.goto(f"{console.address}/")
    expect(page.locator("body")).to_have_attribute("data-freshness", "fresh")
    console.end("worker", signal.SIGKILL)
    expect(page.locator("body")).to_have_attribute("data-freshness", "stale", timeout=20_000)
    expect(page.locator('[data-key="console-worker"]')).to_have_attribute("data-state", "away")
    console.start("worker")
    expect(page.locator("body")).to_have_attribute("data-freshness", "fresh", timeout=15_000)


def test_when_the_ledgers_worker_stands_still_its_figures_and_the_page_are_no_longer_called_live(
    page: Page, console: Console
) -> None:
    console.watch_a_ledger_worker()
    page.goto(f"{console.address}/")
    expect(page.locator("#age-en")).to_contain_text("live", timeout=15_000)
    os.kill(console.pid("ledger-worker"), signal.SIGSTOP)
    for section in (".ledgers", ".alarms"):
        expect(page.locator(section)).to_have_attribute("data-age", "stale", timeout=20_000)
        expect(page.locator(f"{section} .as-of")).to_contain_text(re.compile(r"停在 \d\d:\d\d:\d\d stopped"))
    expect(page.locator("body")).to_have_attribute("data-freshness", "stale")
    expect(page.locator("#age-en")).to_contain_text("ledgers stale")
    expect(page.locator("#banner")).to_contain_text("The figures of ledgers stopped at")
    for section in (".scans", ".decisions", ".colours"):
        expect(page.locator(section)).to_have_attribute("data-age", "fresh")
        expect(page.locator(f"{section} .as-of")).to_contain_text("s ago")
    os.kill(console.pid("ledger-worker"), signal.SIGCONT)
    expect(page.locator("#age-en")).to_contain_text("live", timeout=15_000)
    expect(page.locator("#banner")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_fits_a_phone_and_a_desk(
    browser: Browser, console: Console, neighbours: Neighbours, scheme: str
) -> None:
    tell_a_morning(neighbours)
    for width, height in ((320, 640), (390, 844), (820, 1100), (1280, 800)):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{console.address}/")
        expect(page.locator(figure(page, "figures.alarms_today"))).to_have_text("1", timeout=10_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        paste(page, console.issuer.token("operator"))
        expect(page.locator(".alarm")).to_have_count(1, timeout=10_000)
        assert page.evaluate(CUT_OR_TOUCHING) == []
        context.close()


def test_on_a_phone_alarms_come_before_figures_that_nobody_acts_on(browser: Browser, console: Console) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{console.address}/")
    tops = page.evaluate(
        "[...document.querySelectorAll('section')].map(s => [s.className, s.getBoundingClientRect().top])"
    )
    assert [name for name, _ in sorted(tops, key=itemgetter(1))] == [
        "alarms", "ledgers", "scans", "decisions", "colours", "processes",
    ]  # fmt: skip
    context.close()


@pytest.mark.parametrize(("width", "ratio"), [(320, 2), (390, 3), (412, 2.625), (1280, 1), (2560, 1)])
def test_the_labels_of_the_chart_can_be_read_on_every_screen(
    browser: Browser, console: Console, width: int, ratio: float
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, device_scale_factor=ratio)
    context.add_init_script("""
        window.labels = [];
        const draw = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
            window.labels.push([text, parseFloat(this.font.match(/([\\d.]+)px/)[1]) / devicePixelRatio]);
            return draw.call(this, text, ...rest);
        };
    """)
    page = context.new_page()
    page.goto(f"{console.address}/")
    await_labels(page, "now")
    sizes = page.evaluate("window.labels.map(([, size]) => size)")
    assert 11 <= min(sizes) <= max(sizes) <= 24
    context.close()


def test_the_key_of_the_chart_names_everything_that_is_drawn_each_in_its_own_colour(
    page: Page, console: Console
) -> None:
    page.goto(f"{console.address}/")
    keys = page.locator(".chart-key > span")
    colours = keys.evaluate_all("keys => keys.map(key => getComputedStyle(key, '::before').backgroundColor)")
    drawn = re.findall(r'(?:fill|stroke): ink\("(--[a-z]+)"\)', (STATIC / "chart.js").read_text())
    assert len(drawn) == len(set(drawn)) == len(set(colours)) == 3
    read = "names => names.map(name => { const e = document.createElement('i'); e.style.color = `var(${name})`; "
    read += "document.body.append(e); return getComputedStyle(e).color; })"
    assert set(page.evaluate(read, drawn)) == set(colours)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_while_the_page_is_fresh_and_while_it_is_stale(
    browser: Browser, console: Console, neighbours: Neighbours, scheme: str
) -> None:
    """Text keeps 4.5 to 1 also where it is stale (WCAG 2.2 AA, axe-core's rules)."""
    tell_a_morning(neighbours)
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{console.address}/")
    expect(page.locator(figure(page, "figures.alarms_today"))).to_have_text("1", timeout=10_000)
    paste(page, console.issuer.token("operator"))
    expect(page.locator(".alarm")).to_have_count(1, timeout=10_000)
    page.add_script_tag(path=AXE)
    assert complaints_of_axe(page) == []
    console.end("worker", signal.SIGKILL)
    expect(page.locator(".alarms")).to_have_attribute("data-age", "stale", timeout=20_000)
    assert complaints_of_axe(page) == []
    context.close()


def complaints_of_axe(page: Page) -> list[str]:
    found = page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']})"
        ".then(told => told.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html} ${n.failureSummary}`)))"
    )
    return list(found)


def test_who_asks_for_less_motion_gets_none(browser: Browser, console: Console) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{console.address}/")
    expect(page.locator("body")).to_have_attribute("data-freshness", "fresh")
    assert page.evaluate("document.getAnimations().length") == 0
    context.close()


def test_text_stands_out_from_its_ground(browser: Browser, console: Console) -> None:
    """WCAG 2.2 AA: 4.5 to 1 for text, 3 to 1 for swatches (yellow is told by its shape and its word)."""
    for scheme in ("dark", "light"):
        context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{console.address}/")
        read = "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"
        ground = page.evaluate(read, "--ground")
        for name in ("--ink", "--ink-quiet", "--accent"):
            assert contrast(page.evaluate(read, name), ground) >= 4.5, (scheme, name)
        for name in ("--code-green", "--code-red"):
            assert contrast(page.evaluate(read, name), ground) >= 3, (scheme, name)
        context.close()


def test_the_api_ends_at_once_although_screens_are_watching(page: Page, console: Console) -> None:
    page.goto(f"{console.address}/")
    expect(page.locator("body")).to_have_attribute("data-freshness", "fresh")
    with httpx.stream("GET", f"{console.address}/v1/live", timeout=10) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"
        assert console.end("api") < 3


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two #rrggbb colours (WCAG 2.2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
