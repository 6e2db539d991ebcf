"""Chromium without a screen, driven over its DevTools protocol: what a person would see and press."""

import base64
import contextlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import time
import urllib.request
from typing import Any

from websockets.sync.client import connect

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--disable-extensions", "--no-default-browser-check", "--mute-audio",
    "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip
WITHIN_S = 60.0
DESKTOP, PHONE = (1280, 900), (390, 844)


def executable() -> str | None:
    """Where chromium is, None when it is not installed."""
    return next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)


class Browser:
    """One window; everything of it is gone afterwards.

    Args:
        folder: for its profile.
        size_px: width and height; narrow ones are a phone, with touch.
    """

    def __init__(self, folder: pathlib.Path, size_px: tuple[int, int] = DESKTOP) -> None:
        profile = folder / "profile"
        self._process = subprocess.Popen(
            [str(executable()), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder)},
        )
        try:
            port = int(self._wait_for_file(profile / "DevToolsActivePort").splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=WITHIN_S) as answer:  # noqa: S310
                target = next(t for t in json.load(answer) if t["type"] == "page")
            address = target["webSocketDebuggerUrl"]
            self._stack = contextlib.ExitStack()
            self._socket = self._stack.enter_context(
                connect(address, max_size=None, open_timeout=WITHIN_S, ping_interval=None)
            )
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self._ids = itertools.count(1)
        self.problems: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.resize(size_px)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self.call("Browser.close")
        with contextlib.suppress(Exception):
            self._stack.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to one command; notes what the page complains about on the way."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(WITHIN_S))
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return dict(message["result"])
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(params["exceptionDetails"].get("exception", params))[:500])
        elif message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def resize(self, size_px: tuple[int, int]) -> None:
        """Another window, or another device."""
        width, height = size_px
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    def open(self, url: str) -> None:
        """Goes to an address and waits until the page is there."""
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def eval(self, script: str) -> Any:
        """What an expression in the page is; a promise is awaited."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def until(self, script: str, within_s: float = WITHIN_S) -> float:
        """Waits until an expression is true; how long that took, s."""
        began_s = time.monotonic()
        while True:
            with contextlib.suppress(RuntimeError):  # the page is being replaced
                if self.eval(f"Boolean({script})"):
                    return time.monotonic() - began_s
            if time.monotonic() - began_s > within_s:
                text = self.eval("document.body.innerText")
                raise TimeoutError(
                    f"'{script}' did not become true in {within_s:g} s; {self.problems}; {text}"
                )
            time.sleep(0.02)

    def press(self, selector: str, hold_s: float = 0.0) -> None:
        """Presses what a selector names where it is on the screen, as a finger or a mouse would."""
        middle = (
            f"(() => {{ const e = document.querySelector({selector!r});"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        x, y = self.eval(middle)
        common = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **common)
        time.sleep(hold_s)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **common)

    def screenshot(self, path: pathlib.Path, *, full: bool = False) -> None:
        """A picture of the window, or of the whole page."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full)["data"]
        path.write_bytes(base64.b64decode(data))

    @staticmethod
    def _wait_for_file(path: pathlib.Path) -> str:
        until_s = time.monotonic() + WITHIN_S
        while time.monotonic() < until_s:
            if path.exists() and (text := path.read_text()).count("\n"):
                return text
            time.sleep(0.05)
        raise TimeoutError(f"chromium did not write {path}")
