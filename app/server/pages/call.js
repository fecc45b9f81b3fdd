/**
 * One conversation: the session, the microphone, and the legs that carry the audio.
 *
 * A socket leg is always there once there is sound (typed sessions are answered over it, and an answer that runs
 * while WebRTC comes up is finished by it); a WebRTC leg joins it when there is a microphone and a way.
 */

import { NoMicrophone, hearsItself, openMicrophone } from "./microphone.js";
import { PlaybackReports } from "./reports.js";
import { Session } from "./session.js";
import { SocketLeg } from "./socket-leg.js";
import { Sound } from "./sound.js";
import { WebRtcLeg } from "./webrtc-leg.js";

const ECHO =
  "Your browser does not take our voice out of what the microphone hears, so it takes a few clear words to interrupt " +
  "an answer. With headphones you can interrupt with a single sound.";
const STORED_TALKING = "voicechart.talking";

export class Call {
  #sound = new Sound();
  #session;
  #reports;
  #element;
  #socketOnly;
  #on;
  #stream = null;
  #source = null;
  #socketLeg = null;
  #webrtcLeg = null;
  #muted = false;
  #starting = false;
  #attempt = 0; // grows with each new line: what an older one still brings is dropped

  /**
   * @param {HTMLAudioElement} element  takes the remote track beside WebAudio
   * @param {boolean} socketOnly  do not try WebRTC
   * @param {{message: Function, link: Function, change: Function, problem: Function}} on
   */
  constructor(element, socketOnly, on) {
    this.#element = element;
    this.#socketOnly = socketOnly || typeof RTCPeerConnection === "undefined";
    this.#on = on;
    this.#session = new Session((message) => this.#take(message), (link, wait) => this.#link(link, wait));
    this.#reports = new PlaybackReports((event, payload) => this.#session.event(event, payload));
  }

  get session() {
    return this.#session;
  }

  get sound() {
    return this.#sound;
  }

  get talking() {
    return this.#stream !== null;
  }

  get starting() {
    return this.#starting;
  }

  get muted() {
    return this.#muted;
  }

