// Runs: which there are, how one is doing, its curves, and what its classifier thinks of the newest step.
import { $, ask, make } from "./common.js";
import { showEpisodes } from "./episodes.js";
import { showWaiting } from "./labels.js";
import { showLearner } from "./live.js";

const EVERY_MS = { list: 5000, run: 1000, curves: 5000, newest: 1000, waiting: 3000, episodes: 5000 };
const MOST = 120;
let shown = "";
let wanted = decodeURIComponent(location.hash.slice(1));
let chances = [];

export function runs() {
  $("runs").addEventListener("change", () => choose($("runs").value));
  repeat("list", list);
  repeat("run", showRun);
  repeat("curves", showCurves);
  repeat("newest", showNewest);
  repeat("waiting", () => showWaiting(shown));
  repeat("episodes", () => showEpisodes(shown));
}

// Calls again when the call before is done: what is slow comes less often, and never piles up.
async function repeat(what, call) {
  for (;;) {
    if (!document.hidden) await call();
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS[what]));
  }
}

async function list() {
  const answer = await ask("/runs");
  if (!answer.ok) return;
  const found = answer.value;
  const options = found.map((r) => {
    const success = r.success_50 == null ? "" : ` · ${Math.round(100 * r.success_50)} %`;
    return make("option", { value: r.name }, `${r.name} · ${r.state}${success}`);
  });
  $("runs").replaceChildren(...options);
  $("runs").hidden = !found.length;
  if (!found.length) $("run-problem").textContent = "No run yet: sandlot train arm_pick --run first";
  const names = found.map((r) => r.name);
  const next = names.includes(shown) ? shown : names.includes(wanted) ? wanted : names[0] ?? "";
  if (next !== shown) choose(next);
  $("runs").value = shown;
}

function choose(name) {
  shown = name;
  history.replaceState(null, "", name ? `#${encodeURIComponent(name)}` : "/");
  chances = [];
  for (const id of ["figures", "curves", "events", "chance-line", "alarms"]) $(id).replaceChildren();
  for (const id of ["run-problem", "no-chance"]) $(id).textContent = "";
  $("chance").textContent = "–";
  showRun();
  showCurves();
  showNewest();
  showWaiting(shown);
  showEpisodes(shown);
}

// Asks for something of the shown run; null when it failed or another run is shown by now.
async function askRun(what) {
  const run = shown;
  if (!run) return null;
  const answer = await ask(`/runs/${encodeURIComponent(run)}${what}`);
  if (run !== shown) return null;
  return answer;
}

async function showRun() {
  const answer = await askRun("");
  if (!answer) return;
  if (!answer.ok) {
    $("run-problem").textContent = answer.text;
    return showLearner([]);
  }
  const run = answer.value;
  showLearner(run.processes);
  const f = run.figures;
  const percent = (v) => (v == null ? null : `${Math.round(100 * v)} %`);
  const count = (v) => (v == null ? null : Math.round(v).toLocaleString("en"));
  const tiles = [
    [percent(f.success_50), "success, last 50"],
    [f.success_50 == null && f.return_50 != null ? f.return_50.toPrecision(3) : null, "return, last 50"],
    [count(f.env_steps), `of ${count(f.total_steps) ?? "–"} env steps`],
    [count(f.episodes), "episodes"],
    [f.interventions_per_hour?.toFixed(1), "interventions an hour"],
    [percent(f.utilisation_10min), "of the time stepping"],
    [f.updates_per_s?.toFixed(0), "updates a second"],
    [count(f.policy_version), "policy version"],
  ].filter(([value]) => value != null);
  $("figures").replaceChildren(...tiles.map(([value, text]) => make("div", {}, make("b", {}, value), make("span", {}, text))));
  $("alarms").replaceChildren(...run.alarms.map((text) => make("div", { class: "alarm" }, text)));
}

async function showCurves() {
  const answer = await askRun("/curves");
  if (!answer) return;
  $("run-problem").textContent = answer.ok ? "" : answer.text;
  if (!answer.ok) return;
  const parser = new DOMParser();
  $("curves").replaceChildren(...answer.value.charts.map((svg) => {
    const page = parser.parseFromString(svg, "text/html"); // the server's own drawing; its texts are escaped
    return document.importNode(page.querySelector("svg"), true);
  }));
  $("events").textContent = answer.value.events.join("\n") || "none";
}

async function showNewest() {
  const answer = await askRun("/newest");
  if (!answer) return;
  const pictures = Object.entries(answer.value?.pictures ?? {});
  while ($("newest").children.length > pictures.length) $("newest").lastChild.remove();
  pictures.forEach(([camera, jpeg], i) => {
    const figure = $("newest").children[i] ?? $("newest").appendChild(make("figure", {}, make("img"), make("figcaption")));
    figure.firstChild.src = `data:image/jpeg;base64,${jpeg}`;
    figure.firstChild.alt = `camera ${camera}`;
    figure.lastChild.textContent = camera;
  });
  const judged = answer.ok && answer.value.success.length > 0;
  $("chance-figures").toggleAttribute("hidden", !judged);
  $("chance-line").toggleAttribute("hidden", !judged || chances.length < 2);
  if (!judged) {
    $("no-chance").textContent = answer.ok ? answer.value.rule : answer.text;
    return;
  }
  const chance = answer.value.success[0][1];
  if (chances.at(-1)?.[0] !== answer.value.seq) chances = [...chances, [answer.value.seq, chance]].slice(-MOST);
  $("chance").textContent = `${(100 * chance).toFixed(chance > 0.01 && chance < 0.99 ? 0 : 1)} %`;
  const points = chances.map(([, p], i) => `${(240 * i) / (MOST - 1)},${57 - 54 * p}`).join(" ");
  $("chance-line").replaceChildren(make("polyline", { points, fill: "none", stroke: "#2f81f7", "stroke-width": 2,
    "vector-effect": "non-scaling-stroke" }));
  $("no-chance").textContent = "";
}
