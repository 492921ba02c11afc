// A drawing: an array of palette indices, the tools that change it, and its history.
//
// Promises: a pixel has exactly one index, so nothing is ever blended and an undo is exact to the
// pixel. Pure: it knows no canvas, no page and no server, and runs anywhere JavaScript does.
// Leaves to others: showing it (canvas.js) and its bytes (png.js).

export const SIZES = { least: 1, most: 64 }; // pixels across, of the pen
export const HISTORY = 100; // steps that can be undone
export const COLOURS = 256; // most that an index of one byte can name

// For a pen of `size` pixels: of each of its rows, how far left and right of its centre it
// reaches. Even sizes lie half a pixel to the left and above, as in every pixel editor.
const shapes = new Map();

function penShape(size) {
  let rows = shapes.get(size);
  if (!rows) {
    rows = [];
    const radius = size / 2;
    const low = -Math.floor(size / 2);
    for (let row = 0; row < size; row += 1) {
      const dy = row + 0.5 - radius;
      // 0.25 more than the circle: without it sizes 2 to 5 are crosses.
      const reach = Math.sqrt(Math.max(0, radius * radius + 0.25 - dy * dy));
      const from = Math.ceil(radius - reach - 0.5);
      const to = Math.floor(radius + reach - 0.5);
      if (to >= from) rows.push([low + row, low + Math.max(0, from), low + Math.min(size - 1, to)]);
    }
    shapes.set(size, rows);
  }
  return rows;
}

/** Call `visit(x, y)` for each pixel of the line, both ends too (Bresenham 1965). */
export function walkLine(x0, y0, x1, y1, visit) {
  const dx = Math.abs(x1 - x0);
  const dy = -Math.abs(y1 - y0);
  const stepX = x0 < x1 ? 1 : -1;
  const stepY = y0 < y1 ? 1 : -1;
  let error = dx + dy;
  for (;;) {
    visit(x0, y0);
    if (x0 === x1 && y0 === y1) return;
    const twice = 2 * error;
    if (twice >= dy) {
      error += dy;
      x0 += stepX;
    }
    if (twice <= dx) {
      error += dx;
      y0 += stepY;
    }
  }
}

export class Drawing {
  /** @param {number} width  @param {number} height  in pixels; @param {number} background index */
  constructor(width, height, background = 0) {
    this.width = width;
    this.height = height;
    this.background = background;
    this.pixels = new Uint8Array(width * height).fill(background);
    this.past = [];
    this.future = [];
    this.before = null; // all pixels, as they were when the present step began
    this.changed = null; // the box of the present step
    this.stale = { x0: 0, y0: 0, x1: width, y1: height }; // what a view has not yet shown
  }

  at(x, y) {
    return this.pixels[y * this.width + x];
  }

  contains(x, y) {
    return x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  get canUndo() {
    return this.past.length > 0;
  }

  get canRedo() {
    return this.future.length > 0;
  }

  // ------------------------------------------------------------------ steps

  /** Begin a step: what is drawn until `end` is undone together. */
  begin() {
    if (this.before) this.end();
    this.before = this.pixels.slice();
    this.changed = null;
  }

  /** Take back what the present step drew, but go on with it: how a line follows the pointer. */
  again() {
    if (!this.changed) return;
    copyBox(this.before, this.pixels, this.width, this.changed);
    this.changed = null;
  }

  /** End the step. Returns whether it changed a pixel; if not, it leaves no trace. */
  end() {
    const { before, changed } = this;
    this.before = null;
    this.changed = null;
    if (!before || !changed) return false;
    const patch = cutOut(before, this.width, changed);
    if (equal(patch, cutOut(this.pixels, this.width, changed))) return false;
    this.past.push({ box: changed, pixels: patch });
    if (this.past.length > HISTORY) this.past.shift();
    this.future = [];
    return true;
  }

  /** Give the step up. */
  cancel() {
    this.again();
    this.before = null;
  }

  undo() {
    if (this.before) this.end();
    return this.#swap(this.past, this.future);
  }

  redo() {
    if (this.before) this.end();
    return this.#swap(this.future, this.past);
  }

  // A step keeps one side of its box; the drawing has the other. Going over it exchanges them.
  #swap(from, to) {
    const step = from.pop();
    if (!step) return false;
    const there = cutOut(this.pixels, this.width, step.box);
    putBack(step.pixels, this.pixels, this.width, step.box);
    this.#touch(step.box.x0, step.box.y0, step.box.x1, step.box.y1);
    to.push({ box: step.box, pixels: there });
    return true;
  }

  // ------------------------------------------------------------------ tools

  dot(x, y, index, size = 1) {
    for (const [row, from, to] of penShape(size)) this.#span(y + row, x + from, x + to, index);
  }

  line(x0, y0, x1, y1, index, size = 1) {
    walkLine(x0, y0, x1, y1, (x, y) => this.dot(x, y, index, size));
  }

  /** Fill the rectangle that has these two corners; both lie in it. */
  rectangle(x0, y0, x1, y1, index) {
    const left = Math.min(x0, x1);
    const right = Math.max(x0, x1);
    for (let y = Math.min(y0, y1); y <= Math.max(y0, y1); y += 1) {
      this.#span(y, left, right, index);
    }
  }

