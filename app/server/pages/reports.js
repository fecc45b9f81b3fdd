/**
 * Tells the server how much of each turn was played: what was heard is what was said.
 *
 * A turn's audio may come by two ways (it moves from the socket to WebRTC when that comes up) and in two halves (the
 * line broke: the server goes on from what we last reported). Each way tells its own seconds; the sum is reported.
 */

const PROGRESS_EVERY_S = 0.5;
const STORED = "voicechart.played";

export class PlaybackReports {
  #send;
  #running = new Map();
  #last = readStored();

  /** @param {(event: string, payload: object) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** So many seconds of this turn and kind were played by `way` so far. */
  position(way, turn, kind, seconds) {
    const entry = this.#entry(turn, kind);
    entry.ways[way] = seconds;
    const total = played(entry);
    if (!entry.started && seconds > 0) {
      entry.started = true;
      this.#report("playback_started", entry, total);
    } else if (total - entry.reported >= PROGRESS_EVERY_S) {
      this.#report("playback_progress", entry, total);
    }
  }

  /** All of this turn and kind was played. */
  finished(way, turn, kind, seconds) {
    const entry = this.#entry(turn, kind);
    entry.ways[way] = seconds;
    this.#close(entry);
  }

  /** Playing of this turn was stopped; the positions given before are the truth. */
  cut(turn) {
    const open = [...this.#running.values()].filter((entry) => entry.turn === turn);
    for (const entry of open.length > 0 ? open : [this.#entry(turn, "answer")]) this.#close(entry);
  }

  /** The line broke and all buffers were dropped: what comes now follows what was last reported. */
  lineLost() {
    this.#running.clear();
  }

  /** The session is over. */
  forget() {
    this.lineLost();
    this.#last = null;
    sessionStorage.removeItem(STORED);
  }

  #entry(turn, kind) {
    const key = `${turn}/${kind}`;
    let entry = this.#running.get(key);
    if (entry === undefined) {
      const before = this.#last?.key === key ? this.#last.played_s : 0;
      entry = { key, turn, kind, before, reported: before, ways: {}, started: false };
      this.#running.set(key, entry);
    }
    return entry;
  }

  #close(entry) {
    this.#report("playback_done", entry, played(entry));
    this.#running.delete(entry.key);
  }

  #report(event, entry, total) {
    entry.reported = total;
    // Rounded up: a thousandth less than was sent would mean that the end was cut off.
    const played_s = Math.ceil(total * 1000 - 1e-6) / 1000;
    this.#last = { key: entry.key, played_s };
    sessionStorage.setItem(STORED, JSON.stringify(this.#last)); // a reloaded page goes on from here
    this.#send(event, { turn: entry.turn, kind: entry.kind, played_s });
  }
}

function played(entry) {
  return Object.values(entry.ways).reduce((sum, seconds) => sum + seconds, entry.before);
}

function readStored() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED));
  } catch {
    return null; // somebody else's value: begin from nothing
  }
}
