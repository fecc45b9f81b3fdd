/** Messages about what is wrong, one for each topic, until it is right or put away. */

export class Notices {
  #place;
  #shown = new Map();

  constructor(place) {
    this.#place = place;
  }

  /** Shows a message in place of the topic's last one; null takes it away. `action`: a label and what it does. */
  show(topic, text, action = null) {
    const old = this.#shown.get(topic);
    if (old && wordsOf(old) === text) return; // not read aloud twice
    old?.remove();
    this.#shown.delete(topic);
    if (text === null) return;
    const notice = document.createElement("div");
    notice.className = "notice";
    notice.dataset.topic = topic;
    const words = document.createElement("p");
    words.textContent = text;
    notice.append(words);
    if (action !== null) notice.append(button(action.label, "act", action.run));
    notice.append(button("×", "close", () => this.show(topic, null), "Put this message away"));
    this.#shown.set(topic, notice);
    this.#place.append(notice);
  }

  texts() {
    return Object.fromEntries([...this.#shown].map(([topic, notice]) => [topic, wordsOf(notice)]));
  }
}

function wordsOf(notice) {
  return notice.querySelector("p").textContent;
}

function button(text, className, run, label = text) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = className;
  made.textContent = text;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", run);
  return made;
}
