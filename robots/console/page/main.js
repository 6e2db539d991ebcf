// The page: what is live of the robot, its buttons, and its runs.
import { $, ask, say, wireStop } from "./common.js";
import { live } from "./live.js";
import { runs } from "./runs.js";

const HOLD_MS = 1000;

wireStop();
live();
runs();

document.querySelectorAll("[data-button]").forEach((button) => {
  button.addEventListener("click", async () => {
    const answer = await ask(`/press/${button.dataset.button}`, { post: true });
    say(answer.text, !answer.ok);
  });
});

// Arming takes a second's hold, so that a touch in a pocket or a wrong tap arms nothing.
let held = null;
function hold() {
  if (held !== null) return;
  $("arm").classList.add("held");
  held = setTimeout(async () => {
    release();
    say("Arming …");
    const answer = await ask("/arm", { post: true });
    say(answer.text, !answer.ok);
  }, HOLD_MS);
}
function release() {
  clearTimeout(held);
  held = null;
  $("arm").classList.remove("held");
}
$("arm").addEventListener("pointerdown", hold);
["pointerup", "pointerleave", "pointercancel", "blur"].forEach((name) => $("arm").addEventListener(name, release));
$("arm").addEventListener("contextmenu", (event) => event.preventDefault());
$("arm").addEventListener("keydown", (event) => {
  if ([" ", "Enter"].includes(event.key) && !event.repeat) hold();
});
$("arm").addEventListener("keyup", release);

$("logout").addEventListener("click", async () => {
  await ask("/logout", { post: true });
  location.reload();
});
