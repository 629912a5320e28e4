"""Users of Open WebUI in a real browser.

The browser is Debian's Chromium (``chromium``), driven by Playwright. ``TENANTRY_TEST_CHROMIUM`` names
another browser. Screenshots are saved in ``build/screenshots``.
"""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Locator, Page, async_playwright

__all__ = ["SCREENSHOTS", "BrowserSession", "find_chromium", "run_browser"]

SCREENSHOTS = Path("build/screenshots")
QUIET = (
    "--no-sandbox",  # CI is root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGE_TIMEOUT_MS = 60_000
"""Milliseconds that a page may take: the machine also runs the whole platform."""

POLL_SECONDS = 0.1
"""Interval between two reads of an answer that is not complete."""


def find_chromium() -> str | None:
    """Return the path of the browser, or ``None`` if it is not installed."""
    return os.environ.get("TENANTRY_TEST_CHROMIUM") or shutil.which("chromium")


@asynccontextmanager
async def run_browser() -> AsyncIterator[Browser]:
    """Start a browser, and close it at the end."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=QUIET)
        yield browser
        await browser.close()


class BrowserSession:
    """One user in a separate browser context: no cookie is shared.

    Parameters
    ----------
    page
        The page that is open.
    url
        Open WebUI's address.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    @classmethod
    async def open(cls, browser: Browser, url: str) -> "BrowserSession":
        """Open a browser window without cookies."""
        context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
        context.set_default_timeout(PAGE_TIMEOUT_MS)
        return cls(await context.new_page(), url)

    async def close(self) -> None:
        """Close the window."""
        await self.page.context.close()

    async def log_in(self, email: str, password: str) -> None:
        """Log in through Keycloak's page, and wait for the input field."""
        await self.page.goto(self.url)
        await self.page.get_by_role("button", name="Continue with").click()
        await self.page.fill("#username", email)
        await self.page.fill("#password", password)
        await self.page.click("#kc-login")
        await self.page.wait_for_selector("#chat-input")

    async def list_models(self) -> set[str]:
        """Return the names of the models that the user can choose."""
        listed = await self.fetch("/api/models")
        assert listed
        return {model["name"] for model in json.loads(listed)["data"]}

    async def fetch(self, path: str, body: object = None) -> str | None:
        """Call the API with the page's cookies; return the body, or ``None`` for an error."""
        script = """async ([path, body]) => {
          const headers = {Authorization: `Bearer ${localStorage.token}`, "Content-Type": "application/json"}
          const request = body === null ? {headers} : {headers, method: "POST", body: JSON.stringify(body)}
          const response = await fetch(path, request)
          return response.ok ? await response.text() : null
        }"""
        answered: str | None = await self.page.evaluate(script, [path, body])
        return answered

    async def open_knowledge(self, name: str) -> None:
        """Open a knowledge base from the list."""
        await self.page.goto(f"{self.url}/workspace/knowledge")
        await self.page.get_by_text(name, exact=True).click()
        await self.page.get_by_role("button", name="Add Content").wait_for()

    async def upload(self, path: Path) -> None:
        """Upload a file into the knowledge base that is open, and wait until it is listed."""
        await self.page.locator("#files-input").set_input_files(path)
        await self.locate_file(path.name).wait_for()

    async def delete_file(self, name: str) -> None:
        """Remove a file from the open knowledge base; a removal by the file's owner deletes the file."""
        await self.locate_file(name).get_by_role("button", name="More").click()
        await self.page.get_by_text("Remove from knowledge").click()
        gone = self.page.get_by_text("Select a file to preview").first
        asked = self.page.get_by_role("button", name="Confirm")
        await gone.or_(asked).first.wait_for()
        if await asked.count():
            await asked.click()
        await self.locate_file(name).wait_for(state="detached")

    def locate_file(self, name: str) -> Locator:
        """Return the locator of a file in the list of the knowledge base."""
        return self.page.locator("[data-knowledge-row]").filter(has_text=name)

    async def begin_chat(self, model: str) -> None:
        """Start a chat with a model."""
        await self.page.goto(f"{self.url}/?models={model}")
        await self.page.get_by_role("button", name="Selected model").wait_for()

    async def ask(self, question: str) -> str:
        """Ask in the open chat; return the complete answer."""
        return (await self.watch(question))[-1]

    async def watch(self, question: str) -> list[str]:
        """Ask in the open chat; return each state of the answer, the complete answer last."""
        answers = self.page.locator(".chat-assistant")
        before = await answers.count()
        await self.page.locator("#chat-input").click()
        await self.page.keyboard.type(question)
        await self.page.keyboard.press("Enter")
        answer = answers.nth(before)
        await answer.wait_for(state="attached")
        # The buttons below a message appear when it is complete.
        whole = self.page.locator(".copy-response-button").nth(before)
        seen: list[str] = []
        async with asyncio.timeout(PAGE_TIMEOUT_MS / 1000):
            while not await whole.count():
                if (shown := await answer.inner_text()) not in seen[-1:]:
                    seen.append(shown)
                await asyncio.sleep(POLL_SECONDS)
        return [*seen, await answer.inner_text()]

    async def open_source(self, name: str) -> str:
        """Open a source of the last answer; return its text."""
        await self.page.get_by_role("button", name=f"View source: {name}").last.click()
        shown = self.page.get_by_role("dialog")
        await shown.wait_for()
        return await shown.inner_text()

    async def save_screenshot(self, name: str) -> None:
        """Save a screenshot."""
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png")
