// The right side of the studio: the translation, how long it took, and what one may do with it.

import { button, h } from "../dom.js";

const LOADED_MS = 2000; // a first one that takes longer had the model loaded
const SLOW_MS = 700; // a first translation that takes longer is told

export class Result {
  /**
   * @param {Node} [above] what belongs above the translation
   * @param {{words: string, sign?: string, run: (now: {input: Blob, output: Blob}) => any}[]}
   *   actions buttons below it
   */
  constructor(above, actions) {
    this.input = null; // what was translated last
    this.output = null;
    this.image = h("img", { alt: "Translation of the drawing", hidden: true });
    this.wait = h("p.wait", { "aria-hidden": "true" });
    this.time = h("p.time", { "data-time": "" });
    this.trouble = h("p.trouble", { role: "status" });
    this.actions = actions.map(({ words, sign, run }) =>
      button(words, () => this.#act(run), { sign, disabled: true }),
    );
    this.element = h(
      "figure.panel.output",
      h("figcaption", "Translation", above),
      h("div.frame", this.image, this.wait),
      this.time,
      this.trouble,
      this.actions.length > 0 && h("div.group.actions", this.actions),
    );
  }

  /** Say after a while that there is none yet; call what it returns when it is there. */
  waiting() {
    const slow = setTimeout(() => {
      this.wait.textContent = this.output ? "" : "Getting the model ready…";
    }, SLOW_MS);
    return () => {
      clearTimeout(slow);
      this.wait.textContent = "";
    };
  }

  /**
   * @param {Blob} input
   * @param {{picture: Blob, inferenceMs?: number}} translation
   * @param {number} began when it was asked for
   */
  async show(input, { picture, inferenceMs }, began) {
    const address = URL.createObjectURL(picture);
    const before = this.image.src;
    this.image.src = address;
    await this.image.decode();
    this.image.hidden = false;
    if (before) URL.revokeObjectURL(before);
    this.tell("");
    this.#showTime(performance.now() - began, inferenceMs);
    this.input = input;
    this.output = picture;
    for (const one of this.actions) one.disabled = false;
  }

  #showTime(allMs, inferenceMs) {
    if (!this.output && allMs > LOADED_MS) {
      this.time.textContent = "The model was loaded first.";
      return;
    }
    const whole = Math.round(allMs);
    const inference = Math.round(inferenceMs ?? 0);
    this.time.textContent =
      inferenceMs === undefined
        ? `${whole} ms`
        : `${whole} ms: ${inference} ms the model, ${Math.max(0, whole - inference)} ms the rest`;
  }

  /** Say something below the translation. */
  tell(message) {
    this.trouble.textContent = message;
  }

  async #act(run) {
    try {
      const told = await run({ input: this.input, output: this.output });
      this.tell(told ?? "");
    } catch (error) {
      this.tell(error.message);
    }
  }
}
