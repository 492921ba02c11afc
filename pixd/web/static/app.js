// The frame of the page: the way in, the head, and which page is shown.

import { forgetToken, hasToken, keepToken, takeToken } from "./api.js";
import { button, h, replace, stayWhenDropped } from "./dom.js";
import { Live } from "./events.js";

const PAGES = {
  status: "Status",
  gallery: "Gallery",
  draw: "Draw",
  train: "Train",
  why: "Why",
  upload: "Upload",
  settings: "Settings",
};
const OF_A_PIPELINE = new Set(["gallery", "draw", "train", "upload"]);
const AGAIN_MS = 1000; // until a page that did not come is asked for again
const SAY_EVERY_MS = 10_000; // to a screen reader

takeToken();
const live = new Live();
const main = document.getElementById("main");
const top = document.getElementById("top");
const said = document.getElementById("said");
let shown = null; // what the page's module gave: {element, leave}
let showing = 0;
let pipeline = "";

// -------------------------------------------------------------------- the head

const links = Object.entries(PAGES).map(([name, words]) =>
  h("a", { href: `#/${name}`, "data-page": name }, words),
);
const nav = h("nav", { "aria-label": "Pages" }, links);
const dot = h("span.dot");
const chooser = h("select", {
  "aria-label": "Pipeline",
  hidden: true,
  onchange: () => {
    pipeline = chooser.value;
    const { page } = route();
    location.hash = OF_A_PIPELINE.has(page) ? `#/${page}/${encodeURIComponent(pipeline)}` : `#/${page}`;
  },
});
const banner = h("p.banner", { role: "alert", hidden: true });

function route() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/").map(decoded);
  return { page: Object.hasOwn(PAGES, page) ? page : "status", rest, query: new URLSearchParams(search) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // an address that somebody typed
  }
}

function showHead() {
  const { page } = route();
  for (const link of links) {
    const name = link.dataset.page;
    const of = OF_A_PIPELINE.has(name) && pipeline ? `/${encodeURIComponent(pipeline)}` : "";
    link.href = `#/${name}${of}`;
    if (name !== page) link.removeAttribute("aria-current");
    else if (!link.hasAttribute("aria-current")) {
      link.setAttribute("aria-current", "page");
      nav.scrollLeft = link.offsetLeft - nav.clientWidth / 2;
    }
  }
  const state = live.isConnected === false || live.trouble ? "gone" : (live.status?.state ?? "unknown");
  dot.className = `dot ${state}`;
  const names = Object.keys(live.status?.pipelines ?? {});
  chooser.hidden = names.length < 2 || !OF_A_PIPELINE.has(page);
  if (names.join("\n") !== [...chooser.options].map((option) => option.value).join("\n")) {
    replace(chooser, names.map((name) => h("option", { value: name }, name)));
  }
  chooser.value = pipeline;
}

function showConnection() {
  const isGone = live.isConnected === false;
  const told = isGone ? "Not connected: pixd's page process does not answer." : live.trouble && `pixd cannot tell: ${live.trouble}.`;
  const since = live.statusAt ? ` What you see is from ${live.statusAt.toLocaleTimeString("en-GB")}.` : "";
  banner.hidden = !told;
  banner.textContent = told ? `${told}${since}` : "";
  if (live.isRefused) askForToken(true);
  showHead();
}

// -------------------------------------------------------------------- the way in

function askForToken(isWrong) {
  const field = h("input", {
    id: "token",
    type: "password",
    autocomplete: "off",
    "aria-describedby": "token-help",
  });
  const form = h(
    "form.gate.card",
    {
      onsubmit: (event) => {
        event.preventDefault();
        if (keepToken(field.value)) location.reload();
      },
    },
    h("h1", isWrong ? "That token is not known here" : "Welcome to pixd"),
    h("p", { id: "token-help" }, "Paste the link that ", h("code", "pixd web --link"), " prints, or the token at its end."),
    h("label", { for: "token" }, "Link or token"),
    field,
    button("Open", null, { type: "submit", kind: "primary" }),
  );
  if (isWrong) forgetToken();
  shown?.leave?.();
  shown = null;
  showing += 1;
  replace(main, form);
  document.title = "pixd";
  field.focus();
}

// -------------------------------------------------------------------- pages

async function show() {
  const turn = ++showing;
  if (!hasToken()) {
    askForToken(false);
    return;
  }
  const { page, rest, query } = route();
  if (OF_A_PIPELINE.has(page)) {
    if (!live.status) await first("status");
    if (turn !== showing) return;
    const names = Object.keys(live.status?.pipelines ?? {});
    const isUnknown = rest[0] && names.length > 0 && !names.includes(rest[0]);
    pipeline = isUnknown ? "" : names.includes(rest[0]) ? rest[0] : names.includes(pipeline) ? pipeline : (names[0] ?? "");
    if (isUnknown) {
      showHead();
      put(page, { element: unknown(page, rest[0], names) });
      return;
    }
  }
  showHead();
  let next;
  let came = false;
  try {
    const module = await import(`./pages/${page}.js`);
    came = true;
    next = await module.show({ live, pipeline, rest: rest.slice(1), query, say, isNow: () => turn === showing });
  } catch (error) {
    const isAway = !came || error.status === 0;
    const told = came ? error.message : "This page did not come. It is asked for again.";
    next = { element: h("div.empty", h("h1", PAGES[page]), h("p", told)) };
    if (isAway) setTimeout(() => turn === showing && show(), AGAIN_MS);
  }
  if (turn !== showing) {
    next.leave?.();
    return;
  }
  put(page, next);
  next.shown?.();
}

function put(page, next) {
  shown?.leave?.();
  shown = next;
  replace(main, next.element);
  document.title = `${PAGES[page]} · pixd`;
}

// An address that was kept may outlive its pipeline.
function unknown(page, name, names) {
  const link = (one) => h("a", { href: `#/${page}/${encodeURIComponent(one)}` }, one);
  return h(
    "div.empty",
    h("h1", PAGES[page]),
    h("p", `There is no pipeline ${name}.`),
    h("p", names.length > 1 ? "There are: " : "There is: ", names.map((one, at) => [at > 0 && ", ", link(one)])),
  );
}

function first(name) {
  return new Promise((resolve) => live.addEventListener(name, resolve, { once: true }));
}

// -------------------------------------------------------------------- said politely

let saidAt = 0;
let toSay = "";
function say(words) {
  toSay = words;
  const wait = Math.max(0, saidAt + SAY_EVERY_MS - Date.now());
  setTimeout(() => {
    if (!toSay || said.textContent === toSay) return;
    said.textContent = toSay;
    saidAt = Date.now();
    toSay = "";
  }, wait);
}

replace(
  top,
  h("div.head", h("a.brand", { href: "#/status" }, dot, "pixd"), nav, chooser),
  banner,
);
live.addEventListener("connection", showConnection);
live.addEventListener("status", showConnection);
let lastStatus = null;
live.addEventListener("status", async ({ detail }) => {
  const before = lastStatus;
  lastStatus = detail;
  if (globalThis.Notification?.permission !== "granted") return;
  const { notify } = await import("./notify.js");
  notify(before, detail);
});
addEventListener("hashchange", () => {
  for (const open of document.querySelectorAll("dialog[open]")) open.close(); // it was of the page before
  if (takeToken()) {
    location.reload(); // a link that was opened over a page that had no token, or another
    return;
  }
  show();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
});
// The address says which page is shown, so it cannot also say where on it to go.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
stayWhenDropped();
if (hasToken()) live.begin();
show();
