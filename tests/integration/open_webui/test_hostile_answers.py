"""Hostile answers and snippets in a real browser: Open WebUI shows them; nothing is fetched, run or opened.

Every answer is what the gateway makes of a model's words and what the pipe makes of that. The chats that hold
them are stored as Open WebUI stores them, and opened by a person.
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

from tests.support.browser import PATIENCE, chromium, running_browser
from tests.support.listener import listening
from tests.support.open_webui import Person
from tests.support.pipe import Desk, Said, ask, pipe_of

from .conftest import Office

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

SAME = (
    "[1, 3] litres",
    '"ports": [7]',
    "limits[2]",
    "std::vector<int>",
    "<name@a.example>",
    "List<String> a <b and 5 < 6",
    "a `Map<String, List<int>>` b",
    "It costs $5, see limits[2] and `vector<int>`",
)
"""Words that Open WebUI must show as they were written."""

IN_ONE_CHAT = 4
"""Open WebUI shows so many answers of a chat at first."""


async def shown_by_pipe(words: str, snippet: str, *, raw: bool = False) -> Said:
    """Return what the pipe makes of a model's words and of the snippet of a source."""
    answer = words if raw else sanitize(words, AnswerFormat.MARKDOWN)
    citation = {"marker": 1, "documentId": "d", "filename": "https.md", "page": 1, "snippet": snippet}
    body = {"answer": f"{answer}\n\nEnd [1].", "format": "markdown", "citations": [citation]}
    desk = Desk({"/webhook/tenantry/chat": lambda _: httpx.Response(200, json=body)})
    return await ask(pipe_of(desk))


async def stored_chat(person: Person, said: list[Said], *, raw_snippet: str = "") -> str:
    """Store a chat with these answers, and return its id."""
    messages: list[dict[str, Any]] = []
    for number, each in enumerate(said):
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
    if not chromium():
        pytest.skip("there is no Chromium: apt-get install chromium, or set TENANTRY_TEST_CHROMIUM")
    async with running_browser() as running:
        yield running


