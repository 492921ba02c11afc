// The studio: a drawing on the left, its translation on the right, and what one may do with them.
//
// It knows no server. What translates is handed in, so that the same studio draws on a running
// pixd, or on a model that the browser itself computes.

import { button, h, replace } from "../dom.js";
import { Easel } from "./canvas.js";
import { COLOURS, Drawing, nearest } from "./drawing.js";
import { newestOnly } from "./newest.js";
import { pictureIn, pictureOf, readSquare } from "./pictures.js";
import { indexedPng } from "./png.js";
import { Result } from "./result.js";
import { TOOL_KEYS, colourBar, toolBar } from "./toolbox.js";

/**
 * @typedef {Object} Translation
 * @property {Blob} picture
 * @property {number} [inferenceMs] what the model itself took
 * @typedef {Object} Example
 * @property {Blob} input
 * @property {Blob} [target] the real picture that belongs to it
 * @property {string} name
 * @property {boolean} [isHeldOut] false: the model learned from it
 * @typedef {Object} Studio
 * @property {"labels"|"edges"|"picture"} mode labels: indices of a palette; edges: black on
 *   white; picture: nothing is drawn, a picture is dropped
 * @property {number} side of the model's square, in pixels
 * @property {{colour: string, share?: number, name?: string}[]} [palette] of labels; the first
 *   is the background
 * @property {boolean} [isLocked] no colour but the palette's
 * @property {(picture: import("./pictures.js").Picture) => Promise<Translation>} translate
 *   Its error's message is shown; `retryAfterMs` of it says when to try again.
 * @property {() => Promise<Example>} [example] the next one
 * @property {{words: string, sign?: string, run: (now: {input: Blob, output: Blob}) => any}[]}
 *   [actions] buttons below the translation
 * @property {Node} [above] what belongs above the translation, such as a choice of models
 */

const MOSTLY = 0.7; // of its pixels near to the palette make a picture a label map
const PEN = { labels: 12, edges: 1, picture: 1 };
const BLACK_ON_WHITE = [{ colour: "#ffffff", name: "white" }, { colour: "#000000", name: "black" }];

export class Studio {
  /** @param {Studio} given */
  constructor(given) {
    this.given = given;
    this.palette = given.mode === "edges" ? BLACK_ON_WHITE : [...(given.palette ?? [])];
    if (!this.palette.length) this.palette = [...BLACK_ON_WHITE];
    this.isLocked = given.mode === "edges" || Boolean(given.isLocked);
    this.drawing = new Drawing(given.side, given.side, 0);
    this.asIs = null; // ImageData of a picture that is translated as it is
    this.taken = 0; // counts what a person does: a picture that comes after the next is not shown
    this.#build();
    this.easel = new Easel(this.canvas, this.cursor, this.drawing, this.colours, {
      changed: () => {
        this.taken += 1;
        this.refresh();
      },
      ended: () => {
        this.taken += 1;
        this.#showTools();
        this.refresh();
      },
      picked: (index) => {
        this.easel.index = index;
        this.easel.tool = "pen";
        this.#showTools();
      },
    });
    this.easel.index = Math.min(1, this.palette.length - 1);
    this.easel.filled = given.mode !== "edges";
    this.easel.setSize(PEN[given.mode]);
    this.cursor.hidden = true;
    this.refresh = newestOnly(() => this.#translate());
    this.#listen();
    this.#showTools();
  }

  get colours() {
    return this.palette.map((entry) => entry.colour);
  }

  /** Nothing to draw and nothing dropped yet. */
  get isEmpty() {
    return this.given.mode === "picture" && !this.asIs;
  }

  // ------------------------------------------------------------------ what it is made of

  #build() {
    const { mode, above, actions = [], example } = this.given;
    this.canvas = h("canvas", {
      tabindex: "0",
      role: "application",
      "aria-label":
        "Drawing. Arrow keys move the pen, space paints, square brackets change its size.",
    });
    this.cursor = h("div.cursor", { hidden: true });
    this.note = h("p.note", { hidden: true });
    this.result = new Result(above, actions);
    this.target = h("figure.panel.target", { hidden: true });
    this.tools = toolBar({
      chosen: (tool) => this.#choose(tool),
      sized: (size) => this.#size(size),
      undo: () => this.#step("undo"),
      redo: () => this.#step("redo"),
      clear: () => this.#step("clear"),
    });
    this.bar = colourBar({
      coloured: (index) => this.#colour(index),
      added: (colour) => this.#addColour(colour),
    });
    const file = h("input", {
      type: "file",
      accept: "image/*",
      hidden: true,
      onchange: () => {
        if (file.files[0]) this.take(file.files[0]);
        file.value = "";
      },
    });
    const sources = h(
      "div.group.sources",
      example && button("Example", () => this.nextExample(), { sign: "dice" }),
      button("Picture", () => file.click(), { sign: "picture", title: "Or drop or paste one" }),
      file,
    );
    const draws = mode !== "picture";
    const invitation =
      !draws &&
      h("p.invitation", { "aria-hidden": "true" }, "Drop or paste a picture here, or choose one.");
    if (!draws) this.canvas.removeAttribute("tabindex");
    if (!draws) this.canvas.setAttribute("role", "img");
    if (!draws) this.canvas.setAttribute("aria-label", "The picture that is translated");
    this.element = h(
      `div.studio.${mode}`,
      h("div.bar", draws && this.tools.element, sources),
      h(
        "div.panels",
        h(
          "figure.panel.input",
          h("figcaption", draws ? "Drawing" : "Picture"),
          h("div.frame.easel", this.canvas, this.cursor, invitation),
          mode === "labels" && this.bar.element,
          this.note,
        ),
        this.result.element,
        this.target,
      ),
    );
  }

