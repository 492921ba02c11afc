// Draw: the studio on a running pixd.

import { ApiError, address, ask, get, picture, post } from "../api.js";
import { button, h, replace, span, stamp, ticks } from "../dom.js";
import { downloadBoth } from "../draw/pictures.js";
import { Studio } from "../draw/studio.js";

const LOADING_MS = 1000; // between two questions while the translator starts, or nobody answers
const MODES = { exact: "labels", clustered: "labels", free: "labels", pen: "edges", none: "picture" };
const kept = new Map(); // by pipeline: the studio, so that a drawing outlives a look at another page

export async function show({ pipeline, query, isNow, live: events }) {
  const empty = (...told) => ({ element: h("div.empty", h("h1", "Draw"), told) });
  if (!pipeline) return empty(h("p", "No pipeline is configured yet."));
  const { rows, live } = await get([pipeline, "models"]);
  const models = rows.filter((one) => one.bytes_state !== "removed");
  if (!live && !models.length) {
    return empty(
      h("p", "There is no model to draw with yet. It comes from pairs in the training folder; an early one appears while the first training goes on."),
      h("p", h("a", { href: `#/upload/${encodeURIComponent(pipeline)}?to=training` }, "Upload pairs")),
    );
  }
  start(pipeline);
  let held = kept.get(pipeline);
  if (!held) {
    held = await open(pipeline, models, live);
    kept.set(pipeline, held);
  }
  const { studio } = held;
  held.choice.offer(models, live);
  if (query.get("model")) held.choice.choose(query.get("model"));
  const changed = async ({ detail }) => {
    if (detail.pipeline !== pipeline || detail.what !== "models") return;
    const now = await get([pipeline, "models"]).catch(() => null); // told again with the next one
    if (now) held.choice.offer(now.rows.filter((one) => one.bytes_state !== "removed"), now.live);
  };
  events.addEventListener("changed", changed);
  const paste = (event) => studio.paste(event);
  const undo = (event) => event.target.closest("main *") || studio.undoKey(event);
  document.addEventListener("paste", paste);
  document.addEventListener("keydown", undo);
  return {
    element: h("div", h("div.pagehead", h("h1", "Draw"), held.about), studio.element),
    async shown() {
      const from = query.get("from");
      if (from) await takeFrom(studio, from);
      else if (held.isNew && held.hasExamples) await studio.nextExample();
      else if (isNow()) studio.refresh();
      held.isNew = false;
    },
    leave() {
      events.removeEventListener("changed", changed);
      document.removeEventListener("paste", paste);
      document.removeEventListener("keydown", undo);
    },
  };
}

async function takeFrom(studio, address) {
  try {
    await studio.take(await picture(`${address}&size=${studio.given.side}&nearest=1`));
  } catch (error) {
    studio.tell(error.message);
  }
}

// Have the translator load its model while the page is still being made.
function start(pipeline) {
  ask(address([pipeline, "draft"]), { method: "POST" }).catch(() => {}); // the first drawing tells
}

async function open(pipeline, models, live) {
  const [palette, settings] = await Promise.all([get([pipeline, "palette"]), get(["settings"])]);
  const mayUpload = settings.access.uploads;
  const translator = new Translator(pipeline);
  const examples = new Examples(pipeline, () => translator.model);
  let studio = null;
  const choice = new Choice((model) => {
    translator.model = model;
    examples.forget();
    studio?.refresh();
  });
  choice.offer(models, live);
  const hasExamples = await examples.any();
  const { quiet_seconds: quiet } = settings.pipelines[pipeline];
  const actions = [{ words: "Download", sign: "download", run: downloadBoth }];
  if (mayUpload) {
    actions.unshift(
      { words: "Save as input", run: (now) => saveAsInput(pipeline, now) },
      { words: "Save as pair", run: (now) => saveAsPair(pipeline, now, quiet) },
    );
  }
  studio = new Studio({
    mode: MODES[palette.kind] ?? "picture",
    side: palette.image_size,
    palette: colours(palette),
    isLocked: palette.locked,
    translate: (drawn) => translator.translate(drawn),
    example: hasExamples ? () => examples.next() : undefined,
    actions,
    above: choice.element,
  });
  const isPlain = palette.kind === "exact" || palette.kind === "pen";
  const about = palette.why && !isPlain ? h("p.soft.small", ticks(palette.why)) : "";
  return { studio, about, choice, hasExamples, isNew: true };
}

/** Which model draws: the live one, whichever that is, or one of those that are kept. */
class Choice {
  constructor(chosen) {
    this.chosen = chosen;
    this.live = null;
    this.element = h("select", { "aria-label": "Model", onchange: () => chosen(this.element.value) });
  }

  /** Offer these models. What was chosen stays so, if it is still there. */
  offer(models, live) {
    const had = this.element.value;
    const others = models.filter((one) => one.number !== live);
    replace(
      this.element,
      live && h("option", { value: "" }, `model@${live}, live`),
      others.map((one) => h("option", { value: one.number }, one.name)),
    );
    const isThere = [...this.element.options].some((option) => option.value === had);
    this.element.value = isThere ? had : (this.element.options[0]?.value ?? "");
    if (this.element.value !== had || (!had && live !== this.live)) this.chosen(this.element.value);
    this.live = live;
  }

