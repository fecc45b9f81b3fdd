/** The browser's sound: one context, one way out, and how loud it is on both sides. */

const WORKLETS = ["/static/capture-worklet.js", "/static/player-worklet.js"];

export class Sound {
  #context = null;
  #output = null;
  #microphone = null;
  #source = null;
  #loaded = null;

  get context() {
    return this.#context;
  }

  /** Everything that is heard goes through here, so that it can be measured. */
  get output() {
    return this.#output;
  }

  /** True while the browser holds our sound back until the person touches the page. */
  get blocked() {
    return this.#context?.state === "suspended";
  }

  /** Call it inside a click or key press: elsewhere browsers may keep the context silent. */
  wake() {
    if (this.#context === null) {
      this.#context = new AudioContext({ latencyHint: "interactive" });
      this.#output = analyser(this.#context);
      this.#output.connect(this.#context.destination);
      this.#loaded = Promise.all(WORKLETS.map((url) => this.#context.audioWorklet.addModule(url)));
    }
    // Not awaited: without a gesture the promise stays open until there is one.
    if (this.#context.state !== "running") void this.#context.resume();
    return this.#loaded;
  }

  /** Takes the microphone's stream for the meter and the capture worklet; null lets go of it. */
  hear(stream) {
    this.#source?.disconnect();
    this.#source = null;
    if (stream === null) return null;
    this.#microphone ??= analyser(this.#context);
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#microphone);
    return this.#source;
  }

  /** Root mean square of the last 20 ms or so, 0 to 1. */
  levels() {
    return {
      microphone: this.#source === null ? 0 : rms(this.#microphone),
      output: this.#output === null ? 0 : rms(this.#output),
    };
  }
}

function analyser(context) {
  const node = context.createAnalyser();
  node.fftSize = 1024; // 21 ms at 48 kHz
  return node;
}

function rms(node) {
  const samples = new Float32Array(node.fftSize);
  node.getFloatTimeDomainData(samples);
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}
