"""The page's addresses: who may ask for what, and which process answers.

Open to all: the login page, stop, and the static files. Everything else needs a session.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from sandlot.robots.console.access import (
    MOST_WAITING,
    WRONG_S,
    Doorman,
    Session,
    host_fault,
    origin_fault,
    same,
)
from sandlot.robots.console.children import Child, ChildError
from sandlot.robots.console.config import ConsoleConfig
from sandlot.robots.console.live import Hall, Viewer
from sandlot.robots.console.replies import SECURITY, answer, body, client, refusal, trouble
from sandlot.robots.console.robot import BUTTONS, Robot

log = logging.getLogger(__name__)

COOKIE = "sandlot_session"
ASK_S = 20.0
FILES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""What a browser may load of the page's folder, by ending."""
Handler = Callable[[Request, Session], Awaitable[Response]]


class Console:
    """The page's server: addresses, and the processes behind them.

    Args:
        config: of the page.
        doorman: who knows the token.
    """

    def __init__(self, config: ConsoleConfig, doorman: Doorman) -> None:
        self.config, self.doorman, self.hall = config, doorman, Hall()
        self.robot = Robot(config, self.hall.hear)
        argv = ["sandlot.robots.console.library_process", config.runs]
        self.library = Child("library", argv, lambda _: None, nice=10)
        self._wrong, self._waiting = asyncio.Lock(), 0
        self._pages = resources.files("sandlot.robots.console") / "page"

    async def run(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Starts the processes, serves, and ends them."""
        library = asyncio.create_task(self.library.run())
        self.robot.start()
        try:
            await serve()
        finally:
            library.cancel()
            await asyncio.gather(library, self.robot.close(), return_exceptions=True)

    def app(self) -> Starlette:
        """The application."""
        get, post = ["GET"], ["POST"]
        routes = [
            Route("/", self._front, methods=get),
            Route("/static/{name}", self._static, methods=get),
            Route("/login", self._login, methods=post),
            Route("/stop", self._stop, methods=post),
            WebSocketRoute("/live", self._live),
            Route("/logout", self._guard(self._logout), methods=post),
            Route("/arm", self._guard(self._arm), methods=post),
            Route("/press/{button}", self._guard(self._press), methods=post),
            Route("/runs", self._guard(self._ask("runs")), methods=get),
            Route("/runs/{run}", self._guard(self._ask("run")), methods=get),
            Route("/runs/{run}/curves", self._guard(self._ask("curves")), methods=get),
            Route("/runs/{run}/newest", self._guard(self._ask("newest")), methods=get),
            Route("/runs/{run}/waiting", self._guard(self._ask("waiting")), methods=get),
            Route(
                "/runs/{run}/waiting/{name}/{camera}.jpg",
                self._guard(self._picture("waiting_frame")),
                methods=get,
            ),
            Route("/runs/{run}/waiting/{name}", self._guard(self._relabel), methods=post),
            Route("/runs/{run}/episodes", self._guard(self._episodes), methods=get),
            Route("/runs/{run}/episodes/{seq:int}", self._guard(self._ask("episode")), methods=get),
            Route(
                "/runs/{run}/episodes/{seq:int}/{camera}/{step:int}.jpg",
                self._guard(self._picture("frame")),
                methods=get,
            ),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: refusal, ChildError: trouble})

    async def _front(self, request: Request) -> Response:
        """The page, or where one logs in to it."""
        self._check_host(request)
        session = self._session(request)
        text = (self._pages / ("console.html" if session else "login.html")).read_text()
        text = text.replace("$csrf", session.csrf if session else "").replace("$robot", self.config.robot)
        return HTMLResponse(text, headers=SECURITY)

    async def _static(self, request: Request) -> Response:
        self._check_host(request)
        name = request.path_params["name"]
        found = next((f for f in self._pages.iterdir() if f.name == name), None)
        kind = FILES.get(name[name.rfind(".") :])
        if found is None or kind is None:
            raise HTTPException(404, "there is no such file")
        return Response(found.read_bytes(), media_type=kind, headers=SECURITY)

    async def _login(self, request: Request) -> Response:
        """A session for the token; whoever guesses waits, one after the other."""
        self._check_sender(request)
        said = await body(request)
        token = str(said.get("token", ""))
        session = self.doorman.open(token, time.monotonic())
        if session is None:
            await self._make_wait()
            log.warning("event=login_refused client=%s", client(request))
            raise HTTPException(403, "this is not the token that `sandlot console` printed")
        log.info("event=login client=%s", client(request))
        response = answer({"ok": True})
        response.set_cookie(
            COOKIE, session.id, httponly=True, samesite="strict", secure=bool(self.config.cert), path="/"
        )
        return response

    async def _make_wait(self) -> None:
        if self._waiting >= MOST_WAITING:
            raise HTTPException(429, "too many wrong tokens at once; wait a few seconds")
        self._waiting += 1
        try:
            async with self._wrong:
                await asyncio.sleep(WRONG_S)
        finally:
            self._waiting -= 1

    async def _stop(self, request: Request) -> Response:
        """Stops the robot. Needs no session: whoever sees a need to stop shall not look for a token."""
        self._check_sender(request, needed=False)
        try:
            text, ok = await self.robot.stop(), True
        except ChildError as error:
            text, ok = str(error), False
        log.warning("event=stop client=%s stopped=%s answer=%r", client(request), ok, text)
        return answer({"ok": ok, "text": text}, 200 if ok else 503)

    async def _logout(self, request: Request, session: Session) -> Response:
        self.doorman.close(session)
        response = answer({"ok": True})
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response

    async def _arm(self, request: Request, _: Session) -> Response:
        return self._done(request, "arm", await self.robot.arm())

    async def _press(self, request: Request, _: Session) -> Response:
        button = request.path_params["button"]
        if button not in BUTTONS:
            raise HTTPException(
                404, f"there is no button {button[:50]!r}; there are: {', '.join(sorted(BUTTONS))}"
            )
        return self._done(request, button, await self.robot.press(button))

    def _done(self, request: Request, what: str, text: str) -> Response:
        log.info("event=%s client=%s answer=%r", what, client(request), text)
        return answer({"ok": True, "text": text})

    def _ask(self, what: str) -> Handler:
        async def ask(request: Request, _: Session) -> Response:
            found = await self.library.ask(what, timeout_s=ASK_S, **request.path_params)
            return answer(found)

        return ask

    async def _episodes(self, request: Request, _: Session) -> Response:
        before = request.query_params.get("before", "0")
        if not before.isdecimal() or len(before) > 15:
            raise HTTPException(400, "'before' must be a step of the run")
        run = request.path_params["run"]
        return answer(await self.library.ask("episodes", timeout_s=ASK_S, run=run, before=int(before)))

    def _picture(self, what: str) -> Handler:
        async def ask(request: Request, _: Session) -> Response:
            jpeg = await self.library.ask(what, timeout_s=ASK_S, **request.path_params)
            return Response(jpeg, media_type="image/jpeg", headers=SECURITY)

        return ask

    async def _relabel(self, request: Request, _: Session) -> Response:
        label = str((await body(request)).get("label", ""))
        args = {**request.path_params, "label": label}
        return self._done(request, "relabel", await self.library.ask("relabel", timeout_s=ASK_S, **args))

    async def _live(self, socket: WebSocket) -> None:
        """Words of the robot and pictures, for as long as the session lasts."""
        host, origin = socket.headers.get("host"), socket.headers.get("origin")
        session = self._session(socket)
        if host_fault(host, self.config.name) or origin_fault(origin, host) or session is None:
            await socket.close(1008)
            return
        await socket.accept()
        viewer = Viewer()
        self.hall.viewers.add(viewer)
        self._tell_wanted()
        listening = asyncio.create_task(self._listen(socket, viewer))
        try:
            await self._send(socket, viewer, session, listening)
        except (WebSocketDisconnect, RuntimeError):  # it went while something was on its way
            pass
        finally:
            listening.cancel()
            self.hall.viewers.discard(viewer)
            self._tell_wanted()

    def _tell_wanted(self) -> None:
        self.robot.watch(self.hall.wanted(), len(self.hall.viewers))

    async def _send(
        self, socket: WebSocket, viewer: Viewer, session: Session, listening: asyncio.Task[None]
    ) -> None:
        while not listening.done():
            if self.doorman.find(session.id, time.monotonic()) is None:
                await socket.close(1008)
                return
            viewer.news.clear()
            for item in viewer.take(self.robot):
                await (socket.send_bytes(item) if isinstance(item, bytes) else socket.send_text(item))
            news = asyncio.create_task(viewer.news.wait())
            await asyncio.wait({news, listening}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            if self.robot.problem:
                viewer.hear("robot")

    async def _listen(self, socket: WebSocket, viewer: Viewer) -> None:
        """What a viewer says: which cameras it looks at, and what it has drawn."""
        try:
            while True:
                said = json.loads(await socket.receive_text())
                if isinstance(said, dict) and isinstance(said.get("saw"), str):
                    viewer.saw(said["saw"])
                elif isinstance(said, dict) and isinstance(said.get("watch"), list):
                    viewer.wants(str(name) for name in said["watch"])
                    self._tell_wanted()
        except (WebSocketDisconnect, json.JSONDecodeError, KeyError, RuntimeError):
            return

    def _guard(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Lets a handler see only requests of a session, and changes only those that our page sent."""

        async def guarded(request: Request) -> Response:
            self._check_host(request)
            session = self._session(request)
            if session is None:
                raise HTTPException(401, "log in first: open the address that `sandlot console` printed")
            if request.method != "GET":
                self._check_sender(request)
                if not same(request.headers.get("x-csrf-token", ""), session.csrf):
                    raise HTTPException(403, "this request did not come from the page; load it again")
            return await handler(request, session)

        return guarded

    def _session(self, connection: HTTPConnection) -> Session | None:
        try:
            cookies = SimpleCookie(connection.headers.get("cookie", ""))
        except CookieError:
            return None
        return self.doorman.find(cookies[COOKIE].value if COOKIE in cookies else None, time.monotonic())

    def _check_host(self, request: Request) -> None:
        fault = host_fault(request.headers.get("host"), self.config.name)
        if fault:
            raise HTTPException(421, fault)

    def _check_sender(self, request: Request, *, needed: bool = True) -> None:
        self._check_host(request)
        fault = origin_fault(request.headers.get("origin"), request.headers.get("host"), needed=needed)
        if fault:
            raise HTTPException(403, fault)
