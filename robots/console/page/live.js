// The live connection: pictures and words of the robot. While the page is hidden it asks for no picture.
import { $, make } from "./common.js";

const OLD_MS = 1500;
const AGAIN_MS = 1000;
const LOOKS = { ACTIVE: "good", active: "good", running: "good", acting: "good", learning: "good", done: "good",
  STOPPED: "bad", silent: "bad", gone: "bad", ended: "faint", "not up": "faint", "no learner": "faint" };
const tiles = new Map();
let socket = null;
let heard_ms = performance.now();
let robot = {};
let learner = [];

export const look = (state) => LOOKS[state] ?? "fair";

export function live() {
  connect();
  document.addEventListener("visibilitychange", watch);
  setInterval(age, 500);
}

// The learner's own processes, which the run's folder tells of.
export function showLearner(processes) {
  learner = processes;
  showProcesses();
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket.binaryType = "arraybuffer";
  socket.onopen = watch;
  socket.onmessage = ({ data }) => {
    heard_ms = performance.now();
    if (typeof data === "string") showRobot(JSON.parse(data));
    else showPicture(data);
  };
  socket.onclose = () => {
    socket = null;
    setTimeout(connect, AGAIN_MS);
    age();
  };
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function watch() {
  send({ watch: document.hidden ? [] : [...tiles.keys()] });
}

function showRobot(words) {
  robot = words;
  const up = !words.problem && words.nodes?.some((node) => node.state !== "not up");
  const mode = up ? words.gate?.mode ?? "…" : "no robot";
  $("gate").textContent = mode === "silent" ? "no gate" : mode;
  $("gate").className = `pill ${up ? look(mode) : ""}`;
  const cause = up && words.gate ? words.gate.cause : "";
  $("cause").textContent = ["ARMED", "STOPPED"].includes(mode) ? "" : cause;
  document.querySelectorAll("#arm, [data-button]").forEach((button) => button.toggleAttribute("disabled", Boolean(words.problem)));
  $("cause").title = $("cause").textContent;
  showCameras(words.cameras ?? []);
  showProcesses();
  const rows = Object.entries(words.topics ?? {}).map(([name, t]) =>
    make("tr", {}, make("td", {}, name), ...[t.hz, t.age_p50_ms, t.silent_s].map((v) => make("td", {}, v?.toFixed(1) ?? "–"))));
  const heads = ["topic", "Hz", "age, ms", "silent, s"].map((text) => make("th", {}, text));
  $("topics").replaceChildren(make("tr", {}, ...heads), ...rows);
  age();
}

function showProcesses() {
  const rows = [...(robot.problem ? [] : robot.nodes ?? []), ...learner];
  $("processes").replaceChildren(...rows.map((p) => make("tr", {},
    make("td", {}, p.name), make("td", { class: `dot ${look(p.state)}` }, p.state), make("td", { class: "faint" }, p.says))));
  $("no-process").textContent = rows.length ? "" : "No process is heard: no robot is up here, and this run has no learner.";
}

function showCameras(cameras) {
  for (const camera of [...tiles.keys()].filter((c) => !cameras.includes(c))) {
    tiles.get(camera).figure.remove();
    tiles.delete(camera);
  }
  for (const camera of cameras.filter((c) => !tiles.has(c))) {
    const canvas = make("canvas");
    const note = make("span", {}, "waiting");
    const name = camera.replace(/^camera\//, "").replace(/\/image_raw$/, "");
    const figure = make("figure", {}, canvas, make("figcaption", {}, make("b", {}, name), note));
    $("cameras").append(figure);
    tiles.set(camera, { canvas, note, figure, times: [], drawn_ms: performance.now() });
  }
  watch();
  const none = robot.problem ? "Only a robot's cameras are live; stored pictures are below." : "No camera of the robot publishes pictures: sandlot up arm --camera wrist";
  $("no-camera").textContent = cameras.length ? "" : none;
}

async function showPicture(data) {
  const bytes = new Uint8Array(data);
  const camera = new TextDecoder().decode(bytes.subarray(1, 1 + bytes[0]));
  const tile = tiles.get(camera);
  try {
    const picture = await createImageBitmap(new Blob([bytes.subarray(1 + bytes[0])], { type: "image/jpeg" }));
    if (!tile) return;
    if (tile.canvas.width !== picture.width || tile.canvas.height !== picture.height) {
      [tile.canvas.width, tile.canvas.height] = [picture.width, picture.height];
    }
    tile.canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    const now_ms = performance.now();
    tile.drawn_ms = now_ms;
    tile.times = [...tile.times.filter((t) => now_ms - t < 2000), now_ms];
  } finally {
    send({ saw: camera });
  }
}

// What is old must look old: a still picture is worse than none.
function age() {
  const now_ms = performance.now();
  for (const [camera, tile] of tiles) {
    const silent_ms = now_ms - tile.drawn_ms;
    const fault = robot.faults?.[camera];
    tile.figure.classList.toggle("old", silent_ms > OLD_MS || Boolean(fault));
    const span_ms = tile.times.at(-1) - tile.times[0];
    const hz = tile.times.length > 1 ? `${((1000 * (tile.times.length - 1)) / span_ms).toFixed(1)} Hz` : "";
    tile.note.textContent = fault ?? (silent_ms > OLD_MS ? `no picture for ${(silent_ms / 1000).toFixed(0)} s` : hz);
  }
  const lost = socket?.readyState !== WebSocket.OPEN && now_ms - heard_ms > OLD_MS;
  const held = robot.gate?.mode === "STOPPED" || robot.pressed ? `Stopped: ${robot.gate?.cause || "by this page"}. Hold “Arm” to let it move again.` : "";
  const text = lost ? "Connection to the page's server lost: everything shown is old." : robot.problem || held;
  $("problem").hidden = !text;
  $("problem").className = `banner ${lost || !robot.problem ? "bad" : ""}`;
  $("problem").textContent = text;
}