@asynccontextmanager
async def reading(browser: Browser, person: Person, url: str) -> AsyncIterator[tuple[Page, list[str]]]:
    """Open a window in which a person is signed in; give it and the addresses elsewhere that it asks for."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
    context.set_default_timeout(PATIENCE)
    token = person.http.headers["Authorization"].removeprefix("Bearer ")
    await context.add_init_script(f"localStorage.token = {json.dumps(token)}")
    asked: list[str] = []

    def note(address: str) -> None:
        if not address.startswith((url, "data:", "blob:", "about:", url.replace("http", "ws", 1))):
            asked.append(address)

    context.on("request", lambda request: note(request.url))
    yield await context.new_page(), asked
    await context.close()


async def opened(page: Page, url: str, chat_id: str, answers: int) -> None:
    """Open a chat and wait until all of its answers are rendered."""
    await page.goto(f"{url}/c/{chat_id}")
    shown = page.locator(".chat-assistant")
    await shown.nth(answers - 1).wait_for()
    for number in range(answers):
        await shown.nth(number).scroll_into_view_if_needed()
        await shown.nth(number).get_by_text("End").last.wait_for()
    await page.wait_for_timeout(1500)  # a script or a diagram would need a moment


LIVE = (
    ":is(.chat-assistant, [role=dialog]) .markdown-prose"
    " :is(a[href], img[src], iframe, video, audio, object, embed, form, script)"
)
LIVE_IN_SOURCE = "[role=dialog] .markdown-prose-sm :is(a, img[src], iframe)"
RUN = ".run-code-button, #artifacts-container, .chat-assistant svg.mermaid"


async def test_nothing_in_fifty_hostile_answers_and_snippets_acts(office: Office, browser: Browser) -> None:
    assert len(HOSTILE) >= 50
    person = await office.webui.add_person("reader")
    async with listening() as listener, reading(browser, person, office.webui.url) as (page, asked):
        hostile = [each.replace("@URL@", f"{listener.url}/{n}") for n, each in enumerate(HOSTILE)]
        for at in range(0, len(hostile), IN_ONE_CHAT):
            some = hostile[at : at + IN_ONE_CHAT]
            said = [await shown_by_pipe(each, each) for each in some]
            await opened(page, office.webui.url, await stored_chat(person, said), len(some))
            assert await page.locator(LIVE).evaluate_all("all => all.map(each => each.outerHTML)") == []
            assert await page.locator(RUN).count() == 0
            for number in range(len(some)):
                await look_at_source(page, number)
                assert (
                    await page.locator("[role=dialog] .markdown-prose-sm :is(a, img[src], iframe)").count()
                    == 0
                )
                await close_source(page)
        assert (listener.heard, asked) == ([], [])


async def look_at_source(page: Page, number: int) -> None:
    """Open the source of an answer, from the list beneath it."""
    await page.locator("button[aria-label='Toggle 1 source']").nth(number).click()
    await page.locator("button[id^='source-']").last.click()
    await page.get_by_role("dialog").wait_for()
    await page.wait_for_timeout(300)


async def close_source(page: Page) -> None:
    """Close the source that is open."""
    await page.get_by_role("button", name="Close citation modal").click()
    await page.get_by_role("dialog").wait_for(state="detached")
    await page.locator("button[aria-label='Toggle 1 source'][aria-expanded='true']").click()


async def test_words_are_read_as_they_were_written(office: Office, browser: Browser) -> None:
    person = await office.webui.add_person("reader")
    async with reading(browser, person, office.webui.url) as (page, _):
        for at in range(0, len(SAME), IN_ONE_CHAT):
            some = SAME[at : at + IN_ONE_CHAT]
            said = [await shown_by_pipe(each, each) for each in some]
            await opened(page, office.webui.url, await stored_chat(person, said), len(some))
            for number, words in enumerate(some):
                answer = page.locator(".chat-assistant").nth(number)
                assert words.replace("`", "") in await answer.inner_text()
                sources = answer.get_by_role("button", name="View source")
                assert await sources.count() == 1, "one citation, and no false one"


async def test_formulas_are_shown_as_formulas(office: Office, browser: Browser) -> None:
    person = await office.webui.add_person("reader")
    async with reading(browser, person, office.webui.url) as (page, _):
        words = "With $x[1]$, $x \\in [0, 1]$, \\(a[1]\\), $f[x](y)$ and\n\n\\[ e[1] \\]\n\n$$\nb[2]\n$$"
        said = [await shown_by_pipe(words, "x")]
        await opened(page, office.webui.url, await stored_chat(person, said), 1)
        formulas = page.locator(".chat-assistant .katex")
        await formulas.nth(5).wait_for()
        assert (await formulas.count(), await page.locator(".katex-error").count()) == (6, 0)
        shown = await page.locator(".chat-assistant").inner_text()
        assert "\\" not in shown.replace("\\in", "")


async def test_the_listener_hears_answers_and_snippets_that_nobody_sanitized(
    office: Office, browser: Browser
) -> None:
    """Without this, silence would prove nothing."""
    person = await office.webui.add_person("reader")
    async with listening() as listener, reading(browser, person, office.webui.url) as (page, asked):
        image = f"![chart]({listener.url}/answer)"
        said = [await shown_by_pipe(image, "x", raw=True)]
        await opened(
            page,
            office.webui.url,
            await stored_chat(person, said, raw_snippet=image.replace("answer", "snippet")),
            1,
        )
        await look_at_source(page, 0)
        await page.wait_for_timeout(1000)
        assert {"/answer", "/snippet"} <= set(listener.heard)
        assert asked


async def test_an_artifact_that_somebody_opens_fetches_nothing(office: Office, browser: Browser) -> None:
    """The other end: what another function emits does not open by itself, and its page reaches nobody."""
    person = await office.webui.add_person("reader")
    async with listening() as listener, reading(browser, person, office.webui.url) as (page, _):
        script = f"<script>fetch('{listener.url}/js')</script>"
        fence = f"```html\n<h1>Page</h1><img src={listener.url}/img>{script}\n```"
        said = [await shown_by_pipe(f"{fence}\n\n```js\nfetch('{listener.url}/js2')\n```", "x", raw=True)]
        await opened(page, office.webui.url, await stored_chat(person, said), 1)
        assert await page.locator("#artifacts-container").count() == 0
        await page.get_by_role("button", name="Preview").first.click()
        await page.frame_locator("#artifacts-container iframe").get_by_text("Page").wait_for()
        await page.wait_for_timeout(1500)
        assert listener.heard == []
