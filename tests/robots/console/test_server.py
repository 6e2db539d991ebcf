"""The page's real server on loopback: who may do what, what is refused, and what stays when things break."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from tests.robots.console.rig import ROOT, WITHIN_S, Server, write_run
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

GUARDED = [
    ("GET", "/runs"), ("GET", "/runs/first"), ("GET", "/runs/first/curves"), ("GET", "/runs/first/newest"),
    ("GET", "/runs/first/episodes"), ("GET", "/runs/first/episodes/1"), ("GET", "/runs/first/waiting"),
    ("GET", "/runs/first/episodes/1/wrist/0.jpg"), ("GET", "/runs/first/waiting/x/wrist.jpg"),
    ("POST", "/runs/first/waiting/x"), ("POST", "/arm"), ("POST", "/press/success"), ("POST", "/logout"),
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server without ROS, with a run, and our session in it."""
    folder = tmp_path_factory.mktemp("console")
    write_run(folder / "runs" / "first")
    with Server(folder) as one:
        one.login()
        one.until("/runs", bool)
        yield one


def anonymous(server, method, path, **headers):
    return server.json(method, path, Cookie=None, **headers)


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_nothing_is_possible_without_the_token(server, method, path):
    for cookie in (None, "sandlot_session=", "sandlot_session=guess", "sandlot_session", "other=1"):
        status, said = server.json(method, path, Cookie=cookie)
        assert status == 401 and said["text"].startswith("log in first")


def test_stop_needs_no_token_and_says_why_nothing_can_be_stopped(server):
    status, said = anonymous(server, "POST", "/stop", Origin=None, X_CSRF_Token=None)
    assert status == 503 and "ROS 2 cannot be loaded (librcl.so is missing)" in said["text"]
    assert not said["ok"]


def test_the_page_and_its_files_are_only_our_own(server):
    status, headers, page = server.ask("GET", "/", Cookie=None)
    assert status == 200 and b'id="token"' in page and b'id="stop"' in page and b'id="arm"' not in page
    status, headers, page = server.ask("GET", "/")
    assert status == 200 and b'id="arm"' in page
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff"
    text = page.decode()
    assert (
        "://" not in text.replace("http://www.w3.org", "")
        and " style=" not in text
        and " on" + "click" not in text
    )
    for name in ("main.js", "live.js", "console.css", "icon.svg"):
        status, headers, content = server.ask("GET", f"/static/{name}", Cookie=None)
        assert status == 200 and content and "default-src" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "name",
    ["console.html", "../app.py", "..%2fapp.py", "%2e%2e/app.py", "nothing.js", "", "main.js/", "%00.js"],
)
def test_no_other_file_is_given(server, name):
    status, _, _ = server.ask("GET", f"/static/{name}")
    assert status in {404, 307}


@pytest.mark.parametrize(
    "name", ["..", "../..", "..%2f..%2fetc", "%2e%2e", "first%2f..", "first%00", "%2fetc", "a" * 300, "%ff"]
)
def test_no_run_name_leads_out_of_the_folder(server, name):
    for path in (f"/runs/{name}", f"/runs/{name}/curves", f"/runs/{name}/episodes/1/wrist/0.jpg"):
        status, _, content = server.ask("GET", path)
        assert status in {404, 503}
        assert status == 404 or b"there is no run" in content


def test_the_cookie_is_kept_from_scripts_and_other_sites(server):
    status, headers, _ = server.ask("POST", "/login", {"token": server.token}, Cookie=None)
    assert status == 200
    cookie = headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and server.token.lower() not in cookie


def test_a_wrong_token_waits_and_many_are_refused_at_once(server):
    began_s = time.monotonic()
    status, said = server.json("POST", "/login", {"token": server.token[:-1] + "?"}, Cookie=None)
    assert status == 403 and "not the token" in said["text"]
    assert time.monotonic() - began_s >= 1.0
    head = (
        f"POST /login HTTP/1.1\r\nHost: {server.host}\r\nOrigin: {server.site}\r\nContent-Length: 14\r\n\r\n"
    )
    host, _, port = server.host.partition(":")
    guesses = [socket.create_connection((host, int(port)), timeout=WITHIN_S) for _ in range(8)]
    for guess in guesses:
        guess.sendall(head.encode() + b'{"token": "x"}')
    answers = [guess.recv(100).split()[1] for guess in guesses[4:]]
    assert answers.count(b"429") >= 3
    status, _ = server.json(
        "POST", "/login", {"token": server.token}, Cookie=None
    )  # guessing locks nobody out
    assert status == 200
    for guess in guesses:
        guess.close()


