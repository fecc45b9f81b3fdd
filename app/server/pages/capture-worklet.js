/** On the audio thread: turns the microphone into 20 ms frames of s16le, 16 kHz. */

import { Resampler } from "./resample.js";

const WIRE_HZ = 16000;
const FRAME = WIRE_HZ / 50; // 20 ms: what WebRTC would send as well

class Capture extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate, WIRE_HZ);
  #frame = new Int16Array(FRAME);
  #filled = 0;

  process([[samples]]) {
    if (samples === undefined) return true; // nothing connected yet
    for (const sample of this.#resampler.push(samples)) {
      this.#frame[this.#filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.#filled === FRAME) this.#post();
    }
    return true;
  }

  #post() {
    const full = this.#frame;
    this.#frame = new Int16Array(FRAME);
    this.#filled = 0;
    this.port.postMessage(full.buffer, [full.buffer]);
  }
}

registerProcessor("capture", Capture);
