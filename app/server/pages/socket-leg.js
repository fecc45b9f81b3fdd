/**
 * Audio over the WebSocket: the way for browsers and networks without WebRTC, and for typed sessions.
 *
 * A leg carries audio one way or both and obeys the server's messages: `chunk`, `mark`, `playout`, `drop`, `close`.
 * What it played it tells the reports.
 */

import { Resampler } from "./resample.js";

const WAY = "websocket";
const DUCKED = 0.2; // -14 dB: clearly behind the caller's voice, still to be followed
const DUCK_S = 0.015; // time constants of the ramps: quick to give way, gentle to come back
const RESUME_S = 0.04;

export class SocketLeg {
  #sound;
  #reports;
  #player;
  #gain;
  #capture = null;
  #source = null;
  #streams = new Map(); // by key: the resampler, and how many samples of which rate were given
  #stopped = -1; // the newest turn that was stopped: what still arrives of turns before it is thrown away,
  #gone = new Set(); // and of it what had begun; after a filler that was stopped its answer may still come
  #newest = null;
  #answers = new Map();
  #token = 0;

  constructor(sound, reports) {
    this.#sound = sound;
    this.#reports = reports;
    this.#player = new AudioWorkletNode(sound.context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#gain = sound.context.createGain();
    this.#player.connect(this.#gain).connect(sound.output);
    this.#player.port.onmessage = ({ data }) => this.#told(data);
  }

  /** Sends the microphone over the socket from now on. */
  sendMicrophone(source, session) {
    this.#capture = new AudioWorkletNode(this.#sound.context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    this.#capture.port.onmessage = ({ data }) => session.sendAudio(data);
    this.#source = source;
    source.connect(this.#capture);
  }

  chunk({ audio_base64, sample_rate, turn, kind, is_final }) {
    const key = `${turn}/${kind}`;
    if (turn < this.#stopped || this.#gone.has(key)) return;
    const stream = this.#stream(key, turn, sample_rate);
    const samples = decode(audio_base64);
    stream.given += samples.length;
    this.#give(key, stream.resampler.push(samples));
    if (is_final) {
      this.#give(key, stream.resampler.flush());
      this.#player.port.postMessage({ end: key });
    }
  }

  mark() {} // marks are times of WebRTC's clock

  /** Returns when it is done and what had been played is told. */
  async playout(action, turn) {
    if (action === "duck") this.#ramp(DUCKED, DUCK_S);
    if (action === "pause") this.#player.port.postMessage({ pause: true });
    if (action === "resume") {
      this.#player.port.postMessage({ pause: false });
      this.#ramp(1, RESUME_S);
    }
    if (action === "stop") await this.#stop(turn);
  }

  /** Throws away what is buffered: the line broke, and the server will send it again. */
  drop() {
    this.#streams.clear();
    this.#newest = null;
    this.#player.port.postMessage({ clear: true });
    this.#ramp(1, DUCK_S);
  }

  close() {
    this.drop();
    this.#player.disconnect();
    this.keepMicrophone();
  }

  /** Sends the microphone no more. */
  keepMicrophone() {
    if (this.#capture === null) return;
    this.#source.disconnect(this.#capture);
    this.#capture.port.onmessage = null;
    this.#capture = null;
  }

  #stream(key, turn, rate) {
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = { resampler: new Resampler(rate, this.#sound.context.sampleRate), rate, given: 0 };
      this.#streams.set(key, stream);
    }
    if (turn !== this.#newest) {
      this.#newest = turn; // a new turn starts at full gain
      this.#player.port.postMessage({ pause: false });
      this.#ramp(1, DUCK_S);
    }
    return stream;
  }

  #give(key, samples) {
    this.#player.port.postMessage({ play: key, samples: samples.slice() });
  }

  async #stop(turn) {
    if (turn > this.#stopped) this.#gone.clear();
    this.#stopped = Math.max(this.#stopped, turn);
    const keys = [...this.#streams.keys()].filter((key) => turnOf(key) <= turn);
    for (const key of keys) this.#gone.add(key);
    if (keys.length === 0) return; // this turn did not come this way
    const token = ++this.#token;
    const answered = new Promise((resolve) => this.#answers.set(token, resolve));
    this.#player.port.postMessage({ stop: keys, token });
    this.#tellPlayed(await answered);
    for (const key of keys) this.#streams.delete(key);
  }

  #told({ played, finished, frames, token }) {
    if (token !== undefined) {
      this.#answers.get(token)?.(played);
      this.#answers.delete(token);
    } else if (finished !== undefined) {
      const [turn, kind] = split(finished);
      // The resampler's rounding is not the server's business: all of it is exactly what was given.
      this.#reports.finished(WAY, turn, kind, this.#given(finished, frames));
      this.#streams.delete(finished);
    } else {
      this.#tellPlayed(played);
    }
  }

  #tellPlayed(played) {
    for (const [key, frames] of Object.entries(played)) {
      const [turn, kind] = split(key);
      const seconds = frames / this.#sound.context.sampleRate;
      this.#reports.position(WAY, turn, kind, Math.min(seconds, this.#given(key, frames)));
    }
  }

  /** Seconds of audio that came for this key; what was played of it, if it is gone. */
  #given(key, frames) {
    const stream = this.#streams.get(key);
    return stream === undefined ? frames / this.#sound.context.sampleRate : stream.given / stream.rate;
  }

  #ramp(level, time_constant) {
    const now = this.#sound.context.currentTime;
    this.#gain.gain.cancelScheduledValues(now);
    this.#gain.gain.setTargetAtTime(level, now, time_constant);
  }
}

function turnOf(key) {
  return split(key)[0];
}

function split(key) {
  const [turn, kind] = key.split("/");
  return [Number(turn), kind];
}

/** Base64 of s16le to samples between -1 and 1. */
function decode(base64) {
  const bytes = Uint8Array.from(atob(base64 ?? ""), (char) => char.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, at) => view.getInt16(2 * at, true) / 32768);
}
