"""Browser tests of hostile answers and snippets in Open WebUI: nothing is loaded, run or opened.

Each answer passes through the gateway's sanitizer and the pipe. The chats are stored through Open WebUI's API
and opened by a user.
"""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from gateway.answers.sanitizer import AnswerFormat, sanitize
from playwright.async_api import Browser, Page

from tests.support.fakes.listener import run_listener
from tests.support.open_webui.browser import PAGE_TIMEOUT_MS, find_chromium, run_browser
from tests.support.open_webui.clients import Person
from tests.support.open_webui.pipe import FakePipeBackends, PipeOutput, ask, make_pipe

from .conftest import OpenWebUIHarness

pytestmark = [pytest.mark.programs, pytest.mark.timeout(900)]

HOSTILE = (
    # Artifacts, diagrams and programs
    "```html\n<img src=@URL@><script>fetch('@URL@')</script>\n```\n\n```js\nfetch('@URL@')\n```",
    "```html\n<h1>x</h1>\n```\n```css\nbody{background:url(@URL@)}\n```",
    "~~~html\n<script>fetch('@URL@')</script>\n~~~",
    "````HTML\n<iframe src=@URL@></iframe>\n````",
    "```svg\n<svg xmlns='http://www.w3.org/2000/svg'><image href='@URL@'/></svg>\n```",
    "```xml\n<svg xmlns='http://www.w3.org/2000/svg' onload=\"fetch('@URL@')\"></svg>\n```",
    '```mermaid\ngraph TD\nA-->B\nclick A href "@URL@"\nA["<img src=\'@URL@\'>"]\n```',
    '```vega-lite\n{"data":{"url":"@URL@"},"mark":"bar","encoding":{}}\n```',
    '```vega\n{"data":[{"name":"t","url":"@URL@"}],"marks":[]}\n```',
    "```python\nimport requests\nrequests.get('@URL@')\n```",
    "- ```html\n  <script>fetch('@URL@')</script>\n  ```",
    "> ```html\n> <script>fetch('@URL@')</script>\n> ```",
    "1. Do:\n   ```html\n   <script>fetch('@URL@')</script>\n   ```",
    "$$\na\n$$```html\n<script>fetch('@URL@')</script>\n```",
    "$$\n```\n$$\n<img src=@URL@>\n```",
    "text\n```\n<img src=@URL@>\n---\n```",
    "[^a\n\n```\n<img src=@URL@>\n]: x\n```\n<img src=@URL@>",
    "```text\n```~~~\n<img src=@URL@>",
    "<html><script>fetch('@URL@')</script></html>",
    "<style>@import '@URL@';</style>",
    # Tags
    "<img src=@URL@>",
    "<img\nsrc='@URL@'\n>",
    "Text <img src=@URL@> text",
    "<iframe src='@URL@'></iframe>",
    '<iframe width="1" src="@URL@"></iframe>',
    "<video src='@URL@'>@URL@</video>",
    "<audio>@URL@</audio>",
    "<details>\n<summary>x</summary>\n<img src=@URL@>\n</details>",
    '<details type="tool_calls" name="x" embeds="[&quot;@URL@&quot;]">\n<summary>x</summary>\n</details>',
    "$$\na\n$$<details>\n![x](@URL@)\n</details>",
    "\\<details>\n![x](@URL@)\n</details>",
    '<file type="html" id="00000000-0000-0000-0000-000000000000" />',
    f"{{{{HTML_FILE_ID_{uuid.UUID(int=0)}}}}} {{{{VIDEO_FILE_ID_{uuid.UUID(int=0)}}}}}",
    "<u>[x](@URL@)</u> <@U:1|x> <#C:1|x>",
    "<!-- --><object data=@URL@></object><embed src=@URL@>",
    # Images, links and addresses
    "![chart](@URL@)",
    "![chart](<@URL@> 'title')",
    "![chart][x]\n\n[x]: @URL@",
    "[![chart](@URL@)](@URL@)",
    "[our portal](@URL@)",
    "[a][x] [x]\n\n[x]:\n@URL@",
    "`x [a](//evil.example/x)",
    "`a\n`<img src=@URL@>` b",
    "$a ` b$ `![x](@URL@)`",
    "~~a ` b~~ `![x](@URL@)`",
    "[a``](@URL@)``",
    "*a \\` *b `c* ![x](@URL@)`",
    "@URL@ www.evil.example //evil.example <@URL@>",
    "ask name@evil.example or <name@evil.example>",
    ":::writing\n![x](@URL@)\n:::",
    "| a | b |\n|---|---|\n| `x | ![y](@URL@) |",
    "> [!NOTE]\n> ![x](@URL@)",
    # Code that Open WebUI ends elsewhere
    "*``![x](@URL@)*``",
    "_``![x](@URL@)_``",
    "**``[x](@URL@)**``",
    '*``<file type="html" id="00000000-0000-0000-0000-000000000000"/>*``',
    "$`a$` `![x](@URL@)`",
    "[](`\\)<@URL@>``",
    '[x](`\\)<file type="html" id="00000000-0000-0000-0000-000000000000"/>`',
    "\\$$\n~~~\n$$![x](@URL@)\n~~~",
    # Fences in fences, and pages without a fence
    "~~~\n```html\n<script>fetch('@URL@')</script>\n```\n~~~",
    "``````\n```html\n<img src=@URL@>\n```\n``````",
    "~~~\n<script>fetch('@URL@')</script>\n~~~",
    "`<script>` `fetch('@URL@')</script>`",
    "\\```html\n<script>fetch('@URL@')</script>\n```",
    "<details ->\n![x](@URL@)",
)

