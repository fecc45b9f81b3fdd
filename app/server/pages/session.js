/**
 * The line to the server: one session and its WebSocket, which is reopened when it breaks.
 *
 * The session outlives the socket: its id is kept for this tab, so that a reload, or a server that was away for a
 * moment, finds the same conversation again.
 */

const STORED = "voicechart.session";
// At once, for another server may be there to go on; the session is kept for a minute: ten tries fit into it.
const BACKOFF_S = [0.1, 0.5, 1, 2, 4, 8];
const GOODBYE_S = 2; // longest wait for the server to close after a hang-up
const NORMAL_CLOSURE = 1000; // RFC 6455, section 7.4.1: the server let the client go
const REFUSED = 1008; // the same section: the server will not have this client
const OUR_OWN = 4000; // and from here on, section 7.4.2: it said why, for one that another tab took over
const MOST_UNSENT = 64 * 1024; // bytes; two seconds of microphone: more delay than anyone wants to be answered with

export class Session {
  #identity = readStored();
  #socket = null;
  #ready = false; // the `session` message came: the server takes ours from then on
  #attempts = 0;
  #retry = null;
  #over = true; // nothing is wanted of the server
  #ended = false; // the server said that the session is ended
  #waiting = [];
  #last = null; // the id of the last message, from which the server goes on after a break
  #onMessage;
  #onLink;

  /**
   * @param {(message: object) => void} onMessage  each message of the server, in order
   * @param {(link: "connecting"|"open"|"waiting"|"ended", retryInS: number) => void} onLink
   */
  constructor(onMessage, onLink) {
    this.#onMessage = onMessage;
    this.#onLink = onLink;
  }

  get id() {
    return this.#identity?.session_id ?? null;
  }

  get isOpen() {
    return this.#ready;
  }

  /** Returns once the server has greeted us, however many tries that takes; false: it ended before that. */
  open() {
    if (this.#ready) return Promise.resolve(true);
    const greeted = new Promise((resolve) => this.#waiting.push(resolve));
    if (this.#over) {
      this.#over = this.#ended = false;
      void this.#connect();
    }
    return greeted;
  }

  /** Sends a message; false when there is no line, and it was not sent. */
  send(message) {
    if (!this.#ready) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  event(name, payload = {}) {
    const timestamp = Date.now() / 1000;
    return this.send({ type: "webrtc_event", event_type: `voice.webrtc.${name}`, timestamp, payload });
  }

  /** Sends microphone audio; when the line is too slow for it, the newest is thrown away. */
  sendAudio(pcm) {
    if (this.#ready && this.#socket.bufferedAmount < MOST_UNSENT) this.#socket.send(pcm);
  }

  /** Returns the server's answer to an SDP offer. Throws when it gives none. */
  async offer({ sdp, type }) {
    return post(`/sessions/${this.id}/offer`, { sdp, type });
  }

  /** Returns what was said so far, turn by turn; nothing if it cannot be had. */
  async turns() {
    try {
      const response = await fetch(`/sessions/${this.id}/turns`);
      return response.ok ? await response.json() : [];
    } catch {
      return []; // the server may go before its answer, or in the middle of it
    }
  }

  /** One message as it came, from the socket or from a data channel. */
  receive(text) {
    const message = JSON.parse(text);
    if (message.type === "session") this.#greeted();
    if (message.id !== undefined) this.#last = message.id;
    const payload = message.payload;
    if (payload?.state !== undefined) this.#ended = payload.state === "IDLE" && payload.substate === "ended";
    this.#onMessage(message);
  }

  /** Ends the session. The server's goodbye is not waited for: the next press begins a new one. */
  hangUp() {
    const said = this.send({ type: "hangup" });
    const socket = this.#socket;
    if (socket !== null) {
      socket.onmessage = socket.onclose = null;
      setTimeout(() => socket.close(), said ? GOODBYE_S * 1000 : 0);
    }
    this.#finish();
  }

  /** The page goes, the session stays. */
  leave() {
    this.#over = true;
    clearTimeout(this.#retry);
    this.#socket?.close();
  }

  tryNow() {
    if (this.#retry === null) return;
    clearTimeout(this.#retry);
    this.#retry = null;
    void this.#connect();
  }

  async #connect() {
    this.#onLink("connecting", 0);
    try {
      this.#identity ??= await post("/sessions", {});
    } catch {
      return this.#over ? undefined : this.#lost();
    }
    if (this.#over) return; // hung up meanwhile
    sessionStorage.setItem(STORED, JSON.stringify(this.#identity));
    const query = new URLSearchParams({ session_id: this.#identity.session_id });
    if (this.#identity.token) query.set("token", this.#identity.token);
    if (this.#last !== null) query.set("after", this.#last);
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws/orchestrate?${query}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.receive(data);
    socket.onclose = ({ code }) => this.#closed(code);
    this.#socket = socket;
  }

  #greeted() {
    this.#ready = true;
    this.#attempts = 0;
    this.#onLink("open", 0);
    for (const resolve of this.#waiting.splice(0)) resolve(true);
  }

  #closed(code) {
    this.#ready = false;
    if (this.#ended || code === NORMAL_CLOSURE || code === REFUSED || code >= OUR_OWN) this.#finish();
    else if (!this.#over) this.#lost();
  }

  #lost() {
    const most = BACKOFF_S[Math.min(this.#attempts++, BACKOFF_S.length - 1)];
    const wait = most * (0.75 + Math.random() / 4); // so that not all pages come back at the same moment
    this.#onLink("waiting", wait);
    this.#retry = setTimeout(() => this.tryNow(), wait * 1000);
  }

  #finish() {
    this.#over = true;
    this.#ready = false;
    clearTimeout(this.#retry);
    this.#retry = this.#identity = this.#socket = this.#last = null;
    sessionStorage.removeItem(STORED);
    for (const resolve of this.#waiting.splice(0)) resolve(false);
    this.#onLink("ended", 0);
  }
}

async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`POST ${path}: ${response.status}`);
  return response.json();
}

function readStored() {
  try {
    const identity = JSON.parse(sessionStorage.getItem(STORED));
    return /^[0-9a-f-]{36}$/.test(identity?.session_id) ? identity : null;
  } catch {
    return null; // somebody else's value: begin a new session
  }
}
