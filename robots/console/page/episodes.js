// Episodes of a run: a list, and one of them step by step. Pictures are asked for one at a time: the newest wanted.
import { $, ask, make } from "./common.js";

const LOOKS = { success: "good", failure: "bad", aborted: "fair", running: "faint" };
const PLAY_MS = 100;
const [WIDTH, HEIGHT] = [600, 90];
let run = "";
let list = [];
let older = [];
let open = null; // {seq, about}
let playing = null;

export async function showEpisodes(name) {
  if (name !== run) {
    [run, list, older, open] = [name, [], [], null];
    $("album").hidden = true;
    draw(false);
  }
  if (!run) return;
  const answer = await ask(`/runs/${encodeURIComponent(name)}/episodes`);
  if (name !== run) return;
  $("no-episode").textContent = answer.ok ? "" : answer.text;
  if (!answer.ok) return;
  list = answer.value.episodes;
  if (!list.length) $("no-episode").textContent = "No episode yet.";
  draw(answer.value.more);
}

$("older").addEventListener("click", async () => {
  const before = [...list, ...older].at(-1).seq;
  const answer = await ask(`/runs/${encodeURIComponent(run)}/episodes?before=${before}`);
  if (!answer.ok) return;
  older = [...older, ...answer.value.episodes];
  draw(answer.value.more);
});

function draw(more) {
  const known = new Set(list.map((e) => e.seq));
  const all = [...list, ...older.filter((e) => !known.has(e.seq))];
  const head = ["outcome", "steps", "return", "person", "policy", "actor"].map((text) => make("th", {}, text));
  const rows = all.map((e) => {
    const cells = [e.steps, e.reward?.toPrecision(3) ?? "–", e.human ? `${Math.round(100 * e.human)} %` : "",
      e.policy_version < 0 ? "–" : e.policy_version, e.actor].map((value) => make("td", {}, value));
    const row = make("tr", { tabindex: 0, "aria-selected": e.seq === open?.seq }, make("td", { class: `dot ${LOOKS[e.outcome]}` }, e.outcome), ...cells);
    row.addEventListener("click", () => show(e.seq));
    row.addEventListener("keydown", (event) => event.key === "Enter" && show(e.seq));
    return row;
  });
  $("episodes").replaceChildren(...(all.length ? [make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)] : []));
  $("older").hidden = !more;
}

async function show(seq) {
  pause();
  const name = run;
  const answer = await ask(`/runs/${encodeURIComponent(run)}/episodes/${seq}`);
  if (name !== run) return;
  if (!answer.ok) {
    $("no-episode").textContent = answer.text;
    return;
  }
  const about = answer.value;
  const images = about.cameras.map((camera) => new Picture(camera));
  open = { seq, about, images };
  $("pictures").replaceChildren(...images.map((image) => image.figure));
  $("album").hidden = false;
  $("step").max = about.steps - 1;
  $("step").value = 0;
  const pictures = about.cameras.length ? "" : "This run stores no pictures; the lines are the actions.";
  const person = about.human.some(Boolean) ? "Shaded: a person drove." : "";
  const chance = about.success.length ? "Blue: probability of success." : about.cameras.length ? about.rule : "";
  $("album-note").textContent = [pictures, chance, person].filter(Boolean).join(" ");
  drawStrip();
  move();
  document.querySelectorAll("#episodes tbody tr").forEach((row, i) => row.setAttribute("aria-selected", [...list, ...older][i]?.seq === seq));
}

class Picture {
  constructor(camera) {
    this.camera = camera;
    this.image = make("img", { alt: `camera ${camera}` });
    this.figure = make("figure", {}, this.image, make("figcaption", {}, make("b", {}, camera)));
    this.loading = false;
    this.next = null;
    this.image.onload = this.image.onerror = () => this.#done();
  }

  show(step) {
    this.next = step;
    if (!this.loading) this.#load();
  }

  #load() {
    if (this.next === null) return;
    this.loading = true;
    const step = this.next;
    this.next = null;
    this.image.src = `/runs/${encodeURIComponent(run)}/episodes/${open.seq}/${encodeURIComponent(this.camera)}/${step}.jpg`;
  }

  #done() {
    this.loading = false;
    this.#load();
  }
}

// [from, to) of every unbroken stretch of true.
function spans(flags) {
  const found = [];
  flags.forEach((flag, i) => {
    if (flag && flags[i - 1]) found.at(-1)[1] = i + 1;
    else if (flag) found.push([i, i + 1]);
  });
  return found;
}

function drawStrip() {
  const { about } = open;
  const x = (step) => ((step + 0.5) * WIDTH) / about.steps;
  const thin = { fill: "none", "vector-effect": "non-scaling-stroke" };
  const parts = spans(about.human).map(([from, to]) => make("rect", { x: (from * WIDTH) / about.steps, y: 0,
    width: ((to - from) * WIDTH) / about.steps, height: HEIGHT, fill: "#e8b04b", "fill-opacity": 0.25 }));
  for (let k = 0; k < (about.action[0]?.length ?? 0); k++) {
    const points = about.action.map((a, i) => `${x(i)},${HEIGHT / 2 - 0.45 * HEIGHT * a[k]}`).join(" ");
    parts.push(make("polyline", { ...thin, points, stroke: "currentColor", "stroke-opacity": 0.22, "stroke-width": 1 }));
  }
  if (about.success.length) {
    const points = about.success.map(([step, p]) => `${x(step)},${HEIGHT - 4 - (HEIGHT - 8) * p}`).join(" ");
    parts.push(make("polyline", { ...thin, points, stroke: "#2f81f7", "stroke-width": 2 }));
  }
  parts.push(make("line", { id: "now", y1: 0, y2: HEIGHT, stroke: "#cf2f34", "stroke-width": 2, "vector-effect": "non-scaling-stroke" }));
  $("strip").replaceChildren(...parts);
}

function move() {
  if (!open) return;
  const step = Number($("step").value);
  open.images.forEach((image) => image.show(step));
  const x = ((step + 0.5) * WIDTH) / open.about.steps;
  for (const end of ["x1", "x2"]) $("now").setAttribute(end, x);
  $("where").textContent = `${step + 1} of ${open.about.steps}`;
}

function pause() {
  clearInterval(playing);
  playing = null;
  $("play").textContent = "▶";
}

$("step").addEventListener("input", () => {
  pause();
  move();
});
$("play").addEventListener("click", () => {
  if (playing !== null) return pause();
  if ($("step").value === $("step").max) $("step").value = 0;
  $("play").textContent = "❚❚";
  playing = setInterval(() => {
    $("step").value = Number($("step").value) + 1;
    move();
    if ($("step").value === $("step").max) pause();
  }, PLAY_MS);
});
