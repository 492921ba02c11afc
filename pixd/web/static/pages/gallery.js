// Gallery: what came out, newest first. Only the rows in view are elements, however many there are.

import { get } from "../api.js";
import { h, many, photo } from "../dom.js";
import { openOutput } from "../lightbox.js";

const AGAIN_MS = 2000; // after an answer that did not come
const AT_ONCE = 100; // rows asked for together
const TILE = { width: 250, words: 38, gap: 14 }; // px; at least so wide; below two squares, a line
const OVERSCAN = 2; // rows above and below what is seen
const TALLEST = 8_000_000; // px; Blink caps a scrolled box at 33,554,428
const SETTLED_MS = 90; // a list that flies by is filled when it has stood still for so long
const TYPING_MS = 250;
const STATES = ["shown", "all", "current", "superseded", "orphaned", "edited", "missing", "withdrawn"];

export async function show({ live, pipeline, query, say }) {
  if (!pipeline) return { element: h("div.empty", h("h1", "Gallery"), h("p", "No pipeline is configured yet.")) };
  const asked = { state: "shown", model: "", name: query.get("name") ?? "" };
  const list = new List(pipeline, asked);
  const shown = h("p.soft.number", { role: "status" });
  const grid = h("div.window");
  const view = h("div.view", { tabindex: "-1" }, grid);
  const tiles = new Map(); // by index: what is in the page now
  let columns = 1;
  let height = 200; // of a tile
  let width = 0; // of the view, as it was laid out
  let frame = 0;
  let isOpen = false;
  let lastFirst = 0;
  let lastAt = 0;
  let settling = 0;
  let retrying = 0;

  const model = h("select", { "aria-label": "Model", onchange: () => filter({ model: model.value }) }, h("option", { value: "" }, "Every model"));
  const state = h(
    "select",
    { "aria-label": "State", onchange: () => filter({ state: state.value }) },
    STATES.map((one) => h("option", { value: one }, one === "shown" ? "current and edited" : one)),
  );
  let typing = 0;
  const name = h("input", {
    type: "search",
    placeholder: "Part of a name",
    "aria-label": "Part of a name",
    value: asked.name,
    oninput: () => {
      clearTimeout(typing);
      typing = setTimeout(() => filter({ name: name.value }), TYPING_MS);
    },
  });
  const empty = h("div.empty", { hidden: true }, h("p", "Nothing here yet. Drop an image into the input folder, or "), h("a", { href: `#/upload/${encodeURIComponent(pipeline)}` }, "upload one"), ".");
  const element = h(
    "div",
    h("div.pagehead", h("h1", "Gallery"), shown, h("div.filters", name, model, state)),
    empty,
    view,
  );

  async function filter(more) {
    Object.assign(asked, more);
    await again();
    scrollTo(0, 0);
  }

  async function again() {
    list.forget();
    tiles.clear();
    grid.replaceChildren();
    await list.fetch(0);
    layOut();
  }

  function layOut() {
    width = view.clientWidth;
    const room = width || 1;
    columns = Math.max(1, Math.floor((room + TILE.gap) / (TILE.width + TILE.gap)));
    const across = (room - (columns - 1) * TILE.gap) / columns;
    height = Math.round(across / 2) + TILE.words;
    grid.style.setProperty("grid-template-columns", `repeat(${columns}, minmax(0, 1fr))`);
    grid.style.setProperty("grid-auto-rows", `${height}px`);
    const tall = Math.min(TALLEST, Math.ceil(list.total / columns) * (height + TILE.gap));
    view.style.setProperty("height", `${tall}px`);
    shown.textContent = list.error || many(list.total, "output");
    empty.hidden = list.total > 0 || Boolean(list.error);
    const focused = document.activeElement?.dataset?.index;
    tiles.clear();
    grid.replaceChildren();
    draw();
    if (focused) tiles.get(Number(focused))?.focus({ preventScroll: true });
    clearTimeout(retrying);
    if (list.error) retrying = setTimeout(refresh, AGAIN_MS);
  }

  // Which rows are in view. In a box too tall for the browser the way is scaled, and then the
  // rows follow the scroll bar by their share of the whole.
  function rowsInView() {
    const row = height + TILE.gap;
    const rows = Math.ceil(list.total / columns);
    const top = Math.max(0, -view.getBoundingClientRect().top);
    const tall = view.clientHeight;
    const real = rows * row;
    const seen = innerHeight;
    const scale = real > tall ? (real - seen) / Math.max(1, tall - seen) : 1;
    const first = Math.max(0, Math.floor((top * scale) / row) - OVERSCAN);
    const last = Math.min(rows, Math.ceil((top * scale + seen) / row) + OVERSCAN);
    return { first, last, shift: first * row - top * scale + top };
  }

  function draw() {
    frame = 0;
    if (!view.isConnected) return;
    const { first, last, shift } = rowsInView();
    const from = first * columns;
    const to = Math.min(list.total, last * columns);
    // Rows that nobody can read yet are neither asked for nor drawn.
    const flies = Math.abs(first - lastFirst) > last - first && performance.now() - lastAt < SETTLED_MS;
    lastFirst = first;
    lastAt = performance.now();
    clearTimeout(settling);
    if (flies) settling = setTimeout(soon, SETTLED_MS);
    for (const [index, tile] of tiles) {
      if (index < from || index >= to) {
        tile.remove();
        tiles.delete(index);
      }
    }
    let missing = -1;
    let before = null;
    for (let index = to - 1; index >= from; index -= 1) {
      const row = flies ? null : list.at(index);
      if (!row && missing < 0) missing = index;
      if (row && tiles.get(index)?.dataset.id === "") {
        tiles.get(index).remove();
        tiles.delete(index);
      }
      let tile = tiles.get(index);
      if (!tile) {
        tile = row ? tileOf(row, index) : h("div.tile", { "data-id": "" });
        tiles.set(index, tile);
      }
      if (tile.nextSibling !== before || tile.parentNode !== grid) grid.insertBefore(tile, before);
      before = tile;
    }
    grid.style.setProperty("transform", `translateY(${Math.round(shift)}px)`);
    if (missing >= 0 && !flies) {
      Promise.all([list.fetch(missing), list.fetch(from)]).then(() => {
        clearTimeout(retrying);
        if (list.error) shown.textContent = list.error;
        if (list.at(missing) || missing >= list.total) soon();
        else retrying = setTimeout(refresh, AGAIN_MS); // no answer, or another list than a moment ago
      });
    }
  }

  function soon() {
    frame ||= requestAnimationFrame(draw);
  }

  function tileOf(row, index) {
    const badge = row.state === "current" ? "" : row.state;
    const words = [row.model ? `model@${row.model}` : "", badge].filter(Boolean).join(", ");
    return h(
      "button.tile",
      {
        type: "button",
        "data-id": row.id,
        "data-index": index,
        "aria-label": `${row.name}${words ? `, ${words}` : ""}`,
        onclick: () => open(index),
      },
      thumb(row.input.pictures),
      thumb(row.pictures),
      h("span.name", row.name),
      h("span.about", words),
    );
  }

  async function open(index) {
    isOpen = true;
    await openOutput(pipeline, index, {
      total: () => list.total,
      row: async (at) => {
        await list.fetch(at);
        return list.at(at);
      },
    });
    isOpen = false;
    if (isStale) refresh();
    tiles.get(index)?.focus({ preventScroll: true });
  }

  grid.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (!step || !event.target.dataset.index) return;
    const next = Number(event.target.dataset.index) + step;
    if (next < 0 || next >= list.total) return;
    event.preventDefault();
    const focus = () => {
      const tile = tiles.get(next);
      tile?.scrollIntoView({ block: "nearest" });
      tile?.focus({ preventScroll: true });
    };
    focus();
    if (!tiles.has(next)) {
      scrollBy(0, Math.sign(step) * (height + TILE.gap));
      requestAnimationFrame(() => requestAnimationFrame(focus));
    }
  });

  // New outputs come while somebody looks: the list is read again when nobody is deep in it.
  let isStale = false;
  let waiting = 0;
  async function refresh() {
    if (!view.isConnected) return;
    isStale = false;
    const had = list.total;
    list.forget();
    await list.fetch(0);
    layOut();
    if (list.total > had) say(`${many(list.total - had, "new output")}`);
  }
  function changed({ detail }) {
    if (detail.pipeline !== pipeline || detail.what !== "outputs") return;
    if (isOpen) {
      isStale = true;
      return;
    }
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 500);
  }

  // Its height is set by the layout, so that only another width asks for another one.
  const sizes = new ResizeObserver(() => {
    if (view.isConnected && view.clientWidth !== width) layOut();
  });
  addEventListener("scroll", soon, { passive: true });
  live.addEventListener("changed", changed);
  await list.fetch(0);
  get([pipeline, "models"]).then(
    ({ rows }) => model.append(...rows.map((one) => h("option", { value: one.number }, one.name))),
    () => {},
  );
  return {
    element,
    shown() {
      layOut();
      sizes.observe(view);
    },
    leave() {
      sizes.disconnect();
      clearTimeout(waiting);
      clearTimeout(settling);
      clearTimeout(retrying);
      removeEventListener("scroll", soon);
      live.removeEventListener("changed", changed);
    },
  };
}

function thumb(pictures) {
  return pictures ? photo(pictures.thumb, { alt: "" }) : h("span");
}

/** Rows of the list, asked for a hundred at a time, kept until the list changes. */
class List {
  constructor(pipeline, asked) {
    this.pipeline = pipeline;
    this.asked = asked;
    this.forget();
    this.total = 0;
    this.error = "";
  }

  forget() {
    this.parts = new Map();
    this.waiting = new Map();
  }

  at(index) {
    return this.parts.get(Math.floor(index / AT_ONCE))?.[index % AT_ONCE];
  }

  async fetch(index) {
    const part = Math.floor(index / AT_ONCE);
    if (this.parts.has(part)) return;
    if (!this.waiting.has(part)) this.waiting.set(part, this.#ask(part, this.parts));
    await this.waiting.get(part);
  }

  async #ask(part, parts) {
    try {
      const asked = { ...this.asked, from: part * AT_ONCE, count: AT_ONCE };
      const { total, rows } = await get([this.pipeline, "outputs"], asked);
      if (parts !== this.parts) return;
      parts.set(part, rows);
      this.total = total;
      this.error = "";
    } catch (error) {
      this.error = error.message;
      if (parts === this.parts) this.waiting.delete(part);
    }
  }
}