  /** Draw the rectangle's four sides. */
  outline(x0, y0, x1, y1, index, size = 1) {
    this.line(x0, y0, x1, y0, index, size);
    this.line(x1, y0, x1, y1, index, size);
    this.line(x1, y1, x0, y1, index, size);
    this.line(x0, y1, x0, y0, index, size);
  }

  /** Fill what has the index of (x, y) and hangs together over edges, not over corners. */
  fill(x, y, index) {
    if (!this.contains(x, y)) return;
    const { pixels, width, height } = this;
    const old = this.at(x, y);
    if (old === index) return;
    const waiting = [[x, y]];
    while (waiting.length) {
      const [atX, atY] = waiting.pop();
      const row = atY * width;
      if (pixels[row + atX] !== old) continue;
      let from = atX;
      let to = atX;
      while (from > 0 && pixels[row + from - 1] === old) from -= 1;
      while (to < width - 1 && pixels[row + to + 1] === old) to += 1;
      this.#span(atY, from, to, index);
      for (const next of [atY - 1, atY + 1]) {
        if (next < 0 || next >= height) continue;
        for (let at = from; at <= to; at += 1) {
          const here = pixels[next * width + at] === old;
          const beforeIt = at > from && pixels[next * width + at - 1] === old;
          if (here && !beforeIt) waiting.push([at, next]);
        }
      }
    }
  }

  /** Take all pixels from elsewhere, as one step. */
  replace(pixels) {
    if (pixels.length !== this.pixels.length) throw new RangeError("a picture of another size");
    this.begin();
    this.pixels.set(pixels);
    this.#touch(0, 0, this.width, this.height);
    return this.end();
  }

  clear() {
    return this.replace(new Uint8Array(this.pixels.length).fill(this.background));
  }

  /** Return the box {x0, y0, x1, y1} that changed since the last call (x1, y1 outside), or null. */
  takeStale() {
    const box = this.stale;
    this.stale = null;
    return box;
  }

  #span(y, from, to, index) {
    if (y < 0 || y >= this.height) return;
    const left = Math.max(0, from);
    const right = Math.min(this.width - 1, to);
    if (left > right) return;
    this.pixels.fill(index, y * this.width + left, y * this.width + right + 1);
    this.#touch(left, y, right + 1, y + 1);
  }

  #touch(x0, y0, x1, y1) {
    this.stale = around(this.stale, x0, y0, x1, y1);
    if (this.before) this.changed = around(this.changed, x0, y0, x1, y1);
  }
}

function around(box, x0, y0, x1, y1) {
  if (!box) return { x0, y0, x1, y1 };
  return {
    x0: Math.min(box.x0, x0),
    y0: Math.min(box.y0, y0),
    x1: Math.max(box.x1, x1),
    y1: Math.max(box.y1, y1),
  };
}

function cutOut(pixels, width, box) {
  const across = box.x1 - box.x0;
  const patch = new Uint8Array(across * (box.y1 - box.y0));
  for (let y = box.y0; y < box.y1; y += 1) {
    const from = y * width + box.x0;
    patch.set(pixels.subarray(from, from + across), (y - box.y0) * across);
  }
  return patch;
}

function putBack(patch, pixels, width, box) {
  const across = box.x1 - box.x0;
  for (let y = box.y0; y < box.y1; y += 1) {
    const from = (y - box.y0) * across;
    pixels.set(patch.subarray(from, from + across), y * width + box.x0);
  }
}

function copyBox(from, to, width, box) {
  putBack(cutOut(from, width, box), to, width, box);
}

function equal(one, other) {
  return one.every((value, at) => value === other[at]);
}

// -------------------------------------------------------------------- colours

// JPEG spreads a label's colour about so far, in RGB levels. Of the 100 facades of val, 87 % of a
// label map's pixels or more are so near to the palette, and of a photo's at most 27 %.
const NEAR = 48;

/** "#rrggbb" as [r, g, b]. */
export function rgbOf(colour) {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/**
 * Give each pixel of a picture the index of the palette's nearest colour.
 *
 * @param {Uint8ClampedArray} rgba as ImageData holds it
 * @param {string[]} palette "#rrggbb" each
 * @returns {{pixels: Uint8Array, exact: boolean, close: number}} exact: every pixel had a colour of
 *   the palette; close: the share of pixels that were within NEAR of one
 */
export function nearest(rgba, palette) {
  const table = palette.map(rgbOf);
  const known = new Map();
  const pixels = new Uint8Array(rgba.length / 4);
  let exact = true;
  let close = 0;
  for (let at = 0; at < pixels.length; at += 1) {
    const [r, g, b] = rgba.subarray(4 * at, 4 * at + 3);
    const colour = (r << 16) | (g << 8) | b;
    let found = known.get(colour);
    if (found === undefined) {
      found = { index: 0, distance: Infinity };
      table.forEach(([tr, tg, tb], index) => {
        const distance = (r - tr) ** 2 + (g - tg) ** 2 + (b - tb) ** 2;
        if (distance < found.distance) found = { index, distance };
      });
      known.set(colour, found);
    }
    if (found.distance) exact = false;
    if (found.distance <= NEAR * NEAR) close += 1;
    pixels[at] = found.index;
  }
  return { pixels, exact, close: close / pixels.length };
}
