// Elements without HTML text: a name from a file or a message is always a text node.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * @param {string} tag "div", or with classes "div.card.wide"
 * @param {Object} [given] attributes; `onclick` and the like are listeners; false, null and
 *   undefined are left out, true is an empty attribute
 * @param {...(Node|string|number|Array|null|false)} children
 */
export function h(tag, given, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  if (given && (given instanceof Node || typeof given !== "object" || Array.isArray(given))) {
    children.unshift(given);
  } else {
    set(element, given ?? {});
  }
  add(element, children);
  return element;
}

function set(element, given) {
  for (const [key, value] of Object.entries(given)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") {
      element.append(child);
    }
  }
}

/** The same for SVG. */
export function svg(tag, given = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(given)) element.setAttribute(key, value);
  add(element, children);
  return element;
}

const TRIES = 6;
const FIRST_WAIT_MS = 500;

/**
 * A picture of pixd's. What makes it may be busy (503) when many are asked for at once, and an
 * <img> does not ask again by itself.
 */
export function photo(src, given = {}) {
  let tries = 0;
  return h("img", {
    src,
    loading: "lazy",
    decoding: "async",
    onerror: ({ target }) => {
      tries += 1;
      if (tries >= TRIES) return;
      setTimeout(() => {
        target.src = src;
      }, FIRST_WAIT_MS * 2 ** (tries - 1));
    },
    ...given,
  });
}

export function replace(element, ...children) {
  element.replaceChildren();
  add(element, children);
}

/** A text of pixd with its commands, which are between backticks, as code. */
export function ticks(text) {
  return text.split("`").map((part, at) => (at % 2 ? h("code", part) : part));
}

const ICONS = {
  pen: "M4 20l1-5L16 4l4 4L9 19z M14 6l4 4",
  eraser: "M9 20h11 M4.5 15.5l10-10 5 5-9 9.5h-3z M9.5 10.5l5 5",
  line: "M5 19L19 5",
  rectangle: "M4 6h16v12H4z",
  fill: "M5 12l7-7 7 7-7 7z M12 5V2 M20.5 16.5c1 1.6 1.5 2.3 1.5 3a1.5 1.5 0 0 1-3 0c0-.7.5-1.4 1.5-3",
  pick: "M4 20l1-4 8-8 3 3-8 8z M12 7l5 5 M14 6l2.5-2.5a2 2 0 0 1 4 4L18 10",
  undo: "M8 5L4 9l4 4 M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "M16 5l4 4-4 4 M20 9H10a6 6 0 0 0 0 12h3",
  clear: "M5 7h14 M10 4h4 M7 7l1 13h8l1-13",
  dice: "M5 5h14v14H5z M9 9h.01 M15 15h.01 M15 9h.01 M9 15h.01",
  picture: "M4 5h16v14H4z M4 16l5-5 5 5 2-2 4 4 M15 9.5h.01",
  download: "M12 4v11 M7 10.5l5 5 5-5 M5 20h14",
  close: "M6 6l12 12 M18 6L6 18",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
};

export function icon(name) {
  const lines = svg("path", { d: ICONS[name] });
  return svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, lines);
}

/** A button; with an icon alone it has its words as a label and a tooltip. */
export function button(words, onclick, { sign = "", only = false, kind = "", ...more } = {}) {
  const given = { type: "button", onclick, ...more };
  if (only) Object.assign(given, { "aria-label": words, title: more.title ?? words });
  return h(`button${kind ? `.${kind}` : ""}${only ? ".only" : ""}`, given, sign && icon(sign), !only && words);
}

// -------------------------------------------------------------------- files

/** Save something under a name, as a download does. */
export function download(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Now, as part of a file's name. */
export function stamp() {
  return new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
}

/** Have a file that is dropped beside its place do nothing: a browser would leave the page for it. */
export function stayWhenDropped() {
  for (const name of ["dragover", "drop"]) {
    addEventListener(name, (event) => {
      const isFile = event.dataTransfer?.types.includes("Files");
      if (isFile && !event.target.closest?.("input")) event.preventDefault();
    });
  }
}

// -------------------------------------------------------------------- numbers in words

const WHOLE = new Intl.NumberFormat("en");

export function count(number) {
  return WHOLE.format(number);
}

export function many(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}

// Sizes and spans read as `pixd status` writes them.

export function bytes(number) {
  if (number < 1000) return `${Math.round(number)} B`;
  let unit = "TB";
  for (unit of ["kB", "MB", "GB", "TB"]) {
    number /= 1000;
    if (number < 1000) break;
  }
  return `${number.toFixed(1)} ${unit}`;
}

export function span(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** An instant as this reader's clock has it. */
export function when(instant) {
  if (!instant) return "";
  const at = new Date(instant);
  const given = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  if (at.getFullYear() !== new Date().getFullYear()) given.year = "numeric";
  const shown = new Intl.DateTimeFormat("en-GB", given).format(at);
  return h("time", { datetime: instant, title: instant }, shown);
}

/** "sha256:0123…" short enough to read. */
export function short(digest) {
  return digest ? digest.replace("sha256:", "").slice(0, 12) : "";
}
