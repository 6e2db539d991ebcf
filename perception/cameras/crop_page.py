"""A page on which a person drags a box over a camera's picture: on this machine only, at a random path."""

import http.server
import io
import json
import secrets
import threading
from collections.abc import Callable
from importlib import resources

import numpy as np
from PIL import Image

from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.perception.cameras.view import Crop

MOST_BYTES = 200
HOSTS = "127.0.0.1", "localhost"


class CropPage:
    """Serves the page until a crop was kept.

    Args:
        camera: its name.
        crop: what is used now.
        newest: the camera's newest frame, uint8 [H, W, 3]; SandlotError when there is none.
        keep: called with the crop that was chosen; what it refuses is shown on the page.
        port: where to listen; 0 chooses one.

    Raises:
        ConfigError: nobody can listen there.
    """

    def __init__(
        self,
        camera: str,
        crop: Crop,
        newest: Callable[[], np.ndarray],
        keep: Callable[[Crop], None],
        port: int = 0,
    ) -> None:
        self.kept = threading.Event()
        self._camera, self._crop, self._newest, self._keep = camera, crop, newest, keep
        self._path = f"/{secrets.token_urlsafe(16)}/"
        page = self

        class Handler(_Handler):
            owner = page

        try:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"--port {port} cannot be listened on: {error}; choose another, or 0 for a free one"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="crop page", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{self._path}"

    def close(self) -> None:
        """Serves no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def get(self, path: str) -> tuple[int, str, bytes]:
        """Status, type and content of a path."""
        if path == self._path:
            html = (resources.files("sandlot.perception.cameras") / "crop_page.html").read_text()
            text = html.replace("__CAMERA__", self._camera).replace("__CROP__", json.dumps(self._crop))
            return 200, "text/html; charset=utf-8", text.encode()
        if path == f"{self._path}frame.png":
            try:
                image = Image.fromarray(self._newest())
            except SandlotError as error:
                return 503, "text/plain", str(error).encode()
            out = io.BytesIO()
            image.save(out, "png", compress_level=1)
            return 200, "image/png", out.getvalue()
        return 404, "text/plain", b"there is nothing here"

    def post(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        """Keeps a crop."""
        if path != f"{self._path}crop":
            return 404, "text/plain", b"there is nothing here"
        try:
            numbers = json.loads(body)
            if not (isinstance(numbers, list) and [type(n) for n in numbers] == 4 * [int]):
                raise ValueError("a crop is four whole numbers")
            self._keep(Crop(*numbers))
        except (ValueError, SandlotError) as error:
            return 400, "text/plain", str(error).encode()
        self.kept.set()
        return 200, "text/plain", b"kept; you may close this page"


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request; another site's page cannot make one (Host is checked, the path is secret)."""

    owner: CropPage

    def do_GET(self) -> None:  # noqa: N802  http.server's name
        """A page or picture."""
        self._answer(*(self.owner.get(self.path.partition("?")[0]) if self._ours() else FOREIGN))

    def do_POST(self) -> None:  # noqa: N802
        """A crop."""
        length = self.headers.get("Content-Length", "")
        if not self._ours() or not length.isdigit() or int(length) > MOST_BYTES:
            self._answer(*FOREIGN)
            return
        self._answer(*self.owner.post(self.path, self.rfile.read(int(length))))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nobody wants to read every picture's request."""

    def _ours(self) -> bool:
        return self.headers.get("Host", "").partition(":")[0] in HOSTS

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)


FOREIGN = 403, "text/plain", b"refused"