  #showTools() {
    const isOff = this.isEmpty || Boolean(this.asIs);
    this.easel.isOff = isOff;
    this.cursor.hidden ||= isOff;
    this.tools.show({
      tool: this.easel.tool,
      pen: this.easel.size,
      canUndo: this.drawing.canUndo,
      canRedo: this.drawing.canRedo,
      isOff,
    });
    this.bar.show(this.palette, this.easel.index, { isLocked: this.isLocked, isOff });
    this.canvas.classList.toggle("still", isOff);
  }

  // ------------------------------------------------------------------ tools

  #choose(tool) {
    this.easel.tool = tool;
    this.#showTools();
  }

  #size(size) {
    this.easel.setSize(size);
    this.#showTools();
  }

  #colour(index) {
    if (index >= this.palette.length) return;
    this.easel.index = index;
    if (this.easel.tool === "eraser" || this.easel.tool === "pick") this.easel.tool = "pen";
    this.#showTools();
  }

  #addColour(colour) {
    let index = this.colours.indexOf(colour);
    if (index < 0 && this.palette.length < COLOURS) {
      index = this.palette.push({ colour }) - 1;
      this.easel.take(this.drawing, this.colours);
    }
    if (index >= 0) this.#colour(index);
  }

  #step(name) {
    if (this.asIs) return;
    this.taken += 1;
    this.easel.endStroke();
    this.drawing[name]();
    // What was told of an example, and its real picture, are not of the next drawing.
    if (name === "clear") this.target.hidden = this.note.hidden = true;
    this.easel.show();
    this.#showTools();
    this.refresh();
  }

  #listen() {
    this.element.addEventListener("keydown", (event) => {
      if (event.target.closest("input[type=color], select")) return;
      if (event.ctrlKey || event.metaKey) {
        this.undoKey(event);
      } else if (!event.altKey && this.given.mode !== "picture" && !this.asIs) {
        const tool = TOOL_KEYS[event.key.toLowerCase()];
        if (tool) this.#choose(tool);
        else if (event.key === "[") this.#size(this.easel.size - (this.easel.size > 16 ? 4 : 1));
        else if (event.key === "]") this.#size(this.easel.size + (this.easel.size >= 16 ? 4 : 1));
        else if (event.key >= "1" && event.key <= "9") this.#colour(Number(event.key) - 1);
      }
    });
    const frame = this.canvas.parentElement;
    for (const name of ["dragenter", "dragover"]) {
      this.element.addEventListener(name, (event) => {
        event.preventDefault();
        frame.classList.add("over");
      });
    }
    this.element.addEventListener("dragleave", () => frame.classList.remove("over"));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      frame.classList.remove("over");
      const file = pictureIn(event.dataTransfer);
      if (file) this.take(file);
      else this.tell("That was no picture.");
    });
  }

  /** Ctrl+Z and Ctrl+Y; the page calls this too where nothing of the studio has the focus. */
  undoKey(event) {
    if (!(event.ctrlKey || event.metaKey)) return;
    const key = event.key.toLowerCase();
    if (key === "z") this.#step(event.shiftKey ? "redo" : "undo");
    else if (key === "y") this.#step("redo");
    else return;
    event.preventDefault();
  }

  /** Take what was pasted; the page calls this while the studio is shown. */
  paste(event) {
    const file = pictureIn(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    this.take(file);
  }

  // ------------------------------------------------------------------ pictures from outside

  /** Take a picture: as indices if it has the palette's colours, else as it is. */
  async take(file) {
    await this.#take(async () => ({ input: file }));
  }

  // Whoever does something else meanwhile, such as drawing, does not lose it to a picture that
  // was asked for before.
  async #take(get) {
    this.taken += 1;
    const turn = this.taken;
    const draws = this.given.mode !== "picture";
    const { side } = this.given;
    try {
      const { input, target = null, name, isHeldOut = true } = await get();
      const image = await readSquare(input, side, !draws);
      const known = draws && nearest(image.data, this.colours);
      const smooth = known && !known.exact ? await readSquare(input, side, true) : image;
      if (turn !== this.taken) return;
      this.#target(target, name, isHeldOut);
      const isMap = known && this.given.mode === "labels" && known.close >= MOSTLY;
      if (known?.exact) this.#draw(known.pixels);
      else if (isMap) this.#drawNearest(known.pixels, smooth);
      else this.#showAsIs(smooth);
    } catch (error) {
      this.tell(error.message);
    }
  }

  // A label map that was kept as JPEG: it can be drawn on at once.
  #drawNearest(pixels, image) {
    this.#draw(pixels);
    this.#offer(
      "Its colours were brought to the palette's. ",
      button("Translate it as it is", () => this.#showAsIs(image)),
    );
  }

  #draw(pixels) {
    this.taken += 1;
    this.easel.endStroke();
    this.asIs = null;
    this.easel.take(this.drawing, this.colours);
    this.drawing.replace(pixels);
    this.easel.show();
    const had = this.note.contains(document.activeElement);
    replace(this.note);
    this.note.hidden = true;
    if (had) this.canvas.focus();
    this.#showTools();
    this.refresh();
  }

  #showAsIs(image) {
    this.easel.endStroke();
    this.asIs = image;
    this.canvas.width = image.width;
    this.canvas.height = image.height;
    this.canvas.getContext("2d").putImageData(image, 0, 0);
    this.element.classList.add("taken");
    if (this.given.mode !== "picture") {
      this.#offer(
        "This picture has other colours than the palette. It is translated as it is. ",
        button("Draw on it in the palette's colours", () =>
          this.#draw(nearest(image.data, this.colours).pixels),
        ),
        button("Back to the drawing", () => this.#draw(this.drawing.pixels.slice())),
      );
    }
    this.#showTools();
    this.refresh();
  }

  #offer(...said) {
    const had = this.note.contains(document.activeElement);
    replace(this.note, ...said);
    this.note.hidden = false;
    if (had) this.note.querySelector("button").focus();
  }

  /** Show the next example, with its real target beside. */
  async nextExample() {
    await this.#take(this.given.example);
  }

  #target(picture, name, isHeldOut) {
    this.target.hidden = !picture;
    if (!picture) return;
    const image = h("img", { alt: `The real picture of ${name}` });
    image.src = URL.createObjectURL(picture);
    image.onload = () => URL.revokeObjectURL(image.src);
    const words = isHeldOut ? "Held out of training" : "Of the training itself";
    const told = h("p.time", { title: name }, `${words}: ${name}`);
    replace(this.target, h("figcaption", "Real picture"), h("div.frame", image), told);
  }

  // ------------------------------------------------------------------ translation

  /** @returns {Promise<import("./pictures.js").Picture>} what is translated now */
  async picture() {
    if (this.asIs) return pictureOf(this.asIs);
    const { width, height } = this.drawing;
    const pixels = this.drawing.pixels.slice();
    const { colours } = this;
    const png = await indexedPng(width, height, pixels, colours);
    const rgba = () => {
      const image = new Uint8ClampedArray(4 * pixels.length).fill(255);
      const words = new Uint32Array(image.buffer);
      pixels.forEach((index, at) => {
        words[at] = this.easel.colours[index];
      });
      return image;
    };
    return { width, height, png, rgba };
  }

  async #translate() {
    if (this.isEmpty) return;
    const ready = this.result.waiting();
    try {
      const picture = await this.picture();
      const began = performance.now();
      await this.result.show(picture.png, await this.given.translate(picture), began);
    } catch (error) {
      this.tell(error.message);
      if (error.retryAfterMs) {
        await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs));
        setTimeout(() => this.refresh());
      }
    } finally {
      ready();
    }
  }

  /** Say something below the translation. */
  tell(message) {
    this.result.tell(message);
  }
}
