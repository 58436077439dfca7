"""Headless Chromium, driven through a pipe in its own protocol (DevTools), with the network off. Nothing but
the standard library: `page.js` evaluates an expression, `page.call` is any command of the protocol,
`page.key` and `page.mouse` are real input events, and every request, console message, exception and security
violation is collected from the first moment on."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

import pytest

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--mute-audio",
    "--disable-features=IsolateSandboxedIframes",  # else a frame without an origin is a target of its own
    "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", "--font-render-hinting=none",
)  # fmt: skip
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Escape": 27, "Tab": 9, "Home": 36,
        "End": 35, " ": 32}  # fmt: skip
WATCH = """
window.__violations = [];
addEventListener(
  "securitypolicyviolation", (e) => __violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`), true);
"""


class Chromium:
    """One browser process. Messages are JSON ended by a zero byte, on file descriptors 3 and 4 of the
    browser."""

    def __init__(self, command, folder):
        there, self._write = os.pipe()
        self._read, back = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (there, back)]
        self._errors = (folder / "chromium.log").open("wb")
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{ends[0]} 4>&{ends[1]}', command, *FLAGS,
                "--remote-debugging-pipe",
             f"--user-data-dir={folder / 'profile'}", "about:blank"],
            pass_fds=ends, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._errors,
        )  # fmt: skip
        for end in (there, back, *ends):
            os.close(end)
        self._left, self._count, self.events = b"", 0, []

    def call(self, method, session=None, **params):
        """Send a command and wait for its result; events that come meanwhile are kept."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params} | (
            {"sessionId": session} if session else {}
        )
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(60)
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def _next(self, seconds):
        while b"\0" not in self._left:
            if not select.select([self._read], [], [], seconds)[0]:
                raise TimeoutError("Chromium does not answer.")
            data = os.read(self._read, 1 << 20)
            if not data:
                raise ConnectionError("Chromium has ended.")
            self._left += data
        message, self._left = self._left.split(b"\0", 1)
        return json.loads(message)

    def close(self):
        try:
            self.call("Browser.close")
        except (RuntimeError, OSError, TimeoutError):
            self._process.kill()
        self._process.wait(20)
        os.close(self._write)
        os.close(self._read)
        self._errors.close()


class Page:
    """One tab, offline from its first request on."""

    def __init__(self, browser, width=1280, height=800, dark=False, calm=True, touch=False):
        self.browser = browser
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)[
            "targetId"
        ]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Network.emulateNetworkConditions",
            offline=True,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )
        self.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        self.media(dark, calm)
        if touch:
            self.call("Emulation.setTouchEmulationEnabled", enabled=True)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def media(self, dark=False, calm=True, medium=""):
        features = {"prefers-color-scheme": "dark" if dark else "light",
                    "prefers-reduced-motion": "reduce" if calm else "no-preference"}  # fmt: skip
        self.call(
            "Emulation.setEmulatedMedia",
            media=medium,
            features=[{"name": k, "value": v} for k, v in features.items()],
        )

    def open(self, path):
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")
        return self

    def js(self, expression):
        """The value of an expression, a promise awaited."""
        answer = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            allowUnsafeEvalBlockedByCSP=False,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def all(self, selector, expression="e.textContent"):
        """The value of an expression for each element `e` that the selector finds."""
        return self.js(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => {expression})")

    def one(self, selector, expression="e.textContent"):
        """The same for the first element; it must be there."""
        return self.all(selector, expression)[0]

    def count(self, selector):
        return self.js(f"document.querySelectorAll({json.dumps(selector)}).length")

    def tap(self, selector):
        """A click by script, wherever the element is."""
        self.one(selector, "e.dispatchEvent(new MouseEvent('click', { bubbles: true }))")

    def until(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while not self.js(condition):
            assert time.monotonic() < end, f"never came true: {condition}"
            time.sleep(0.02)

    def rest(self):
        """Wait until what the last event has set in motion is on the screen."""
        self.js(
            "new Promise((done) => setTimeout(() => requestAnimationFrame(() => "
            "requestAnimationFrame(done)), 30))"
        )
        self.until("!document.querySelector('[aria-busy=true]') || document.querySelector('#play.on')")

    def key(self, *keys, shift=False):
        for key in keys:
            code = KEYS.get(key, ord(key.upper()) if len(key) == 1 and key.isalnum() else 0)
            event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
            words = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", **event, **words)
            self.call("Input.dispatchKeyEvent", type="keyUp", **event)
        self.rest()

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, selector, times=1):
        """A real click at the middle of the element, which must be what lies there."""
        x, y = (
            self.js(f"""(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();
            return [b.x + b.width / 2, b.y + b.height / 2]; }})()""")
        )
        at = f"document.elementFromPoint({x}, {y})"
        assert self.js(
            f"!!{at} && ({at}.closest({json.dumps(selector)}) === "
            f"document.querySelector({json.dumps(selector)}))"
        ), f"{selector} is covered by {self.js(f'{at} && {at}.outerHTML.slice(0, 120)')}"
        self.mouse("mouseMoved", x, y)
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self.mouse(kind, x, y, button="left", clickCount=count)
        self.rest()

    def box(self, selector):
        """[x, y, width, height] of an element in the window."""
        return self.one(
            selector, "(({ x, y, width, height }) => [x, y, width, height])(e.getBoundingClientRect())"
        )

    def type(self, selector, words):
        self.one(selector, "(e.focus(), e.value = '')")
        self.call("Input.insertText", text=words)
        self.rest()

    def screenshot(self, path):
        self.rest()
        time.sleep(0.3)  # until the stage has been drawn anew at its scale
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def troubles(self):
        """What must not happen: console messages, exceptions, violations of the policy, requests beyond the
        file itself."""
        found = [f"violation: {text}" for text in self.js("__violations")]
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            method, params = event["method"], event["params"]
            if method == "Runtime.consoleAPICalled":
                found.append(f"console: {params['args']}")
            elif method == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                found.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
            elif method == "Log.entryAdded":
                found.append(f"log: {params['entry']['text']}")
            elif method == "Network.requestWillBeSent":
                url = params["request"]["url"]
                if params.get("type") != "Document" or not url.startswith(("file:", "about:")):
                    found.append(f"request: {url}")
            elif method in ("Page.javascriptDialogOpening", "Page.windowOpen"):
                found.append(f"{method}: {params}")
        return found

    def was_blocked(self, trouble):
        """Whether the request told of never left: it failed, for the policy or for want of a network."""
        sent = {
            e["params"]["requestId"]: e["params"]["request"]["url"]
            for e in self._mine("Network.requestWillBeSent")
        }
        failed = {sent.get(e["params"]["requestId"]) for e in self._mine("Network.loadingFailed")}
        return trouble.removeprefix("request: ") in failed

    def forgive(self):
        """Forget what was found so far: a test has looked at it."""
        self.browser.events.clear()
        self.js("__violations.length = 0")

    def _mine(self, method):
        return [
            e for e in self.browser.events if e.get("sessionId") == self.session and e["method"] == method
        ]

    def close(self):
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    command = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if command is None:
        pytest.skip("needs chromium (Debian: apt-get install chromium)")
    browser = Chromium(command, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def show(chromium, tmp_path):
    """show(drawing, width=..., dark=...) -> Page. After the test, nothing may have gone wrong on any of
    them."""
    yield from _watched(chromium, lambda drawing, k: drawing.save(tmp_path / f"{k}.html"))


@pytest.fixture
def open_file(chromium):
    """open_file(path, width=..., dark=...) -> Page, watched as those of `show` are."""
    yield from _watched(chromium, lambda path, _: path)


def _watched(chromium, path_of):
    pages = []

    def opened(what, **how):
        page = Page(chromium, **how)
        pages.append(page)
        return page.open(path_of(what, len(pages)))

    yield opened
    troubles = [trouble for page in pages for trouble in page.troubles()]
    for page in pages:
        page.close()
    assert troubles == []