UNCHANGED = (
    "[1, 3] litres",
    '"ports": [7]',
    "limits[2]",
    "std::vector<int>",
    "<name@a.example>",
    "List<String> a <b and 5 < 6",
    "a `Map<String, List<int>>` b",
    "It costs $5, see limits[2] and `vector<int>`",
)
"""Texts that Open WebUI must show unchanged."""

ANSWERS_PER_CHAT = 4
"""Number of answers that Open WebUI renders initially."""


async def render_through_pipe(words: str, snippet: str, *, raw: bool = False) -> PipeOutput:
    """Return the pipe's output for a model's answer and the snippet of a source."""
    answer = words if raw else sanitize(words, AnswerFormat.MARKDOWN)
    citation = {"marker": 1, "documentId": "d", "filename": "https.md", "page": 1, "snippet": snippet}
    body = {"answer": f"{answer}\n\nEnd [1].", "format": "markdown", "citations": [citation]}
    backends = FakePipeBackends({"/webhook/tenantry/chat": lambda _: httpx.Response(200, json=body)})
    return await ask(make_pipe(backends))


async def store_chat(person: Person, outputs: list[PipeOutput], *, raw_snippet: str = "") -> str:
    """Store a chat with these answers; return the chat's id."""
    messages: list[dict[str, Any]] = []
    for number, each in enumerate(outputs):
        sources = each.sources
        if raw_snippet:
            sources = [source | {"document": [raw_snippet]} for source in sources]
        for role, content in (("user", f"Question {number}"), ("assistant", each.text)):
            messages.append(
                {"id": str(uuid.uuid4()), "role": role, "content": content, "done": True, "timestamp": 1}
                | (
                    {"sources": sources, "model": "m", "modelName": "m"}
                    if role == "assistant"
                    else {"models": ["m"]}
                )
            )
    for before, after in zip([None, *messages], [*messages, None], strict=True):
        if after:
            after["parentId"] = before["id"] if before else None
        if before:
            before["childrenIds"] = [after["id"]] if after else []
    history = {"messages": {each["id"]: each for each in messages}, "currentId": messages[-1]["id"]}
    chat = {"title": "x", "models": ["m"], "history": history, "messages": messages, "timestamp": 1}
    stored: str = (await person.post("/api/v1/chats/new", {"chat": chat}))["id"]
    return stored


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    if not find_chromium():
        pytest.skip("there is no Chromium: apt-get install chromium, or set TENANTRY_TEST_CHROMIUM")
    async with run_browser() as running:
        yield running


