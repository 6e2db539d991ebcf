// Requests to the server, and the stop button that every page of ours has.
export const $ = (id) => document.getElementById(id);

const csrf = document.querySelector("meta[name=csrf]")?.content ?? "";

// An answer as {ok, text, ...}; never throws: a page that cannot reach its server says so and goes on.
export async function ask(path, { post = false, body = null, within_ms = 20000 } = {}) {
  const options = { method: post ? "POST" : "GET", signal: AbortSignal.timeout(within_ms), cache: "no-store" };
  if (post) options.headers = { "X-CSRF-Token": csrf };
  if (body) options.body = JSON.stringify(body);
  try {
    const response = await fetch(path, options);
    if (response.status === 401) location.reload();
    const value = await response.json();
    return response.ok ? { ok: true, value, text: value.text ?? "" } : { ok: false, text: value.text ?? "failed" };
  } catch {
    return { ok: false, unreachable: true, text: "the page's server does not answer" };
  }
}

// One element: make("td", {class: "x"}, "text", child, ...). Text is never taken for HTML.
export function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "polyline", "rect", "line"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

export function say(text, bad = false) {
  $("said").textContent = text;
  $("said").className = bad ? "bad" : "";
}

// Sends the stop until somebody confirms it: for as long as it takes, once a second.
let stopping = false;
export async function stop() {
  if (stopping) return;
  stopping = true;
  $("stop").classList.add("busy");
  say("Stopping …");
  for (let tries = 1; ; tries++) {
    const answer = await ask("/stop", { post: true, within_ms: 12000 });
    if (answer.ok) {
      say(`Stopped: ${answer.text}.`);
      break;
    }
    const hardware = answer.unreachable ? " USE THE HARDWARE BUTTON." : "";
    say(`NOT CONFIRMED: ${answer.text}.${hardware}`, true);
    if (!answer.unreachable || tries >= 60) break;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  $("stop").classList.remove("busy");
  stopping = false;
}

export function wireStop() {
  $("stop").addEventListener("pointerdown", stop);
  $("stop").addEventListener("click", stop);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") stop();
  });
}