  choose(number) {
    const value = Number(number) === this.live ? "" : number;
    if (![...this.element.options].some((option) => option.value === value)) return;
    this.element.value = value;
    this.chosen(value);
  }
}

// The background comes first: it is what an eraser leaves.
function colours({ colours: listed, background }) {
  const all = listed.map(({ rgb, share }) => ({ colour: rgb, share }));
  const at = all.findIndex(({ colour }) => colour === background);
  if (at < 0) return [{ colour: background }, ...all];
  return [all[at], ...all.slice(0, at), ...all.slice(at + 1)];
}

class Translator {
  constructor(pipeline) {
    this.pipeline = pipeline;
    this.model = "";
  }

  async translate({ png }) {
    try {
      const path = address([this.pipeline, "draft"], { model: this.model });
      const response = await ask(path, { method: "POST", body: png, type: "image/png" });
      const inferenceMs = durationOf(response.headers.get("Server-Timing"), "infer");
      return { picture: await response.blob(), inferenceMs };
    } catch (error) {
      // The newest drawing is sent again when the translator is ready, or the page's process is back.
      if (error instanceof ApiError && [0, 503].includes(error.status) && !error.retryAfterMs) {
        error.retryAfterMs = LOADING_MS;
      }
      throw error;
    }
  }
}

function durationOf(timing, name) {
  const found = new RegExp(`(?:^|,)\\s*${name};[^,]*dur=([0-9.]+)`).exec(timing ?? "");
  return found ? Number(found[1]) : undefined;
}

/** Held-out pairs, or training pairs where none were held out, in an order by chance, each once before any comes again. */
class Examples {
  constructor(pipeline, model) {
    this.pipeline = pipeline;
    this.model = model;
    this.forget();
  }

  forget() {
    this.left = [];
  }

  async #fill() {
    const { rows, held_out: isHeldOut } = await get([this.pipeline, "held-out"], { model: this.model() });
    this.left = rows.filter((row) => row.input).map((row) => ({ ...row, isHeldOut }));
    for (let at = this.left.length - 1; at > 0; at -= 1) {
      const other = Math.floor(Math.random() * (at + 1));
      [this.left[at], this.left[other]] = [this.left[other], this.left[at]];
    }
  }

  async any() {
    try {
      await this.#fill();
    } catch {
      return false; // such as no kept pairs: then there is no button
    }
    return this.left.length > 0;
  }

  async next() {
    if (!this.left.length) await this.#fill();
    const row = this.left.pop();
    if (!row) throw new Error("No pair of this model is kept.");
    const [input, target] = await Promise.all([picture(`${row.input}&nearest=1`), row.target ? picture(row.target) : null]);
    return { input, target, name: row.name, isHeldOut: row.isHeldOut };
  }
}

// -------------------------------------------------------------------- what is done with a drawing

async function saveAsInput(pipeline, { input }) {
  const name = `drawing-${stamp()}.png`;
  await ask(address([pipeline, "input", name]), { method: "PUT", body: input, type: "image/png" });
  return `Saved as ${name}. Its output appears in the gallery.`;
}

// The target must not be what the model made: it would learn its own mistakes.
async function saveAsPair(pipeline, { input }, quiet) {
  const target = await chooseTarget(quiet);
  if (!target) return "";
  const [one, other] = await Promise.all([scratch(input), scratch(target)]);
  const { files } = await post([pipeline, "pairs"], { name: `drawing-${stamp()}`, input: one, target: other });
  return `Saved as ${files.join(" and ")}. A training begins when the folder was still for ${span(quiet)}.`;
}

async function scratch(picture) {
  const path = address(["scratch"]);
  const response = await ask(path, { method: "PUT", body: picture, type: picture.type || "image/png" });
  return (await response.json()).digest;
}

function chooseTarget(quiet) {
  return new Promise((resolve) => {
    const file = h("input", { type: "file", accept: "image/*", id: "target-file" });
    let chosen = null;
    const dialog = h(
      "dialog",
      { "aria-labelledby": "pair-title", onclose: () => resolve(chosen) },
      h("h2", { id: "pair-title" }, "Save as a training pair"),
      h("p", "Choose the picture that this drawing should become: a photograph, or the translation after you edited it. The translation as it came is not taken, because the model would learn its own mistakes."),
      h("p.soft", `A training begins when the training folder was still for ${span(quiet)}.`),
      h("p", h("label", { for: "target-file" }, "Picture "), file),
      h(
        "div.group",
        button("Cancel", () => dialog.close()),
        button("Save the pair", () => {
          [chosen] = file.files;
          if (chosen) dialog.close();
          else file.focus();
        }, { kind: "primary" }),
      ),
    );
    document.body.append(dialog);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
  });
}
