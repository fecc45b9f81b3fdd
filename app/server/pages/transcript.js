/** What was said, as a chat: a bubble for the caller's words of a turn, one for each kind of our speech. */

const NOT_A_REPLY = { filler: true }; // "one moment" is no part of the answer

export class Transcript {
  #list;
  #empty;
  #scroll;
  #bubbles = new Map(); // by `turn/user` or `turn/kind`

  constructor(list, empty, scroll) {
    this.#list = list;
    this.#empty = empty;
    this.#scroll = scroll;
  }

  /** The words of the caller so far; the last final is what counts. */
  words({ turn, text, final, origin }) {
    const key = `${turn}/user`;
    if (text === "") return this.#remove(key); // a sound without words
    const bubble = this.#bubble(key, turn, "user");
    bubble.text.textContent = text;
    bubble.item.classList.toggle("partial", !final);
    bubble.item.classList.toggle("typed", origin === "typed");
    // Half a word is nothing to read aloud to somebody who does not see the page.
    bubble.item.toggleAttribute("aria-hidden", !final);
    if (!final) bubble.item.setAttribute("aria-hidden", "true");
    this.#follow();
  }

  /** Takes away words that came to nothing: the sound was none, or it was not meant for us. */
  forgetUnfinished() {
    for (const [key, bubble] of this.#bubbles) {
      if (bubble.item.classList.contains("partial")) this.#remove(key);
    }
  }

  /** The next sentence of ours. */
  sentence({ turn, kind, text }) {
    if (text === "") return;
    const bubble = this.#bubble(`${turn}/${kind}`, turn, "assistant", kind);
    bubble.text.textContent = [bubble.text.textContent, text.trim()].filter(Boolean).join(" ");
    this.#follow();
  }

  /** The turn was taken back: its answer never happened. */
  withdraw(turn) {
    for (const bubble of this.#of(turn)) {
      bubble.item.classList.remove("partial");
      bubble.item.classList.add("withdrawn");
      bubble.note.textContent = bubble.who === "user" ? "taken back: you went on" : "never said";
    }
  }

  /** What the server knows of a turn: what of the answer was heard, and how fast it came. */
  settle({ turn, user_text, answer_text, heard_text, interrupted, withdrawn, stages }) {
    if (user_text && !this.#bubbles.has(`${turn}/user`)) this.words({ turn, text: user_text, final: true });
    if (answer_text) this.#settleAnswer(turn, answer_text, heard_text ?? "", interrupted && !withdrawn, stages ?? {});
    if (withdrawn) this.withdraw(turn);
  }

  has(turn) {
    return this.#of(turn).length > 0;
  }

  /** Begins anew. */
  clear() {
    this.#bubbles.clear();
    this.#list.replaceChildren();
    this.#empty.hidden = false;
  }

  /** What can be read, for whoever tests the page. */
  entries() {
    return [...this.#bubbles.values()].map(({ turn, who, kind, item, text }) => ({
      turn,
      who,
      kind,
      text: text.textContent,
      unheard: text.querySelector("s")?.textContent ?? "",
      partial: item.classList.contains("partial"),
      withdrawn: item.classList.contains("withdrawn"),
    }));
  }

  #settleAnswer(turn, answer, heard, interrupted, stages) {
    const key = this.#bubbles.has(`${turn}/apology`) ? `${turn}/apology` : `${turn}/answer`;
    const bubble = this.#bubble(key, turn, "assistant", "answer");
    bubble.item.classList.toggle("interrupted", interrupted);
    if (interrupted) {
      const unheard = document.createElement("s");
      unheard.textContent = answer.slice(heard.length);
      unheard.title = "not heard";
      bubble.text.replaceChildren(heard, unheard);
      bubble.note.textContent = heard === "" ? "interrupted, not heard" : "interrupted, the rest was not heard";
      return this.#follow();
    }
    bubble.text.textContent = answer;
    if (stages.playback_started > 0) {
      bubble.note.textContent = `answered in ${stages.playback_started.toFixed(2)} s`;
      bubble.note.title = "from the end of your words to the first sound of the answer";
    }
    this.#follow();
  }

  #of(turn) {
    return [...this.#bubbles.values()].filter((bubble) => bubble.turn === turn);
  }

  #bubble(key, turn, who, kind = "") {
    let bubble = this.#bubbles.get(key);
    if (bubble === undefined) {
      const item = document.createElement("li");
      item.className = `bubble ${who}${NOT_A_REPLY[kind] ? " aside" : ""}${kind === "apology" ? " apology" : ""}`;
      const speaker = element("span", "hidden", who === "user" ? "You: " : "voicechart: ");
      bubble = { item, turn, who, kind, text: element("p", "text", ""), note: element("p", "note", "") };
      item.append(speaker, bubble.text, bubble.note);
      this.#bubbles.set(key, bubble);
      this.#place(item, turn);
      this.#empty.hidden = true;
    }
    return bubble;
  }

  /** In the order of turns: words of the next turn may be shown while this one is still being answered. */
  #place(item, turn) {
    item.dataset.turn = String(turn);
    const later = [...this.#list.children].find((other) => Number(other.dataset.turn) > turn);
    this.#list.insertBefore(item, later ?? null);
  }

  #remove(key) {
    this.#bubbles.get(key)?.item.remove();
    this.#bubbles.delete(key);
    if (this.#bubbles.size === 0) this.#empty.hidden = false;
  }

  #follow() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
