/** The talk page: joins the call with what is seen of it. */

import { Call } from "./call.js";
import { Chart } from "./chart.js";
import { Notices } from "./notices.js";
import { Stage } from "./stage.js";
import { Transcript } from "./transcript.js";

const LEVEL_EVERY_MS = 50;
const AUDIBLE = 0.003; // root mean square, -50 dBFS: below it there is nothing to hear
const SETTLE_MS = [250, 1500]; // after a turn; the server waits up to a second for the report of what was heard
const BLOCKED_MS = 1000; // a context that may sound does so sooner
const WIDE = matchMedia("(min-width: 60rem)");
const by = (id) => document.getElementById(id);

const stage = new Stage();
const chart = new Chart(by("chart"), by("chart-caption"));
const transcript = new Transcript(by("transcript"), by("empty"), by("scroll"));
const notices = new Notices(by("notices"));
const forced = new URLSearchParams(location.search).get("transport") === "ws";
const problem = (topic, text) => notices.show(topic, text);
const call = new Call(by("remote"), forced, { message: take, link, change: show, problem });

const now = { link: "off", wait_s: 0, state: "IDLE", substate: "", turn: 0 };
const heard = { seconds: 0, peak: 0, level: 0, microphone: 0 };
let countdown = null;
let blocked_ms = 0;

function show() {
  const { talking, starting, muted, transport } = call;
  stage.show({ ...now, talking, starting, muted, transport });
}

function link(state, wait_s) {
  clearInterval(countdown);
  now.link = state;
  now.wait_s = wait_s;
  if (state === "waiting") {
    const again = { label: "Try now", run: () => call.session.tryNow() };
    notices.show("server", "The server is gone. Your conversation is kept, and I keep trying to reach it.", again);
    countdown = setInterval(() => {
      now.wait_s = Math.max(0, now.wait_s - 1);
      show();
    }, 1000);
  } else if (state === "open" || state === "ended") {
    notices.show("server", null);
    if (state === "open") notices.show("error", null);
  }
  if (state === "ended") {
    transcript.forgetUnfinished();
    chart.show({ state: "IDLE", from: now.state });
    Object.assign(now, { state: "IDLE", substate: "", turn: 0 });
  }
  show();
}

/** One message of the server. */
function take(message) {
  const { type, payload } = message;
  if (type === "session") changed(payload, null);
  else if (type === "orchestrator_state") changed(payload, payload.old_state ?? null);
  else if (type === "stt_partial" || type === "stt_final") {
    transcript.words({ ...message, final: type === "stt_final" });
  } else if (type === "answer") transcript.sentence(payload);
  else if (type === "withdrawn") transcript.withdraw(payload.turn);
  else if (type === "error") notices.show("error", message.message || `The server reports an error (${message.code}).`);
}

function changed({ state, substate, turn }, from) {
  const answered = from === "SPEAKING" || from === "INTERRUPT" || from === "THINKING";
  Object.assign(now, { state, substate: substate ?? "", turn });
  chart.show({ state, substate: substate ?? "", from });
  if (state === "SPEAKING" || (state === "LISTENING" && substate === "quiet")) transcript.forgetUnfinished();
  if (from === null || (answered && from !== state)) for (const delay of SETTLE_MS) setTimeout(settle, delay);
  show();
}

/** Asks the server what it knows of the turns: what of an answer was heard is decided there. */
async function settle() {
  if (!call.session.isOpen) return;
  const { id } = call.session;
  const turns = await call.session.turns();
  const answering = now.state === "SPEAKING" || now.state === "INTERRUPT" || now.state === "THINKING";
  if (id !== call.session.id) return; // hung up meanwhile
  for (const turn of turns) {
    // What is still being said is not settled; a reloaded page shows it nevertheless.
    if (turn.turn !== now.turn || !answering || !transcript.has(turn.turn)) transcript.settle(turn);
  }
}

async function toggle() {
  if (call.talking) return call.hangUp();
  beginAnew();
  await call.start();
}

async function type(text) {
  if (now.link === "waiting") return call.session.tryNow(); // the words stay where they are, a notice says why
  beginAnew();
  by("words").value = "";
  if (!(await call.type(text))) by("words").value = text;
}

function beginAnew() {
  if (now.link === "ended") transcript.clear();
}

by("talk").addEventListener("click", () => void toggle());
by("mute").addEventListener("click", () => call.toggleMute());
by("hang-up").addEventListener("click", () => call.hangUp());
by("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = by("words").value.trim();
  if (text !== "") void type(text);
});
by("chips").addEventListener("click", ({ target }) => {
  if (target instanceof HTMLButtonElement) void type(target.textContent);
});
document.addEventListener("keydown", (event) => {
  const busy = event.target instanceof Element && event.target.closest("input, button, summary, a");
  if (busy || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.code === "Space") {
    event.preventDefault(); // or the page scrolls
    void toggle();
  } else if (event.code === "KeyM") {
    call.toggleMute();
  }
});
for (const gesture of ["pointerdown", "keydown"]) {
  document.addEventListener(gesture, () => call.sound.blocked && void call.sound.wake());
}
window.addEventListener("online", () => call.session.tryNow());
window.addEventListener("pagehide", () => call.leave());
window.addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

setInterval(() => {
  const { microphone, output } = call.sound.levels();
  stage.level({ microphone: call.muted ? 0 : microphone, output });
  Object.assign(heard, { level: output, microphone, peak: Math.max(heard.peak, output) });
  if (output > AUDIBLE) heard.seconds += LEVEL_EVERY_MS / 1000;
  blocked_ms = call.sound.blocked && now.link === "open" ? blocked_ms + LEVEL_EVERY_MS : 0;
  notices.show("sound", blocked_ms > BLOCKED_MS ? "Click anywhere to hear the answers." : null);
}, LEVEL_EVERY_MS);

/** What the page knows, to be read by tests. */
Object.defineProperty(window, "voicechart", {
  get: () => ({
    ...now,
    session: call.session.id,
    talking: call.talking,
    transport: call.transport,
    heard: { ...heard },
    notices: notices.texts(),
    transcript: transcript.entries(),
  }),
});

by("chart-box").open = WIDE.matches;
show();
chart.show(now);
void chart.load();
// A reload finds its conversation again; the microphone too, if the browser still grants it without asking.
if (call.wasOpen) void (call.wasTalking ? call.start() : call.connect());
