/** The chart, live: the server's own drawing with the active state lit and the last edge flashing. */

const DRAWING = "/diagrams/conversation.svg?level=overview";

export const MEANINGS = {
  "IDLE": "nobody is talking to us",
  "LISTENING": "the floor is yours",
  "LISTENING.quiet": "waiting for you to speak",
  "LISTENING.hearing": "you are speaking",
  "LISTENING.settling": "you fell silent: was that all?",
  "THINKING": "the answer is being fetched",
  "THINKING.holding": "you made a sound: nothing is said until it is clear what it was",
  "SPEAKING": "the answer is being spoken",
  "SPEAKING.draining": "the last words are on their way to you",
  "INTERRUPT": "you made a sound over the answer",
  "INTERRUPT.ducked": "our voice is lowered until it is clear what you want",
  "INTERRUPT.paused": "silent, but it could still go on where it was",
};

export class Chart {
  #frame;
  #caption;
  #drawing = null;
  #shown = { state: "IDLE", substate: "" };

  constructor(frame, caption) {
    this.#frame = frame;
    this.#caption = caption;
  }

  /** Fetches the drawing. Without it the caption alone tells the state. */
  async load() {
    const response = await fetch(DRAWING).catch(() => null);
    const text = response?.ok ? await response.text().catch(() => "") : "";
    if (text === "") return;
    // Parsed as XML, not as HTML: nothing in it can become a script.
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
    if (parsed.querySelector("parsererror")) return;
    const drawing = document.importNode(parsed.documentElement, true);
    for (const script of drawing.querySelectorAll("script")) script.remove();
    for (const title of drawing.querySelectorAll("title")) title.remove(); // graphviz' names would pop up as tooltips
    drawing.removeAttribute("width"); // the page decides how large it is
    drawing.removeAttribute("height");
    this.#drawing = drawing;
    this.#frame.replaceChildren(drawing);
    this.show(this.#shown);
  }

  /** Lights a state; with `from`, the edge that led there flashes. */
  show({ state, substate = "", from = null }) {
    this.#shown = { state, substate };
    const meaning = MEANINGS[`${state}.${substate}`] ?? MEANINGS[state] ?? "";
    this.#caption.replaceChildren(emphasis(substate ? `${state} · ${substate}` : state), ` ${meaning}`);
    if (this.#drawing === null) return;
    for (const lit of this.#drawing.querySelectorAll(".lit")) lit.classList.remove("lit");
    this.#part(`s_${state}`)?.classList.add("lit");
    this.#part(`s_${state}_${substate}`)?.classList.add("lit");
    if (from !== null && from !== state) this.#flash(this.#part(`e_${from}__${state}`));
    this.#reveal();
  }

  #flash(edge) {
    for (const taken of this.#drawing.querySelectorAll(".taken")) taken.classList.remove("taken");
    if (!edge) return; // the drawing shows only once what all states share
    void edge.getBoundingClientRect(); // taking the same edge twice must start the animation anew
    edge.classList.add("taken");
  }

  /** On a phone the drawing is wider than its frame. */
  #reveal() {
    const node = this.#drawing.querySelector(".node.lit");
    if (node === null || this.#frame.scrollWidth <= this.#frame.clientWidth) return;
    const [outer, inner] = [this.#frame.getBoundingClientRect(), node.getBoundingClientRect()];
    const middle = inner.left - outer.left + this.#frame.scrollLeft + inner.width / 2;
    this.#frame.scrollTo({ left: middle - outer.width / 2, behavior: "smooth" });
  }

  #part(id) {
    return this.#drawing.querySelector(`[id="${CSS.escape(id)}"]`);
  }
}

function emphasis(text) {
  const strong = document.createElement("strong");
  strong.textContent = text;
  return strong;
}