@asynccontextmanager
async def open_window(browser: Browser, person: Person, url: str) -> AsyncIterator[tuple[Page, list[str]]]:
    """Open a page with a signed-in user; yield it and the list of its requests to other hosts."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
    context.set_default_timeout(PAGE_TIMEOUT_MS)
    token = person.http.headers["Authorization"].removeprefix("Bearer ")
    await context.add_init_script(f"localStorage.token = {json.dumps(token)}")
    requested: list[str] = []

    def record_request(address: str) -> None:
        if not address.startswith((url, "data:", "blob:", "about:", url.replace("http", "ws", 1))):
            requested.append(address)

    context.on("request", lambda request: record_request(request.url))
    yield await context.new_page(), requested
    await context.close()


async def open_chat(page: Page, url: str, chat_id: str, answers: int) -> None:
    """Open a chat and wait until all its answers are rendered."""
    await page.goto(f"{url}/c/{chat_id}")
    shown = page.locator(".chat-assistant")
    await shown.nth(answers - 1).wait_for()
    for number in range(answers):
        await shown.nth(number).scroll_into_view_if_needed()
        await shown.nth(number).get_by_text("End").last.wait_for()
    await page.wait_for_timeout(1500)  # wait until a script or a diagram would have started


ACTIVE_ELEMENTS = (
    ":is(.chat-assistant, [role=dialog]) .markdown-prose"
    " :is(a[href], img[src], iframe, video, audio, object, embed, form, script)"
)
ACTIVE_IN_SOURCE = "[role=dialog] .markdown-prose-sm :is(a, img[src], iframe)"
RUN_CONTROLS = ".run-code-button, #artifacts-container, .chat-assistant svg.mermaid"


async def test_fifty_hostile_answers_and_snippets_have_no_effect(
    harness: OpenWebUIHarness, browser: Browser
) -> None:
    assert len(HOSTILE) >= 50
    person = await harness.webui.add_person("reader")
    async with (
        run_listener() as listener,
        open_window(browser, person, harness.webui.url) as (page, requested),
    ):
        hostile = [each.replace("@URL@", f"{listener.url}/{n}") for n, each in enumerate(HOSTILE)]
        for at in range(0, len(hostile), ANSWERS_PER_CHAT):
            some = hostile[at : at + ANSWERS_PER_CHAT]
            outputs = [await render_through_pipe(each, each) for each in some]
            await open_chat(page, harness.webui.url, await store_chat(person, outputs), len(some))
            assert (
                await page.locator(ACTIVE_ELEMENTS).evaluate_all("all => all.map(each => each.outerHTML)")
                == []
            )
            assert await page.locator(RUN_CONTROLS).count() == 0
            for number in range(len(some)):
                await open_source(page, number)
                assert (
                    await page.locator("[role=dialog] .markdown-prose-sm :is(a, img[src], iframe)").count()
                    == 0
                )
                await close_source(page)
        assert (listener.heard, requested) == ([], [])


async def open_source(page: Page, number: int) -> None:
    """Open the source of an answer from the list below it."""
    await page.locator("button[aria-label='Toggle 1 source']").nth(number).click()
    await page.locator("button[id^='source-']").last.click()
    await page.get_by_role("dialog").wait_for()
    await page.wait_for_timeout(300)


async def close_source(page: Page) -> None:
    """Close the open source."""
    await page.get_by_role("button", name="Close citation modal").click()
    await page.get_by_role("dialog").wait_for(state="detached")
    await page.locator("button[aria-label='Toggle 1 source'][aria-expanded='true']").click()


async def test_texts_are_shown_unchanged(harness: OpenWebUIHarness, browser: Browser) -> None:
    person = await harness.webui.add_person("reader")
    async with open_window(browser, person, harness.webui.url) as (page, _):
        for at in range(0, len(UNCHANGED), ANSWERS_PER_CHAT):
            some = UNCHANGED[at : at + ANSWERS_PER_CHAT]
            outputs = [await render_through_pipe(each, each) for each in some]
            await open_chat(page, harness.webui.url, await store_chat(person, outputs), len(some))
            for number, words in enumerate(some):
                answer = page.locator(".chat-assistant").nth(number)
                assert words.replace("`", "") in await answer.inner_text()
                sources = answer.get_by_role("button", name="View source")
                assert await sources.count() == 1, "one citation, and no false one"


async def test_formulas_are_rendered(harness: OpenWebUIHarness, browser: Browser) -> None:
    person = await harness.webui.add_person("reader")
    async with open_window(browser, person, harness.webui.url) as (page, _):
        words = "With $x[1]$, $x \\in [0, 1]$, \\(a[1]\\), $f[x](y)$ and\n\n\\[ e[1] \\]\n\n$$\nb[2]\n$$"
        outputs = [await render_through_pipe(words, "x")]
        await open_chat(page, harness.webui.url, await store_chat(person, outputs), 1)
        formulas = page.locator(".chat-assistant .katex")
        await formulas.nth(5).wait_for()
        assert (await formulas.count(), await page.locator(".katex-error").count()) == (6, 0)
        shown = await page.locator(".chat-assistant").inner_text()
        assert "\\" not in shown.replace("\\in", "")


async def test_unsanitized_answers_and_snippets_reach_the_listener(
    harness: OpenWebUIHarness, browser: Browser
) -> None:
    """This proves that the other tests would detect a request."""
    person = await harness.webui.add_person("reader")
    async with (
        run_listener() as listener,
        open_window(browser, person, harness.webui.url) as (page, requested),
    ):
        image = f"![chart]({listener.url}/answer)"
        outputs = [await render_through_pipe(image, "x", raw=True)]
        await open_chat(
            page,
            harness.webui.url,
            await store_chat(person, outputs, raw_snippet=image.replace("answer", "snippet")),
            1,
        )
        await open_source(page, 0)
        await page.wait_for_timeout(1000)
        assert {"/answer", "/snippet"} <= set(listener.heard)
        assert requested


async def test_an_opened_artifact_loads_nothing(harness: OpenWebUIHarness, browser: Browser) -> None:
    """Artifacts of other functions do not open by themselves, and their page reaches no host."""
    person = await harness.webui.add_person("reader")
    async with run_listener() as listener, open_window(browser, person, harness.webui.url) as (page, _):
        script = f"<script>fetch('{listener.url}/js')</script>"
        fence = f"```html\n<h1>Page</h1><img src={listener.url}/img>{script}\n```"
        outputs = [
            await render_through_pipe(f"{fence}\n\n```js\nfetch('{listener.url}/js2')\n```", "x", raw=True)
        ]
        await open_chat(page, harness.webui.url, await store_chat(person, outputs), 1)
        assert await page.locator("#artifacts-container").count() == 0
        await page.get_by_role("button", name="Preview").first.click()
        await page.frame_locator("#artifacts-container iframe").get_by_text("Page").wait_for()
        await page.wait_for_timeout(1500)
        assert listener.heard == []
