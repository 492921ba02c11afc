// A page that draws with a model of its own: no server translates, this browser does.
//
// The drawing is that of `pixd web`, file by file (draw/). Here is only what it stands in.

import { button, bytes, h, replace, stayWhenDropped } from "./dom.js";
import { downloadBoth } from "./draw/pictures.js";
import { rgbPng } from "./draw/png.js";
import { Studio } from "./draw/studio.js";
import { Engine } from "./engine.js";
import { hexOf, withText } from "./text.js";

const main = document.getElementById("main");
const READY_MS = 3000; // where a browser blocks service workers, it may never say so
const asked = new URLSearchParams(location.search);
const isChecked = asked.has("check"); // by `pixd export --check`

async function open() {
  const response = await fetch("page.json", { cache: "no-cache" });
  if (!response.ok) throw new Error(`page.json could not be loaded: ${response.status}`);
  const about = await response.json();
  document.title = about.title;
  if (await isToBeReloaded()) return;
  const progress = h("progress", { value: 0, "aria-label": "Loading the model" });
  const size = h("span");
  const loading = h("p", "Loading the model, ", size, "once: it stays in this browser. ", progress);
  replace(main, h("div.pagehead", h("h1", about.title)), loading);
  const where = h("p.soft.small", { "data-where": "" });
  const engine = new Engine(about, asked.get("on") ?? "", {
    loading: (loaded, all) => {
      size.textContent = `${bytes(all)}, `;
      progress.max = all;
      progress.value = loaded;
    },
    moved: () => {
      where.textContent = engine.words;
    },
  });
  await engine.ready;
  if (isChecked) {
    const { check } = await import("./check.js");
    await check(engine, about);
    return;
  }
  show(about, engine, where);
}

// Threads need two headers that most static hosts do not send. The service worker adds them, from
// the second load on; it also keeps everything, so that the page works without a network.
async function isToBeReloaded() {
  if (!("serviceWorker" in navigator) || !isSecureContext) return false;
  try {
    await navigator.serviceWorker.register("sw.js");
    if (crossOriginIsolated || sessionStorage.getItem("reloaded")) return false;
    const late = new Promise((resolve) => setTimeout(resolve, READY_MS, null));
    if (!(await Promise.race([navigator.serviceWorker.ready, late]))) return false;
    sessionStorage.setItem("reloaded", "1");
    location.reload();
    return true;
  } catch {
    return false; // a private window: then it is slower, and only there with a network
  }
}

function show(about, engine, where) {
  let next = 0;
  const studio = new Studio({
    mode: about.mode,
    side: about.side,
    palette: about.palette,
    isLocked: about.isLocked,
    translate: (picture) => translate(about, engine, picture),
    example: about.examples.length
      ? async () => {
          const { name, input, target } = about.examples[next];
          next = (next + 1) % about.examples.length;
          return { name, input: await blob(input), target: target && (await blob(target)) };
        }
      : undefined,
    actions: [{ words: "Download", sign: "download", run: downloadBoth }],
  });
  stayWhenDropped();
  document.addEventListener("paste", (event) => studio.paste(event));
  document.addEventListener("keydown", (event) => event.target.closest("main *") || studio.undoKey(event));
  const dialog = h("dialog", h("h2", "This model"), h("p", about.words), h("p", `Licence: ${about.licence}.`),
    h("p", "The examples are pictures of its training set and have the licence of that set."),
    h("p", h("a", { href: "model.json" }, "The model card"), " says what it was made of and how closely this page agrees with pixd."),
    h("div.group", button("Close", () => dialog.close())));
  replace(
    main,
    h("div.pagehead", h("h1", about.title), where, button("About", () => dialog.showModal())),
    studio.element,
    dialog,
  );
  if (about.examples.length) studio.nextExample();
  else studio.refresh();
}

async function blob(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error("That example could not be loaded.");
  return response.blob();
}

async function translate(about, engine, { width, height, png, rgba }) {
  const began = performance.now();
  const made = await engine.translate(rgba());
  const inferenceMs = performance.now() - began;
  // As pixd writes them, so that `pixd trace` finds the model of a picture that was downloaded.
  const text = { ...about.text };
  if (crypto.subtle) {
    text["pixd:input-sha256"] = hexOf(await crypto.subtle.digest("SHA-256", await png.arrayBuffer()));
  }
  return { picture: await withText(await rgbPng(width, height, made), text), inferenceMs };
}

open().catch((error) => {
  replace(main, h("h1", "The model could not be opened"), h("p.trouble", error.message));
  if (isChecked) fetch("check/trouble", { method: "POST", body: error.message });
});
