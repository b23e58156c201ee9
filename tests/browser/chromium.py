"""HTML texts -> pages in the real Chromium, which serves them itself: nothing leaves the process. Starts a browser.

A page that sends a request, shows a dialog, or reports an error or a violation of its policy fails its test.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from playwright.sync_api import Browser, Page, Playwright, Request, Route

ADDRESS: Final = "https://page.test/plan.html"
JENKINS: Final = "sandbox; default-src 'none'; img-src 'self'; style-src 'self'"
"""The policy with which Jenkins serves artifacts (hudson.model.DirectoryBrowserSupport.CSP); it forbids script and style."""
SIZE: Final = {"width": 1280, "height": 800}


def start_chromium(playwright: Playwright) -> Browser:
    """The system's Chromium, without a window. RuntimeError if it is not installed."""
    if (program := shutil.which("chromium")) is None:
        raise RuntimeError("chromium is not installed; apt-get install --no-install-recommends chromium")
    return playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])


@contextmanager
def open_page(browser: Browser, html: str, *, policy: str = "", **settings: Any) -> Iterator[Page]:
    """A page that shows ``html``, served with ``policy``; at the end it must have been quiet.

    ``settings``: those of a browser context: ``viewport``, ``color_scheme``, ``java_script_enabled``.
    """
    noise = list[str]()
    sent = list[str]()
    with browser.new_context(**{"viewport": SIZE, **settings}) as context:

        def answer(route: Route, request: Request) -> None:
            sent.append(request.url)
            route.fulfill(body=html, content_type="text/html; charset=utf-8", headers=make_headers(policy))

        context.route("**/*", answer)
        page = context.new_page()
        page.on("dialog", lambda dialog: noise.append(f"dialog: {dialog.message}"))
        page.on("pageerror", lambda error: noise.append(f"error: {error}"))
        page.on("console", lambda message: noise.append(f"console: {message.text}"))
        page.goto(ADDRESS)
        yield page
        assert page.url.partition("#")[0] == ADDRESS
        assert set(sent) == {ADDRESS}
        assert policy or noise == []  # a stricter policy reports what it blocks


def make_headers(policy: str) -> Mapping[str, str]:
    """The headers of an answer."""
    return {"Content-Security-Policy": policy} if policy else {}
