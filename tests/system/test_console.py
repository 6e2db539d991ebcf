"""The operator's page with a real gate, a real camera topic and a real browser, over DDS."""

import contextlib
import json
import time
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("uvicorn")

from bench.gate_rig import GateRig, Peer  # noqa: E402
from tests.robots.console import browser  # noqa: E402
from tests.robots.console.rig import WITHIN_S, Server, write_run  # noqa: E402
from tests.stalls import real_time  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

from sandlot.robots import ros_node  # noqa: E402
from sandlot.robots.arm import ros_messages, topics  # noqa: E402
from sandlot.robots.gate import ESTOP_PRESSED, STARVED, Mode  # noqa: E402
from sandlot.robots.graph import nodes  # noqa: E402
from sandlot.robots.graph_config import UpConfig  # noqa: E402
from sandlot.robots.teleop.mapping import Operator  # noqa: E402
from sandlot.robots.topics import ESTOP, JOY  # noqa: E402

pytestmark = real_time

CAMERA = "camera/wrist/image_raw"
CAMERA_HZ = 15.0


class Camera:
    """A camera topic: a grey that changes with every frame, and a bright corner."""

    def __init__(self, peer):
        self.out = ros_node.publisher(peer.node, topics.image("wrist"))
        self.count = 0
        ros_node.timer(peer.node, 1.0 / CAMERA_HZ, self._send)

    def _send(self):
        self.count += 1
        frame = np.full((96, 128, 3), 40 + 5 * (self.count % 30), np.uint8)
        frame[:24, :24] = (240, 90, 30)
        self.out.publish(ros_messages.image_message(frame, "wrist", time.time_ns()))

    @property
    def watched(self):
        return self.out.get_subscription_count()


