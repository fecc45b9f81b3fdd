/** The big button and what stands beside it: the state in words, what to do now, the meter, the controls. */

const STATES = {
  IDLE: ["Resting", "Say something, or type, and I am back."],
  LISTENING: ["Listening", "Your turn: just speak."],
  "LISTENING.hearing": ["Listening", "Go on, I hear you."],
  THINKING: ["Thinking", "Looking for the answer. You may go on speaking."],
  SPEAKING: ["Speaking", "Talk over me whenever you like."],
  INTERRUPT: ["Interrupted", "I heard you. Go on."],
};
const QUIET_DB = -60; // the meter's left end; speech at arm's length is around -30 dBFS
const by = (id) => document.getElementById(id);

export class Stage {
  #parts = Object.fromEntries(
    [
      ...["talk", "talk-label", "state-name", "substate", "hint", "meter"],
      ...["mute", "mute-label", "hang-up", "link"],
    ].map((id) => [id, by(id)]),
  );

  /** Shows where the call stands. */
  show({ link, talking, starting, muted, transport, state, substate, wait_s }) {
    const root = document.documentElement;
    const open = link === "open";
    root.dataset.state = open ? state : "IDLE";
    root.dataset.link = link;
    root.classList.toggle("talking", talking);
    root.classList.toggle("muted", muted);
    root.classList.toggle("starting", starting);
    const [name, hint] = this.#words({ link, talking, starting, muted, state, substate, wait_s });
    this.#say("state-name", name);
    document.title = link === "off" ? "voicechart" : `${name} · voicechart`; // for those who look at another tab
    this.#say("substate", open && !starting ? substate : "");
    this.#say("hint", hint);
    this.#say("link", linkWords(link, talking, transport));
    this.#say("talk-label", talking ? "End call" : "Start talking");
    this.#parts.talk.disabled = starting;
    this.#parts.mute.hidden = !talking;
    this.#parts.mute.setAttribute("aria-pressed", String(muted));
    this.#say("mute-label", muted ? "Unmute" : "Mute");
    this.#parts["hang-up"].hidden = talking || link === "off" || link === "ended"; // the big button does it
  }

  /** Shows how loud the caller and the answer are; both 0 to 1, root mean square. */
  level({ microphone, output }) {
    const heard = scale(microphone);
    this.#parts.meter.style.setProperty("--level", heard.toFixed(3));
    this.#parts.meter.setAttribute("aria-valuenow", String(Math.round(heard * 100)));
    const pulse = document.documentElement.dataset.state === "SPEAKING" ? scale(output) : heard;
    this.#parts.talk.style.setProperty("--level", pulse.toFixed(3));
  }

  #words({ link, talking, starting, muted, state, substate, wait_s }) {
    if (starting) return ["One moment", "Please allow the microphone if your browser asks."];
    if (link === "waiting") return ["Disconnected", `Trying again in ${Math.ceil(wait_s)} s.`];
    if (link === "connecting") return ["Connecting", "Looking for the server."];
    if (link === "ended") return ["Good-bye", "Press the button to begin a new conversation."];
    if (link === "off") return ["Ready", "Press the button and speak. You are answered aloud."];
    const [name, hint] = STATES[`${state}.${substate}`] ?? STATES[state] ?? [state, ""];
    if (muted) return [name, "You are muted: nothing you say is heard."];
    if (!talking && state === "LISTENING") return [name, "Type below, or press the button to speak."];
    if (!talking && state === "SPEAKING") return [name, "Type whenever you like: it interrupts me."];
    return [name, hint];
  }

  #say(id, text) {
    // Only changes are written: a live region would be read out again.
    if (this.#parts[id].textContent !== text) this.#parts[id].textContent = text;
  }
}

function linkWords(link, talking, transport) {
  if (link === "open" && talking) return transport === "webrtc" ? "connected by WebRTC" : "connected by WebSocket";
  return { open: "connected, typing", connecting: "connecting", waiting: "disconnected" }[link] ?? "not connected";
}

/** Loudness to the meter's 0 to 1: ears hear decibels. */
function scale(rms) {
  const db = 20 * Math.log10(Math.max(rms, 1e-6));
  return Math.max(0, Math.min(1, (db - QUIET_DB) / -QUIET_DB));
}
