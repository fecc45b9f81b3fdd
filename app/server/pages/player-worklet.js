/**
 * On the audio thread: plays what it is given, and knows to the sample how much of it was played.
 *
 * Takes `{play: key, samples}`, `{end: key}` (no more of this key), `{pause: bool}`, `{stop: [key…], token}` and
 * `{clear: true}`. Tells `{played: {key: frames}}` while it plays, `{finished: key, frames}`, and for a stop
 * `{token, played}`: what had been played of what was stopped.
 */

const TELL_EVERY = 2400; // frames; 50 ms at 48 kHz
const MOST_HELD_S = 30; // the server sends one second ahead; past this the newest is not taken, hence never counted

class Player extends AudioWorkletProcessor {
  #queue = [];
  #held = 0;
  #paused = false;
  #played = new Map();
  #sinceTold = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#take(data);
  }

  #take(order) {
    if (order.play !== undefined && this.#held < MOST_HELD_S * sampleRate) {
      this.#queue.push({ key: order.play, samples: order.samples, at: 0 });
      this.#held += order.samples.length;
      if (!this.#played.has(order.play)) this.#played.set(order.play, 0);
    } else if (order.end !== undefined) {
      this.#queue.push({ key: order.end, samples: null, at: 0 });
    } else if (order.pause !== undefined) {
      this.#paused = order.pause;
    } else if (order.stop !== undefined) {
      this.#stop(order);
    } else if (order.clear) {
      this.#queue = [];
      this.#held = 0;
      this.#paused = false;
      this.#played.clear();
    }
  }

  #stop({ stop, token }) {
    const keys = new Set(stop);
    const played = Object.fromEntries([...this.#played].filter(([key]) => keys.has(key)));
    this.#queue = this.#queue.filter((piece) => !keys.has(piece.key));
    this.#held = this.#queue.reduce((sum, piece) => sum + (piece.samples ? piece.samples.length - piece.at : 0), 0);
    for (const key of keys) this.#played.delete(key);
    this.#paused = false;
    this.port.postMessage({ token, played });
  }

  process(_inputs, [[out]]) {
    let filled = 0;
    while (!this.#paused && this.#queue.length > 0 && filled < out.length) {
      const piece = this.#queue[0];
      if (piece.samples === null) {
        this.#finish(piece.key);
        continue;
      }
      const take = Math.min(out.length - filled, piece.samples.length - piece.at);
      out.set(piece.samples.subarray(piece.at, piece.at + take), filled);
      filled += take;
      piece.at += take;
      this.#held -= take;
      this.#played.set(piece.key, this.#played.get(piece.key) + take);
      if (piece.at === piece.samples.length) this.#queue.shift();
    }
    this.#tell(filled);
    return true;
  }

  #finish(key) {
    this.#queue.shift();
    this.port.postMessage({ finished: key, frames: this.#played.get(key) ?? 0 });
    this.#played.delete(key);
  }

  #tell(filled) {
    if (filled === 0) return;
    // The first word of a key is told at once: it is the report that playback has started.
    const first = [...this.#played.values()].some((frames) => frames > 0 && frames <= filled);
    this.#sinceTold += filled;
    if (!first && this.#sinceTold < TELL_EVERY) return;
    this.#sinceTold = 0;
    this.port.postMessage({ played: Object.fromEntries(this.#played) });
  }
}

registerProcessor("player", Player);