  get transport() {
    if (this.#webrtcLeg?.connected) return "webrtc";
    return this.#session.isOpen ? "websocket" : null;
  }

  /** This tab was in a session when it was last here. */
  get wasOpen() {
    return this.#session.id !== null;
  }

  get wasTalking() {
    return sessionStorage.getItem(STORED_TALKING) === "yes";
  }

  /** Asks for the microphone and connects. */
  async start() {
    if (this.#starting || this.talking) return;
    this.#starting = true;
    this.#on.change();
    const opened = this.connect();
    try {
      const stream = await openMicrophone();
      if (await opened) this.#hear(stream);
      else for (const track of stream.getTracks()) track.stop(); // hung up meanwhile
    } catch (error) {
      if (!(error instanceof NoMicrophone)) throw error;
      this.#on.problem("microphone", error.message);
      if (await opened) this.#session.event("mic_denied");
    } finally {
      this.#starting = false;
      this.#on.change();
    }
  }

  /** Connects without a microphone. Returns whether there is a line. */
  async connect() {
    await this.#sound.wake(); // first: a resumed session may begin with audio
    this.#socketLeg ??= new SocketLeg(this.#sound, this.#reports);
    return this.#session.open();
  }

  /** Sends typed words. Returns whether they were sent. */
  async type(text) {
    return (await this.connect()) && this.#session.send({ type: "stt_final", text, confidence: 1 });
  }

  toggleMute() {
    if (!this.talking) return;
    this.#muted = !this.#muted;
    for (const track of this.#stream.getAudioTracks()) track.enabled = !this.#muted;
    this.#session.event(this.#muted ? "mic_muted" : "mic_unmuted");
    this.#on.change();
  }

  hangUp() {
    this.#silence();
    this.#session.hangUp();
    this.#on.change();
  }

  /** The page goes; the session waits for it to come back. */
  leave() {
    this.#webrtcLeg?.close();
    this.#session.leave();
  }

  #hear(stream) {
    this.#stream = stream;
    this.#source = this.#sound.hear(stream);
    sessionStorage.setItem(STORED_TALKING, "yes");
    this.#on.problem("microphone", null);
    this.#tellMicrophone();
    for (const track of stream.getAudioTracks()) track.onended = () => this.#unplugged();
    void this.#carry();
  }

  /** A server that is told of the echo does not take its own voice for the caller's. */
  #tellMicrophone() {
    const echo = hearsItself(this.#stream);
    this.#session.event("mic_opened", { echo_cancellation: !echo });
    this.#on.problem("echo", echo ? ECHO : null);
  }

  #unplugged() {
    this.#letGoOfMicrophone();
    this.#session.event("mic_denied");
    this.#on.problem("microphone", "The microphone is gone. Plug it in and press the button again, or type.");
    this.#on.change();
  }

  /** Finds a way for the microphone: WebRTC, else the socket. */
  async #carry() {
    const attempt = ++this.#attempt;
    if (!this.#socketOnly && (await this.#carryByWebRtc(attempt))) return this.#on.change();
    if (attempt !== this.#attempt || !this.talking) return;
    this.#socketLeg.keepMicrophone();
    this.#socketLeg.sendMicrophone(this.#source, this.#session);
    this.#on.change();
  }

  async #carryByWebRtc(attempt) {
    const leg = new WebRtcLeg(this.#sound, this.#reports, this.#element);
    this.#webrtcLeg = leg; // at once: marks may come before the browser tells that it is connected
    try {
      await leg.connect(this.#stream, this.#session, () => this.#webRtcLost(leg));
    } catch (error) {
      console.info("talking over the WebSocket instead:", error.message);
      if (leg === this.#webrtcLeg) this.#dropWebRtc();
      return false;
    }
    if (attempt !== this.#attempt) return false; // whoever made the newer attempt has closed this leg
    this.#socketLeg.keepMicrophone();
    return true;
  }

  #webRtcLost(leg) {
    if (leg !== this.#webrtcLeg) return;
    this.#dropWebRtc();
    // By a new connection first: the network may have changed, and the offer alone makes the server let go of the old.
    void this.#carry();
  }

  #link(link, wait_s) {
    if (link === "waiting") {
      this.#attempt++;
      this.#dropWebRtc();
      this.#socketLeg?.drop();
      this.#socketLeg?.keepMicrophone();
      this.#reports.lineLost();
    } else if (link === "ended") {
      this.#silence();
      this.#reports.forget();
    } else if (link === "open" && this.talking) {
      this.#tellMicrophone();
      void this.#carry();
    }
    this.#on.link(link, wait_s);
  }

  #take(message) {
    const { type, payload } = message;
    const legs = [this.#socketLeg, this.#webrtcLeg].filter((leg) => leg !== null);
    if (type === "tts_chunk") this.#socketLeg?.chunk(payload);
    if (type === "mark") this.#webrtcLeg?.mark(payload);
    if (type === "playout") {
      const done = Promise.all(legs.map((leg) => leg.playout(payload.action, payload.turn)));
      if (payload.action === "stop") void done.then(() => this.#reports.cut(payload.turn));
    }
    this.#on.message(message);
  }

  #silence() {
    this.#attempt++;
    this.#dropWebRtc();
    this.#socketLeg?.close();
    this.#socketLeg = null;
    this.#letGoOfMicrophone();
  }

  #letGoOfMicrophone() {
    this.#dropWebRtc();
    this.#socketLeg?.keepMicrophone();
    sessionStorage.removeItem(STORED_TALKING);
    if (this.#stream === null) return;
    for (const track of this.#stream.getTracks()) track.stop(); // the browser's red light goes out
    this.#sound.hear(null);
    this.#stream = this.#source = null;
    this.#muted = false;
  }

  #dropWebRtc() {
    this.#webrtcLeg?.close();
    this.#webrtcLeg = null;
  }
}
