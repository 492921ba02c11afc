// The easel: shows a drawing on a canvas, and turns mouse, pen, touch and keys into strokes.
//
// The canvas only shows. What counts is the drawing's array of indices, so nothing that the
// browser does to colours or edges ever comes into it.

import { SIZES, rgbOf } from "./drawing.js";

export const TOOLS = ["pen", "eraser", "line", "rectangle", "fill", "pick"];

const LIGHTEST = 0.25; // of the size, at a pen's least pressure
const FAR = 8; // pixels that an arrow key goes with Shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

export class Easel {
  /**
   * @param {HTMLCanvasElement} canvas inside an element that `cursor` is placed in
   * @param {HTMLElement} cursor the outline of the pen
   * @param {import("./drawing.js").Drawing} drawing
   * @param {string[]} palette "#rrggbb" each
   * @param {{changed: Function, ended: Function, picked: Function}} told changed: a stroke goes
   *   on; ended: it is done, and whether a pixel changed; picked: an index
   */
  constructor(canvas, cursor, drawing, palette, told) {
    this.canvas = canvas;
    this.cursor = cursor;
    this.told = told;
    this.tool = "pen";
    this.index = 1;
    this.size = 8;
    this.filled = true; // rectangles; else only their sides
    this.place = { x: drawing.width >> 1, y: drawing.height >> 1 }; // of the keyboard's cursor
    this.stroke = null;
    this.isPainting = false; // the space bar is down
    this.isOff = false; // something else than the drawing is shown: nothing is drawn
    this.context = canvas.getContext("2d", { alpha: false });
    this.take(drawing, palette);
    this.#listen();
  }

  /** Show another drawing, or the same one in other colours. */
  take(drawing, palette) {
    this.drawing = drawing;
    this.palette = palette;
    this.colours = new Uint32Array(
      palette.map((colour) => {
        const [r, g, b] = rgbOf(colour);
        return LITTLE_ENDIAN
          ? ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0
          : ((r << 24) | (g << 16) | (b << 8) | 255) >>> 0;
      }),
    );
    if (this.canvas.width !== drawing.width) this.canvas.width = drawing.width;
    if (this.canvas.height !== drawing.height) this.canvas.height = drawing.height;
    this.image = this.context.createImageData(drawing.width, drawing.height);
    this.shown = new Uint32Array(this.image.data.buffer);
    drawing.stale = { x0: 0, y0: 0, x1: drawing.width, y1: drawing.height };
    this.show();
  }

  /** Bring what changed onto the canvas. */
  show() {
    const { drawing, shown, colours } = this;
    const box = drawing.takeStale();
    if (!box) return;
    for (let y = box.y0; y < box.y1; y += 1) {
      for (let at = y * drawing.width + box.x0; at < y * drawing.width + box.x1; at += 1) {
        shown[at] = colours[drawing.pixels[at]] ?? 0xff000000;
      }
    }
    this.context.putImageData(
      this.image, 0, 0, box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0,
    );
  }

  setSize(size) {
    this.size = Math.min(SIZES.most, Math.max(SIZES.least, size));
    this.#outline(this.place);
  }

  /** End a stroke that is under way, as it is now: what comes next changes the drawing itself. */
  endStroke() {
    this.isPainting = false;
    if (!this.stroke) return;
    this.stroke = null;
    this.drawing.end();
    this.show();
  }

  // ------------------------------------------------------------------ strokes