def test_what_another_site_makes_a_browser_send_does_nothing(server):
    evil = {"Origin": "http://evil.example"}
    for path in ("/arm", "/press/success", "/logout", "/stop", "/login"):
        status, said = server.json("POST", path, {"token": server.token}, **evil)
        assert status == 403 and "another site asked" in said["text"], path
    for path in ("/arm", "/press/success", "/logout"):
        for wrong in (None, "", "guess"):
            status, said = server.json("POST", path, X_CSRF_Token=wrong)
            assert status == 403 and "did not come from the page" in said["text"]
        status, said = server.json("POST", path, Origin=None)
        assert status == 403 and "no Origin" in said["text"]
    assert server.json("GET", "/runs")[0] == 200  # the session is still there


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", None])
def test_a_name_of_another_site_that_points_here_is_refused(server, host):
    for method, path in (("GET", "/"), ("GET", "/static/main.js"), ("GET", "/runs"), ("POST", "/stop")):
        status, _, content = server.ask(method, path, Host=host, Origin=f"http://{host}")
        assert status in {400, 421} and (status == 400 or b"--name" in content)


def test_a_large_body_is_not_read(server):
    status, headers, content = server.ask("POST", "/login", b"x" * 100_000, Cookie=None)
    assert status == 413 and b"4096" in content
    host, _, port = server.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=WITHIN_S) as raw:
        head = f"POST /login HTTP/1.1\r\nHost: {server.host}\r\nOrigin: {server.site}\r\n"
        raw.sendall((head + "Content-Length: 9999999999\r\n\r\n" + "x" * 8192).encode())
        assert b" 413 " in raw.recv(200)
    with socket.create_connection((host, int(port)), timeout=WITHIN_S) as raw, contextlib.suppress(OSError):
        raw.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)
        assert raw.recv(200).split()[1] in {b"400", b"431"}


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b'"text"', b'{"token": null}'])
def test_bodies_that_are_no_login(server, body):
    status, _ = server.json("POST", "/login", body, Cookie=None)
    assert status in {400, 403, 429}


def test_what_there_is_not_is_one_line(server):
    for path in ("/runs/none", "/runs/first/episodes/99999", "/runs/first/episodes/1/front/0.jpg"):
        status, said = server.json("GET", path)
        assert status == 503 and said["text"] and "\n" not in said["text"]
    assert server.json("GET", "/runs/first/episodes?before=-1")[0] == 400
    status, said = server.json("POST", "/press/quit")
    assert status == 404 and "failure, next, redo, success" in said["text"]
    assert server.ask("GET", "/nothing")[0] == 404
    assert server.ask("GET", "/stop")[0] == 405  # a link must not stop a robot


def test_pictures_and_episodes_come_through(server):
    status, headers, jpeg = server.ask("GET", "/runs/first/episodes/21/wrist/2.jpg")
    assert status == 200 and headers["content-type"] == "image/jpeg" and jpeg[:3] == b"\xff\xd8\xff"
    assert server.json("GET", "/runs/first/episodes/21")[1]["steps"] == 5
    assert server.json("GET", "/runs/first/curves")[1]["charts"][0].startswith("<svg ")


def live(server, **headers):
    sent = {"Origin": server.site, "Cookie": server.cookie} | headers
    sent = {name: value for name, value in sent.items() if value is not None}
    return connect(f"ws://{server.host}/live", additional_headers=sent, open_timeout=WITHIN_S)


@pytest.mark.parametrize(
    "headers",
    [{"Cookie": None}, {"Cookie": "sandlot_session=x"}, {"Origin": None}, {"Origin": "http://evil.example"}],
)
def test_the_live_connection_is_for_our_page_alone(server, headers):
    with pytest.raises(InvalidStatus) as refused:
        live(server, **headers)
    assert refused.value.response.status_code == 403


