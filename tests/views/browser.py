"""Headless Chromium through chromedriver: real mouse and keys, by the WebDriver protocol and the standard library."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import torch
from PIL import Image
from torch import Tensor

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = CHROMIUM is None or DRIVER is None
WHY = "no Chromium on this machine (Debian: chromium, chromium-driver)"


class Browser:
    """One window, 1000 × 800 CSS pixels."""

    def __init__(self, port: int, profile: str) -> None:
        self.root = f"http://127.0.0.1:{port}/session"
        arguments = ["--headless", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"]
        arguments += ["--window-size=1000,800", f"--user-data-dir={profile}", "--disable-dev-shm-usage"]
        arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
        options = {"goog:chromeOptions": {"binary": CHROMIUM, "args": arguments}}
        self.root += "/" + self._call("POST", "", {"capabilities": {"alwaysMatch": options}})["sessionId"]

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.root + path, data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, path: Path) -> None:
        self._call("POST", "/url", {"url": path.as_uri()})

    def run(self, script: str) -> Any:
        """The value that a script returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def press(self, *keys: str) -> None:
        """Keys, one after another, to whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """The mouse, its button held, between two points of the window."""
        path = [{"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0} for x, y in (start, end)]
        actions = [path[0], {"type": "pointerDown", "button": 0}, path[1], {"type": "pointerUp", "button": 0}]
        self._call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]})

    def prefer(self, scheme: str) -> None:
        """`light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        command = {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}}
        self._call("POST", "/goog/cdp/execute", command)

    def messages(self) -> list[str]:
        """What the console said since the last call: errors, refused requests."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def screenshot(self) -> Tensor:
        """[3, H, W] levels of what the window shows."""
        with Image.open(io.BytesIO(base64.b64decode(self._call("GET", "/screenshot")))) as image:
            return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).float()

    def close(self) -> None:
        self._call("DELETE", "")


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser that is closed at the end, whatever happens."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, text=True) as driver,
    ):
        assert driver.stdout is not None
        try:
            ports = (re.search(r"started successfully on port (\d+)", line) for line in driver.stdout)
            browser = Browser(next(int(found[1]) for found in ports if found), profile)
            try:
                yield browser
            finally:
                browser.close()
        finally:
            driver.terminate()
