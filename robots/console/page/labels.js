// Frames that the run's classifier was not sure of: a person says what they show, one after the other.
import { $, ask, make, say } from "./common.js";

let run = "";
let frames = [];
let skipped = new Set();
let drawn = "";

export async function showWaiting(name) {
  if (name !== run) [run, frames, skipped] = [name, [], new Set()];
  const answer = run ? await ask(`/runs/${encodeURIComponent(name)}/waiting`) : { ok: false };
  if (name !== run) return;
  frames = answer.ok ? answer.value.frames : [];
  draw(answer.ok ? answer.value.classes : []);
}

function draw(classes) {
  const left = frames.filter((frame) => !skipped.has(frame.name));
  $("waiting").hidden = !left.length;
  $("waiting-count").textContent = frames.length === 1 ? "one frame" : `${frames.length} frames`;
  const frame = left[0];
  if (!frame || frame.name === drawn) {
    if (!frame) drawn = "";
    return;
  }
  drawn = frame.name;
  const path = `/runs/${encodeURIComponent(run)}/waiting/${encodeURIComponent(frame.name)}`;
  $("waiting-pictures").replaceChildren(...frame.cameras.map((camera) => make("figure", {},
    make("img", { src: `${path}/${encodeURIComponent(camera)}.jpg`, alt: `camera ${camera}` }),
    make("figcaption", {}, make("b", {}, camera)))));
  $("waiting-note").textContent = `It said ${Math.round(100 * frame.p_success)} %. What does it show?`;
  const buttons = classes.map((label) => {
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", async () => {
      const answer = await ask(path, { post: true, body: { label } });
      say(answer.text, !answer.ok);
      if (answer.ok) next(frame, classes);
    });
    return button;
  });
  const skip = make("button", { type: "button", class: "quiet" }, "Skip");
  skip.addEventListener("click", () => next(frame, classes));
  $("waiting-labels").replaceChildren(...buttons, skip);
}

function next(frame, classes) {
  skipped.add(frame.name);
  frames = frames.filter((f) => f !== frame);
  draw(classes);
}
