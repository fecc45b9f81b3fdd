/**
 * Changes the rate of a stream of samples.
 *
 * The microphone is heard at the sound card's rate and wanted at 16 kHz; voices speak at 22.05 or 24 kHz and are
 * played at the sound card's. An AudioContext at the wanted rate would do both, but Firefox refuses to connect a
 * microphone to a context of another rate, and one context for everything keeps one clock.
 */

const ZERO_CROSSINGS = 12; // a side; 24 leave images and aliases below -60 dB, which speech does not need bettered
const PHASES = 256; // steps between two input samples at which the kernel is tabulated
const ROLL_OFF = 0.92; // of the lower Nyquist frequency, so that the filter's slope ends before it

export class Resampler {
  #step;
  #half;
  #kernels;
  #held;
  #at;

  /** @param {number} fromHz  @param {number} toHz */
  constructor(fromHz, toHz) {
    const cutoff = Math.min(1, toHz / fromHz) * (fromHz === toHz ? 1 : ROLL_OFF);
    this.#step = fromHz / toHz;
    this.#half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.#kernels = tabulate(cutoff, this.#half);
    this.#held = new Float32Array(this.#half); // the silence before the first sample
    this.#at = this.#half;
  }

  /** Returns what can be told from the samples so far; half a kernel stays behind until more come. */
  push(samples) {
    const input = new Float32Array(this.#held.length + samples.length);
    input.set(this.#held);
    input.set(samples, this.#held.length);
    const room = Math.max(0, Math.ceil((input.length - this.#half - this.#at) / this.#step));
    const output = new Float32Array(room);
    let made = 0;
    for (; made < room && Math.floor(this.#at) + this.#half < input.length; made++, this.#at += this.#step) {
      output[made] = this.#sampleAt(input);
    }
    const done = Math.floor(this.#at) - this.#half;
    this.#held = input.slice(done);
    this.#at -= done;
    return output.subarray(0, made);
  }

  /** Returns the rest of the stream, which ends here. */
  flush() {
    return this.push(new Float32Array(this.#half));
  }

  #sampleAt(input) {
    const whole = Math.floor(this.#at);
    const kernel = this.#kernels[Math.round((this.#at - whole) * PHASES)];
    const first = whole - this.#half + 1;
    let sum = 0;
    for (let tap = 0; tap < kernel.length; tap++) sum += kernel[tap] * input[first + tap];
    return sum;
  }
}

/** One windowed-sinc kernel for each phase, each scaled so that silence stays silent and a level stays that level. */
function tabulate(cutoff, half) {
  return Array.from({ length: PHASES + 1 }, (_, phase) => {
    const kernel = new Float32Array(2 * half);
    let sum = 0;
    for (let tap = 0; tap < kernel.length; tap++) {
      const distance = tap - half + 1 - phase / PHASES;
      const x = Math.PI * distance * cutoff;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / (half + 1)); // Hann
      kernel[tap] = (x === 0 ? 1 : Math.sin(x) / x) * window;
      sum += kernel[tap];
    }
    return kernel.map((value) => value / sum);
  });
}
