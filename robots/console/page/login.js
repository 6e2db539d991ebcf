// Logs in: with the token behind the # of the address, which no server and no log ever sees, or by hand.
import { $, ask, wireStop } from "./common.js";

async function login(token) {
  $("refused").textContent = "";
  const answer = await ask("/login", { post: true, body: { token } });
  if (answer.ok) location.replace("/");
  else $("refused").textContent = answer.text;
}

wireStop();
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  login($("token").value.trim());
});
function loginByAddress() {
  const token = location.hash.slice(1);
  if (!token) return;
  history.replaceState(null, "", "/");
  login(token);
}
addEventListener("hashchange", loginByAddress);
loginByAddress();
