/**
 * Audio over WebRTC, both ways.
 *
 * The server says between which RTP timestamps a turn's audio lies, and the receiver says which timestamp is being
 * played: the difference is what was heard, to a few milliseconds, whatever the jitter buffer does.
 */

const WAY = "webrtc";
const RTP_HZ = 48000; // Opus, RFC 7587 section 4.1
const CONNECT_S = 5; // then the WebSocket is the better way
const GATHER_S = 1; // host candidates take 0.15 s; a stalled one is not waited for
const POLL_MS = 20; // one Opus packet
const AHEAD = 0.06 * RTP_HZ; // look this far ahead for the moment to open the gain: polling alone clips the first sound
const DUCKED = 0.2; // -14 dB: clearly behind the caller's voice, still to be followed
const DUCK_S = 0.015; // time constants of the ramps: quick to give way, gentle to come back
const RESUME_S = 0.04;

export class WebRtcLeg {
  #sound;
  #reports;
  #connection = new RTCPeerConnection({ iceServers: [] }); // none: a STUN server would be waited for offline
  #element;
  #gain;
  #receiver = null;
  #poll = null;
  #spoken = new Map(); // by turn and kind: the spans of RTP time its audio lies in
  #cut = false; // silent until a mark says where the wanted audio begins: the jitter buffer still holds the old
  #openAt = null;
  #silentFrom = null; // RTP time at which a pause cut the gain

  constructor(sound, reports, element) {
    this.#sound = sound;
    this.#reports = reports;
    this.#element = element;
    this.#gain = sound.context.createGain();
    this.#gain.connect(sound.output);
  }

  get connected() {
    return this.#poll !== null;
  }

  /** Returns when audio can flow. Throws when it cannot within CONNECT_S. `onLost`: it could, and no more. */
  async connect(stream, session, onLost) {
    const limit = new Promise((_, fail) => setTimeout(() => fail(new Error("WebRTC took too long")), CONNECT_S * 1000));
    await Promise.race([this.#negotiate(stream, session), limit]);
    if (this.#connection.signalingState === "closed") throw new Error("hung up meanwhile");
    this.#connection.onconnectionstatechange = () => {
      if (this.#connection.connectionState === "failed") onLost();
    };
    this.#poll = setInterval(() => this.#look(), POLL_MS);
  }

  async #negotiate(stream, session) {
    const connection = this.#connection;
    connection.createDataChannel("ctl").onmessage = ({ data }) => session.receive(data);
    connection.ontrack = ({ receiver, streams, track }) => {
      this.#receiver = receiver;
      this.#listen(streams[0] ?? new MediaStream([track]));
    };
    for (const track of stream.getAudioTracks()) connection.addTrack(track, stream);
    await connection.setLocalDescription();
    await until(connection, "icegatheringstatechange", () => connection.iceGatheringState === "complete", GATHER_S);
    await connection.setRemoteDescription(await session.offer(connection.localDescription));
    await until(connection, "connectionstatechange", () => connection.connectionState === "connected", CONNECT_S);
    if (connection.connectionState !== "connected") throw new Error("no way to the server was found");
  }

  #listen(stream) {
    this.#element.srcObject = stream;
    this.#sound.context.createMediaStreamSource(stream).connect(this.#gain);
  }

  chunk() {} // its audio is the track

  mark({ turn, kind, edge, rtp }) {
    const key = `${turn}/${kind}`;
    const spoken = this.#spoken.get(key) ?? { turn, kind, spans: [], ended: false };
    this.#spoken.set(key, spoken);
    if (edge === "start" || edge === "resume") {
      spoken.spans.push({ from: rtp, to: null });
      // A new turn starts at full gain; a mere gap in a ducked one does not raise it.
      if (edge === "start" || this.#cut) this.#openAt = rtp;
    } else {
      const open = spoken.spans.at(-1);
      if (open) open.to ??= rtp;
      spoken.ended = edge === "end";
    }
  }

  async playout(action, turn) {
    if (action === "duck") this.#ramp(DUCKED, DUCK_S);
    // After a pause the mark opens the gain, where the track goes on; after a mere duck there is no mark.
    if (action === "resume" && !this.#cut) this.#ramp(1, RESUME_S);
    if (action === "pause" || action === "stop") this.#silence();
    if (action !== "stop") return;
    for (const [key, spoken] of this.#spoken) {
      if (spoken.turn > turn) continue;
      this.#tell(spoken, this.#silentFrom);
      this.#spoken.delete(key);
    }
    this.#silentFrom = null;
  }

  drop() {
    this.#spoken.clear();
  }

  close() {
    clearInterval(this.#poll);
    this.#poll = null;
    this.#connection.close();
    this.#gain.disconnect();
    this.#element.srcObject = null;
  }

  #silence() {
    const now = this.#sound.context.currentTime;
    this.#gain.gain.cancelScheduledValues(now);
    this.#gain.gain.setValueAtTime(0, now);
    this.#cut = true;
    this.#openAt = null;
    this.#silentFrom ??= this.#now();
  }

  #ramp(level, time_constant) {
    if (this.#cut) return;
    const now = this.#sound.context.currentTime;
    this.#gain.gain.cancelScheduledValues(now);
    this.#gain.gain.setTargetAtTime(level, now, time_constant);
  }

  #open(in_s) {
    const now = this.#sound.context.currentTime;
    this.#gain.gain.cancelScheduledValues(now);
    this.#gain.gain.setValueAtTime(1, now + Math.max(0, in_s));
    this.#cut = false;
    this.#openAt = this.#silentFrom = null;
  }

  /** The RTP timestamp being played; undefined before the first packet, and in browsers that do not tell. */
  #now() {
    return this.#receiver?.getSynchronizationSources()[0]?.rtpTimestamp;
  }

  #look() {
    const now = this.#now();
    if (now === undefined) return;
    if (this.#openAt !== null && since(this.#openAt, now) <= AHEAD) this.#open(since(this.#openAt, now) / RTP_HZ);
    for (const [key, spoken] of this.#spoken) {
      const last = spoken.spans.at(-1);
      if (last === undefined || since(now, spoken.spans[0].from) < 0) continue;
      if (spoken.ended && since(now, last.to) >= 0) {
        this.#reports.finished(WAY, spoken.turn, spoken.kind, heard(spoken.spans, now));
        this.#spoken.delete(key);
      } else {
        this.#tell(spoken, this.#silentFrom ?? now);
      }
    }
  }

  #tell(spoken, now) {
    if (now === undefined || now === null) return;
    this.#reports.position(WAY, spoken.turn, spoken.kind, heard(spoken.spans, now));
  }
}

/** Ticks from one RTP timestamp to another; `| 0` because they wrap at 32 bits (RFC 3550, section 5.1). */
function since(now, then) {
  return (now - then) | 0;
}

/** Seconds of the spans that lie before `now`. */
function heard(spans, now) {
  const ticks = spans.map(({ from, to }) => Math.max(0, since(to !== null && since(now, to) > 0 ? to : now, from)));
  return ticks.reduce((sum, each) => sum + each, 0) / RTP_HZ;
}

/** Returns when `reached()` is true, or after `limit_s`. */
function until(target, event, reached, limit_s) {
  return new Promise((resolve) => {
    const look = () => reached() && resolve();
    target.addEventListener(event, look);
    setTimeout(resolve, limit_s * 1000);
    look();
  });
}