def test_without_ros_the_live_words_say_so(server):
    with live(server) as socket:
        words = {}
        while "librcl.so is missing" not in words.get("problem", ""):
            words = json.loads(socket.recv(WITHIN_S))
        assert words["cameras"] == [] and "pip install 'sandlot[ros]'" in words["problem"]


@pytest.mark.parametrize(
    "said", ["no json", "[]", "1", '{"watch": 3}', '{"saw": ["x"]}', '{"watch": [{}, null, 1]}']
)
def test_nonsense_over_the_live_connection_harms_nobody(server, said):
    with live(server) as socket, contextlib.suppress(ConnectionClosed):
        socket.send(said)
        socket.recv(WITHIN_S)
    assert server.json("GET", "/runs")[0] == 200


def test_a_large_message_over_the_live_connection_ends_it(server):
    with live(server) as socket, pytest.raises(ConnectionClosed):
        socket.send("x" * 100_000)
        while True:
            socket.recv(WITHIN_S)


def test_logging_out_ends_the_session_and_its_live_connection(server):
    mine, csrf = server.cookie, server.csrf
    server.login()
    with live(server) as socket:
        assert server.json("POST", "/logout")[0] == 200
        with pytest.raises(ConnectionClosed):
            while True:
                socket.recv(WITHIN_S)
    assert server.json("GET", "/runs")[0] == 401
    server.cookie, server.csrf = mine, csrf
    assert server.json("GET", "/runs")[0] == 200


def test_a_killed_library_comes_back_and_the_page_says_so_meanwhile(server):
    children = psutil.Process(server.process.pid).children()
    (library,) = [c for c in children if any("library_process" in word for word in c.cmdline())]
    os.kill(library.pid, signal.SIGKILL)
    library.wait(WITHIN_S)
    status, said = server.json("GET", "/runs")
    assert status == 200 or ("library" in said["text"] and "again" in said["text"])
    server.until("/runs", lambda runs: runs[0]["name"] == "first")


def test_a_frozen_library_holds_up_nothing_else(server):
    children = psutil.Process(server.process.pid).children()
    (library,) = [c for c in children if any("library_process" in word for word in c.cmdline())]
    library.suspend()
    try:
        host, _, port = server.host.partition(":")
        with socket.create_connection((host, int(port)), timeout=WITHIN_S) as raw:
            raw.sendall(
                f"GET /runs HTTP/1.1\r\nHost: {server.host}\r\nCookie: {server.cookie}\r\n\r\n".encode()
            )
            assert anonymous(server, "POST", "/stop")[0] == 503  # answered, though nothing is there to stop
            assert server.ask("GET", "/")[0] == 200
    finally:
        library.resume()


def test_no_process_outlives_the_server(tmp_path):
    with Server(tmp_path) as one:
        one.login()
        assert one.until("/runs", lambda runs: runs == []) == []
        below = psutil.Process(one.process.pid).children(recursive=True)
        one.process.kill()
        _, alive = psutil.wait_procs(below, timeout=WITHIN_S)
    assert below and not alive


def refusal(tmp_path, *flags):
    argv = [sys.executable, "-m", "sandlot", "console", *flags]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_port_in_use_and_a_wrong_certificate_are_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = refusal(tmp_path, "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2 and "is in use" in done.stderr and len(done.stderr.splitlines()) == 1
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("nonsense")
    done = refusal(tmp_path, "--port", "0", "--cert", "cert.pem", "--key", "key.pem")
    assert done.returncode == 2 and "docs/console.md" in done.stderr.splitlines()[-1]


def test_with_a_certificate_the_page_is_encrypted_and_its_cookie_too(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate to serve with")
    argv = re.search(r"^openssl req .*$", (ROOT / "docs" / "console.md").read_text(), re.MULTILINE)[0]
    subprocess.run(argv.split(), cwd=tmp_path, check=True, capture_output=True, timeout=60)
    with Server(tmp_path, "--host", "127.0.0.1", "--cert", "cert.pem", "--key", "key.pem") as one:
        assert one.site.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        trusted.check_hostname = False
        body = json.dumps({"token": one.token}).encode()
        request = urllib.request.Request(f"{one.site}/login", body, {"Origin": one.site})  # noqa: S310
        with urllib.request.urlopen(request, timeout=WITHIN_S, context=trusted) as answer:  # noqa: S310
            assert "secure" in answer.headers["Set-Cookie"].lower()