  #begin(x, y, size) {
    if (this.isOff) return;
    const index = this.tool === "eraser" ? this.drawing.background : this.index;
    if (this.tool === "pick") {
      if (this.drawing.contains(x, y)) this.told.picked(this.drawing.at(x, y));
      return;
    }
    this.drawing.begin();
    if (this.tool === "fill") {
      this.drawing.fill(x, y, index);
      this.#finish();
      return;
    }
    this.stroke = { x0: x, y0: y, x, y, index, size, tool: this.tool };
    this.#goOn(x, y, size);
  }

  #goOn(x, y, size) {
    const { stroke, drawing } = this;
    if (!stroke) return;
    if (stroke.tool === "pen" || stroke.tool === "eraser") {
      drawing.line(stroke.x, stroke.y, x, y, stroke.index, size);
    } else {
      drawing.again();
      if (stroke.tool === "line") {
        drawing.line(stroke.x0, stroke.y0, x, y, stroke.index, stroke.size);
      } else if (this.filled) {
        drawing.rectangle(stroke.x0, stroke.y0, x, y, stroke.index);
      } else {
        drawing.outline(stroke.x0, stroke.y0, x, y, stroke.index, stroke.size);
      }
    }
    stroke.x = x;
    stroke.y = y;
    this.show();
    this.told.changed();
  }

  #finish() {
    this.stroke = null;
    const changed = this.drawing.end();
    this.show();
    this.told.ended(changed);
  }

  #giveUp() {
    this.stroke = null;
    this.drawing.cancel();
    this.show();
    this.told.changed();
  }

  // ------------------------------------------------------------------ pointers

  #listen() {
    const { canvas } = this;
    let pointer = null; // the one that draws: a palm beside the pen does not
    canvas.addEventListener("pointerdown", (event) => {
      const isDrawing = pointer !== null && canvas.hasPointerCapture(pointer);
      if (isDrawing || this.isOff || event.button !== 0) return;
      this.endStroke();
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      pointer = event.pointerId;
      canvas.setPointerCapture(pointer);
      const [x, y] = this.#pixel(event);
      this.#begin(x, y, this.#sizeOf(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      const [atX, atY] = this.#pixel(event);
      this.#outline({ x: atX, y: atY }, this.stroke ? this.#sizeOf(event) : this.size);
      if (event.pointerId !== pointer || !this.stroke) return;
      if (!canvas.hasPointerCapture(pointer)) {
        pointer = null; // it was lost, such as with the page that it was on
        this.#finish();
        return;
      }
      // Only a secure context has these; without them fast strokes have longer straight pieces.
      const steps = event.getCoalescedEvents?.() ?? [];
      const freehand = this.stroke.tool === "pen" || this.stroke.tool === "eraser";
      for (const step of freehand && steps.length ? steps : [event]) {
        const [x, y] = this.#pixel(step);
        this.#goOn(x, y, this.#sizeOf(step));
      }
    });
    canvas.addEventListener("pointerup", (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      if (this.stroke) this.#finish();
    });
    canvas.addEventListener("pointercancel", (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      if (this.stroke) this.#giveUp();
    });
    canvas.addEventListener("pointerleave", () => {
      this.cursor.hidden = true; // the next arrow key shows it again
    });
    canvas.addEventListener("focus", () => {
      if (canvas.matches(":focus-visible")) this.#outline(this.place);
    });
    canvas.addEventListener("blur", () => {
      this.cursor.hidden = true;
      if (this.stroke && pointer === null) this.#finish();
      this.isPainting = false;
    });
    canvas.addEventListener("keydown", (event) => this.#keyDown(event));
    canvas.addEventListener("keyup", (event) => {
      if (event.key !== " " || !this.isPainting) return;
      this.isPainting = false;
      if (this.stroke) this.#finish();
    });
  }

  #pixel(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      Math.floor(((event.clientX - box.left) / box.width) * this.drawing.width),
      Math.floor(((event.clientY - box.top) / box.height) * this.drawing.height),
    ];
  }

  #sizeOf(event) {
    if (event.pointerType !== "pen" || !event.pressure) return this.size;
    const part = LIGHTEST + (1 - LIGHTEST) * event.pressure;
    return Math.max(SIZES.least, Math.round(this.size * part));
  }

  // ------------------------------------------------------------------ keys

  #keyDown(event) {
    if (this.isOff || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (arrow) {
      const far = event.shiftKey ? FAR : 1;
      this.#moveTo(this.place.x + arrow[0] * far, this.place.y + arrow[1] * far);
    } else if (event.key === " " || event.key === "Enter") {
      if (!event.repeat) this.#press(event.key === " ");
    } else if (event.key === "Escape" && this.stroke) {
      this.isPainting = false;
      this.#giveUp();
    } else {
      return;
    }
    event.preventDefault();
  }

  #moveTo(x, y) {
    this.place = {
      x: Math.min(this.drawing.width - 1, Math.max(0, x)),
      y: Math.min(this.drawing.height - 1, Math.max(0, y)),
    };
    this.#outline(this.place);
    if (this.stroke) this.#goOn(this.place.x, this.place.y, this.size);
  }

  // A pen paints while the space bar is held. A line and a rectangle begin with one press and
  // end with the next.
  #press(isHeld) {
    const { x, y } = this.place;
    if (this.stroke) {
      this.#finish();
      return;
    }
    this.#begin(x, y, this.size);
    if (this.stroke && (this.tool === "pen" || this.tool === "eraser")) {
      if (isHeld) this.isPainting = true;
      else this.#finish();
    }
  }

  // ------------------------------------------------------------------ the pen's outline

  #outline({ x, y }, size = this.size) {
    if (this.isOff) return;
    const { drawing, cursor, tool } = this;
    const across = tool === "pen" || tool === "eraser" || tool === "line" ? size : 1;
    const low = Math.floor(across / 2);
    cursor.hidden = false;
    cursor.style.setProperty("left", `${(100 * (x - low)) / drawing.width}%`);
    cursor.style.setProperty("top", `${(100 * (y - low)) / drawing.height}%`);
    cursor.style.setProperty("width", `${(100 * across) / drawing.width}%`);
    cursor.style.setProperty("height", `${(100 * across) / drawing.height}%`);
    cursor.classList.toggle("square", across === 1);
  }
}