class Actor:
    """What an actor makes of Joy: every success and failure it was told of."""

    def __init__(self, peer):
        self.operator, self.heard = Operator(), []
        ros_node.subscription(peer.node, JOY, self._on_joy)

    def _on_joy(self, message):
        now_s = time.monotonic()
        assert self.operator.offer(message.axes, message.buttons, now_s)
        intent = self.operator.take(now_s)
        assert not (intent.take_over or intent.stop or intent.arm)
        self.heard += [n for n in ("success", "failure", "redo", "next") if getattr(intent, n)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A moving robot's gate, a camera, an actor that listens, and the page, with our session in it."""
    folder = tmp_path_factory.mktemp("site")
    write_run(folder / "runs" / "first")
    with contextlib.ExitStack() as stack:
        rig = stack.enter_context(GateRig(folder, deadline_s=1.0))
        peers = [Peer("wrist_camera", rig.domain), Peer("actor", rig.domain)]
        camera, actor = Camera(peers[0]), Actor(peers[1])
        for peer in peers:
            stack.enter_context(peer)
        server = stack.enter_context(Server(folder, ros=True, env=rig.env))
        server.login()
        words(server, lambda w: w["gate"].get("mode", "silent") != "silent" and w["cameras"])
        yield SimpleNamespace(rig=rig, camera=camera, actor=actor, server=server, folder=folder)


@pytest.fixture
def moving(site):
    """The robot moves; the page's press of a test before is released."""
    if site.rig.report.mode is Mode.STOPPED:
        wait(lambda: site.server.json("POST", "/arm")[0] == 200, "arms")
    site.rig.go()
    site.actor.heard.clear()
    yield site
    site.rig.commanding = False


def wait(condition, what, timeout_s=WITHIN_S):
    until_s = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < until_s, what
        time.sleep(0.01)
    return found


def live(server):
    return connect(
        f"ws://{server.host}/live", additional_headers={"Origin": server.site, "Cookie": server.cookie},
        open_timeout=WITHIN_S,
    )  # fmt: skip


def words(server, true):
    """The first words over the live connection of which something holds."""
    with live(server) as socket:
        until_s = time.monotonic() + WITHIN_S
        while time.monotonic() < until_s:
            said = socket.recv(WITHIN_S)
            if isinstance(said, str) and true(json.loads(said)):
                return json.loads(said)
    raise AssertionError(said)


def estops(rig):
    """Nodes that publish the e-stop."""
    return [i.node_name for i in rig.peer.node.get_publishers_info_by_topic(ESTOP.name)]


def process_of(server, module):
    children = psutil.Process(server.process.pid).children(recursive=True)
    (found,) = [c for c in children if module in c.cmdline()]
    return found


def test_anybody_stops_and_only_the_operator_arms(moving):
    rig, server = moving.rig, moving.server
    assert estops(rig) == []  # an open page is no emergency stop that a gate could rely on
    status, said = server.json("POST", "/stop", Cookie=None, X_CSRF_Token=None)
    assert status == 200 and "stopped the robot" in said["text"]
    rig.until(lambda: rig.report.mode is Mode.STOPPED, "stops")
    wait(lambda: estops(rig) == ["console"], "the press is on the e-stop topic too")
    rig.until(lambda: not rig.call("arm")[0], "refuses to arm while the press is held")
    assert server.json("POST", "/arm", Cookie=None)[0] == 401
    assert rig.report.mode is Mode.STOPPED
    status, said = server.json("POST", "/arm")
    assert status == 200 and "armed" in said["text"], said
    rig.go()
    wait(lambda: estops(rig) == [], "leaves the topic")


@pytest.mark.slow  # DDS lists a killed process for 20 s
def test_a_stop_outlives_the_page_that_pressed_it_and_another_releases_it(moving):
    rig, server = moving.rig, moving.server
    assert server.json("POST", "/stop")[0] == 200
    wait(lambda: estops(rig) == ["console"], "the press is on the e-stop topic")
    process_of(server, "ros_bridge").kill()
    wait(lambda: estops(rig) == [], "the killed page's press is gone")
    assert not rig.call("arm")[0]  # nobody released it
    wait(lambda: server.json("POST", "/arm")[0] == 200, "arms")
    rig.go()


def test_success_and_failure_reach_the_actor_once(moving):
    for button in ("success", "failure", "redo", "next"):
        status, said = moving.server.json("POST", f"/press/{button}")
        assert status == 200 and "the actor was told" in said["text"]
        wait(lambda b=button: moving.actor.heard == [b], f"{button} heard once: {moving.actor.heard}")
        moving.actor.heard.clear()
    assert moving.rig.report.mode is Mode.ACTIVE  # to the gate it is nothing


def test_a_stop_by_a_frozen_page_process_is_made_by_a_fresh_one(moving):
    rig, server = moving.rig, moving.server
    wait(lambda: server.json("POST", "/press/success")[0] == 200, "its process is there")
    process_of(server, "ros_bridge").suspend()
    status, said = server.json("POST", "/stop")
    assert status == 200 and said["ok"], said
    rig.until(lambda: rig.report.mode is Mode.STOPPED, "stops")
    # where a start takes the gate's core for 100 ms, the gate was quicker than the process that started
    assert rig.report.cause in ("stop service", STARVED)
    wait(lambda: server.json("POST", "/arm")[0] == 200, "arms when the process is back")


def test_frames_are_taken_only_while_somebody_looks_and_the_newest_are_sent(moving):
    camera, server = moving.camera, moving.server
    wait(lambda: camera.watched == 0, "nobody looks")
    with live(server) as socket:
        socket.send(json.dumps({"watch": [CAMERA]}))
        began_s, got = time.monotonic(), []
        while len(got) < 10:
            said = socket.recv(WITHIN_S)
            if isinstance(said, bytes):
                name = said[1 : 1 + said[0]].decode()
                assert name == CAMERA and said[1 + said[0] :][:3] == b"\xff\xd8\xff"
                got.append(time.monotonic() - began_s)
                socket.send(json.dumps({"saw": name}))
        assert camera.watched == 1
    wait(lambda: camera.watched == 0, "nobody looks any more")


def test_two_viewers_cost_one_subscription(moving):
    with live(moving.server) as one, live(moving.server) as other:
        for socket in (one, other):
            socket.send(json.dumps({"watch": [CAMERA, "camera/none/image_raw"]}))
        for socket in (one, other):
            while not isinstance(socket.recv(WITHIN_S), bytes):
                pass
        assert moving.camera.watched == 1


def test_processes_are_told(moving):
    found = words(moving.server, lambda w: w["topics"] and any(n["name"] == "actor" for n in w["nodes"]))
    states = {n["name"]: n["state"] for n in found["nodes"]}
    assert states["gate"] in {"ACTIVE", "ARMED"} and states["actor"] == "running"
    assert states["driver"] == "not up" and not {"console", "console_cameras"} & states.keys()
    assert found["topics"]["/arm/gate/state"]["hz"] > 5 and f"/arm/{CAMERA}" not in found["topics"]


@pytest.fixture
def window(moving, tmp_path):
    if browser.executable() is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with browser.Browser(tmp_path, browser.PHONE) as one:
        yield one


PIXEL = "document.querySelector('#cameras canvas').getContext('2d').getImageData(100, 80, 1, 1).data[0]"


def test_a_person_with_a_phone(moving, window):
    rig = moving.rig
    window.open(moving.server.url)
    window.until("document.querySelector('#cameras canvas')?.width === 128")  # a camera's picture is there
    shades = set()
    wait(lambda: shades.add(window.eval(PIXEL)) or len(shades) >= 5, "the picture changes")
    assert window.eval("document.documentElement.scrollWidth") <= browser.PHONE[0]
    assert moving.server.token not in window.eval("location.href")
    rig.go()
    window.until("['ACTIVE', 'ARMED', 'STOPPED'].includes(document.getElementById('gate').textContent)")
    window.until("document.querySelectorAll('#curves svg').length >= 3")
    window.press("[data-button=success]")
    wait(lambda: "success" in moving.actor.heard, "the actor hears it")

    window.press("#stop")
    rig.until(lambda: rig.report.mode is Mode.STOPPED, "stops")
    window.until("document.getElementById('gate').textContent === 'STOPPED'")
    window.until("document.getElementById('said').textContent.startsWith('Stopped')")
    rig.until(lambda: not rig.call("arm")[0], "refuses to arm while the press is held")
    window.press("#arm")  # a tap arms nothing
    assert not window.eval("document.getElementById('said').textContent").startswith("Arming")
    window.press("#arm", hold_s=1.3)
    window.until("document.getElementById('said').textContent.startsWith('armed')")
    rig.go()

    window.press("#episodes tbody tr:nth-child(2)")
    window.until("document.querySelectorAll('#pictures img').length === 2")
    window.until(
        "[...document.querySelectorAll('#pictures img')].every(i => i.complete && i.naturalWidth > 0)"
    )
    first = window.eval("document.querySelector('#pictures img').src")
    window.eval("(() => { const s = document.getElementById('step'); s.value = 3; "
                "s.dispatchEvent(new Event('input')); })()")  # fmt: skip
    window.until(f"document.querySelector('#pictures img').src !== '{first}'")
    assert window.problems == []


def test_stop_on_the_login_page(moving, window):
    window.open(moving.server.site + "/")
    assert window.eval("document.getElementById('arm')") is None
    window.press("#stop")
    moving.rig.until(lambda: moving.rig.report.mode is Mode.STOPPED, "stops")
    window.until("document.getElementById('said').textContent.startsWith('Stopped')")
    assert not moving.rig.call("arm")[0]
    assert window.problems == []


def test_a_killed_gate_is_gone_and_a_stop_is_not_called_confirmed(moving):
    rig, server = moving.rig, moving.server
    rig.kill()
    found = words(server, lambda w: w["gate"]["mode"] == "silent")
    assert found["problem"] == ""
    status, said = server.json("POST", "/stop")
    assert status == 503 and f"{ESTOP.name} is pressed" in said["text"] and "no gate" in said["text"]
    rig.process = rig.start_gate()
    rig.until(lambda: rig.report.cause == ESTOP_PRESSED, "the new gate hears of the press")
    wait(lambda: server.json("POST", "/arm")[0] == 200, "arms")


def test_up_without_a_device_listens_to_the_page_and_misses_no_operator(tmp_path):
    specs = {s.name: s for s in nodes(UpConfig(kind="arm", teleop="page"), tmp_path, 1)}
    assert "joy" not in specs and "--teleop" in specs["actor"].arguments
    assert specs["gate"].parameters["operator_timeout_s"] == 0.0
