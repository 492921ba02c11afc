// Train: what the model learned, how well, from which pairs; and which one is live.

import { ask, get, picture, post } from "../api.js";
import { button, count, download, h, many, photo, replace, ticks, when } from "../dom.js";
import { chart } from "../chart.js";
import { confirmed } from "../confirm.js";
import { Training } from "../training.js";

// Filled anew, the page closes what was opened and has its pairs drawn again; inputs and outputs change all the time.
const CONCERNS = new Set(["models", "training"]);
const PAIRS = 6; // shown at first
const SCORES = [
  ["l1", "L1", 1, "of 255; less is better"],
  ["psnr", "PSNR", 1, "dB"],
  ["ssim", "SSIM", 3, ""],
  ["sharpness", "Sharpness", 2, "1 is as sharp as the real pictures"],
];

export async function show({ live, pipeline, rest, isNow }) {
  if (!pipeline) return { element: h("div.empty", h("h1", "Train"), h("p", "No pipeline is configured yet.")) };
  const element = h("div.stack");
  const training = new Training(pipeline);
  const now = h("section.card", { "aria-label": "The training now" }, h("div.cols", training.told, training.sheet));
  const body = h("div.stack");
  const path = encodeURIComponent(pipeline);
  let waiting = 0;

  async function fill() {
    const [{ rows }, commits] = await Promise.all([
      get([pipeline, "models"]),
      get([pipeline, "commits", "training"], { count: 12 }),
    ]);
    const wanted = Number(rest[0]) || rows.find((one) => one.is_live)?.number || rows[0]?.number;
    const detail = wanted ? await get([pipeline, "models", wanted]) : null;
    if (!isNow()) return;
    const { pid } = live.status;
    const parts = [];
    if (detail) {
      parts.push(modelCard(pipeline, detail, rows, pid, refill));
      parts.push(await heldOut(pipeline, detail), curves(detail.curves));
    } else {
      parts.push(
        h("section.card", h("h2", "No model yet"), h("p.soft", "Put pairs into the training folder: a first, early model appears while the first training goes on."), h("p", h("a", { href: `#/upload/${path}?to=training` }, "Upload pairs"))),
      );
    }
    if (rows.length) parts.push(modelList(pipeline, rows, wanted));
    parts.push(versions(commits.rows));
    replace(body, parts);
  }

  function refill() {
    return fill().catch((error) => replace(body, h("p.error", error.message)));
  }

  function showNow() {
    const part = live.status?.pipelines[pipeline];
    if (part) training.fill(part);
  }
  function changed({ detail }) {
    if (detail.pipeline !== pipeline || !CONCERNS.has(detail.what)) return;
    clearTimeout(waiting);
    waiting = setTimeout(refill, 1000);
  }

  await fill();
  showNow();
  replace(element, h("div.pagehead", h("h1", "Train")), now, body);
  live.addEventListener("status", showNow);
  live.addEventListener("changed", changed);
  return {
    element,
    leave() {
      clearTimeout(waiting);
      live.removeEventListener("status", showNow);
      live.removeEventListener("changed", changed);
    },
  };
}

function modelCard(pipeline, detail, rows, pid, refill) {
  const { model } = detail;
  const answer = h("p.small.said", { role: "status" });
  // What follows is told by the plan, so that the page and `pixd plan` never differ.
  async function ask(op, title, query) {
    try {
      const { told } = await get([pipeline, "plan"], query);
      if (!(await confirmed(title, h("div.stack", planned(told)), title))) return;
      await post(["operations", op], { pipeline, number: model.number });
      await refill();
    } catch (error) {
      answer.textContent = error.message;
    }
  }
  const others = rows.filter((one) => one.number !== model.number);
  const isNewest = rows[0]?.number === model.number;
  const op = isNewest || model.number > (rows.find((one) => one.is_live)?.number ?? 0) ? "promote" : "rollback";
  const word = op === "promote" ? "Promote" : "Roll back to";
  const scores = SCORES.filter(([name]) => typeof model.metrics[name] === "number");
  return h(
    "section.card.stack",
    h(
      "div.pagehead",
      h("h2", model.name),
      model.is_live && h("span.badge.good", "live"),
      model.is_pinned && h("span.badge.warn", "pinned"),
      model.early_of > 0 && h("span.badge", `early: ${count(model.steps)} of ${count(model.early_of)} steps`),
      pid > 0 && !model.is_live && model.bytes_state === "present" &&
        button(`${word} ${model.name}`, () =>
          ask(op, `${word} ${model.name}?`, { promote: model.number }), { kind: "change" }),
      pid > 0 && model.is_pinned &&
        button("Unpin", () => ask("unpin", `Unpin ${model.name}?`, { unpin: 1 }), { kind: "change" }),
      model.bytes_state !== "removed" && h("a", { href: `#/draw/${encodeURIComponent(pipeline)}?model=${model.number}` }, "Draw with it"),
      button("Report", () => report(pipeline, model.number, answer), { kind: "plain" }),
    ),
    answer,
    h("div.cols", h(
      "dl.facts",
      scores.map(([name, words, digits, unit]) => [h("dt", words), h("dd.number", model.metrics[name].toFixed(digits), unit && h("span.soft", ` ${unit}`))]),
      h("dt", "Trained"), h("dd", `${count(model.steps)} steps, on ${model.dataset}: ${many(detail.pairs.train.length, "pair")}, ${count(detail.pairs.held_out.length)} held out`),
      detail.begun_from && [h("dt", "Began from"), h("dd", detail.begun_from)],
      h("dt", "Made"), h("dd", when(model.created_at)),
      model.verdict?.why && [h("dt", "Verdict"), h("dd", ticks(model.verdict.why))],
    ),
    detail.sheet && photo(detail.sheet.view, { class: "sheet", alt: `Samples of ${model.name}: input, output and real picture` })),
    model.doubts && h("p.warn", ticks(model.doubts)),
    detail.changes.length > 0 && h("details", h("summary", `What changed since ${detail.before || "the model before"}`), h("ul", detail.changes.map((line) => h("li", line)))),
    others.length > 0 && comparison(pipeline, model, others),
    h("details", h("summary", "Settings"), h("div.scroll", h("table", h("tbody", detail.settings.map(({ name, value, before }) => h("tr", h("th", { scope: "row" }, name), h("td", value), h("td.soft", before ? `before: ${before}` : ""))))))),
  );
}

// A paragraph for what happens at once, then a list; a line without a word goes on from the one before.
function planned([first, ...lines]) {
  const items = [];
  for (const { word, told } of lines) {
    if (word) items.push([h("strong", word), " ", ticks(told)]);
    else items.at(-1)?.push("; ", ticks(told));
  }
  return [h("p", ticks(first.told)), h("ul.plan", items.map((item) => h("li", item)))];
}

// Scores, settings and pairs of two models; asked for when somebody opens it.
function comparison(pipeline, model, others) {
  const told = h("div.stack");
  const other = h("select", { "aria-label": "The other model", onchange: () => fill() }, others.map((one) => h("option", { value: one.number }, one.name)));
  async function fill() {
    try {
      const { a, b, scores, settings, data } = await get([pipeline, "models", other.value, "diff", model.number]);
      replace(
        told,
        h("div.scroll", h("table",
          h("thead", h("tr", ["Score", a, b].map((words) => h("th", { scope: "col" }, words)))),
          h("tbody", SCORES.filter(([name]) => scores[name]).map(([name, words, digits]) =>
            h("tr", h("th", { scope: "row" }, words), scores[name].map((value) => h("td.number", typeof value === "number" ? value.toFixed(digits) : ""))))),
        )),
        h("p", settings.length ? `Settings: ${settings.map(String).join("; ")}` : "The same settings."),
        h("p", data.pairs.length ? `Pairs: ${data.pairs.map(String).join("; ")}` : "The same pairs."),
      );
    } catch (error) {
      replace(told, h("p.error", error.message));
    }
  }
  return h("details", { ontoggle: (event) => event.target.open && !told.childNodes.length && fill() }, h("summary", "Compare with another model"), h("p", other), told);
}

// The page of a model forbids itself to run anything; it opens from a file of its own.
async function report(pipeline, number, answer) {
  try {
    const response = await ask(`/api/${encodeURIComponent(pipeline)}/models/${number}/report`);
    download(await response.blob(), `${pipeline}-model-${number}.html`);
  } catch (error) {
    answer.textContent = error.message;
  }
}

// What the training is told and what the held-out pairs score belong in one picture.
const CHARTS = [
  ["L1, of 255; less is better", ["gen_l1_loss", "validation_l1"]],
  ["PSNR on held-out pairs, dB", ["validation_psnr"]],
  ["SSIM on held-out pairs", ["validation_ssim"]],
  ["Sharpness; 1 is as the real pictures", ["validation_sharpness"]],
  ["GAN loss of the generator", ["gen_gan_loss"]],
  ["Loss of the discriminator; 0.69 is guessing", ["disc_loss"]],
];

function curves(points) {
  const has = (name) => points[name]?.length > 1;
  const listed = new Set(CHARTS.flatMap(([, names]) => names));
  const others = Object.keys(points).filter((name) => !listed.has(name)).map((name) => [name.replaceAll("_", " "), [name]]);
  const charts = [...CHARTS, ...others]
    .map(([title, names]) => [title, names.filter(has)])
    .filter(([, names]) => names.length);
  if (!charts.length) return null;
  const words = (name) => (name.endsWith("_loss") ? "training" : "held out");
  return h(
    "section.card.stack",
    h("h2", "Curves"),
    h("div.charts", charts.map(([title, names]) =>
      chart(title, names.map((name) => ({ words: words(name), points: points[name] }))))),
  );
}

async function heldOut(pipeline, { model }) {
  let told;
  try {
    told = await get([pipeline, "held-out"], { model: model.number, count: PAIRS });
  } catch (error) {
    return h("section.card", h("h2", "Held-out pairs"), h("p.soft", error.message));
  }
  const grid = h("div.pairs");
  const more = button("More", () => next(), { hidden: true });
  let shown = 0;
  function add(rows) {
    grid.append(...rows.map((row) => pairOf(pipeline, model.number, row)));
    shown += rows.length;
    more.hidden = shown >= told.total;
  }
  async function next() {
    const { rows } = await get([pipeline, "held-out"], { model: model.number, from: shown, count: PAIRS });
    add(rows);
  }
  add(told.rows);
  return h(
    "section.card.stack",
    h("h2", told.held_out ? "Held-out pairs" : "Pairs it was trained on"),
    h("p.soft", told.held_out ? "The model never saw these pairs. Its output is made when a row comes into view." : "No pair was held out, so these tell little."),
    grid,
    more,
  );
}

// The output is drawn by the model when somebody looks: a draft that leaves no trace.
function pairOf(pipeline, number, row) {
  const output = h("img", { alt: "Output", hidden: true });
  const about = h("figcaption", "Output");
  const card = h(
    "figure",
    h("div.row", h("b", row.name), row.trouble && h("span.soft", row.trouble)),
    h(
      "div.three",
      h("figure", row.input && photo(row.input, { alt: "Input" }), h("figcaption", "Input")),
      h("figure", h("div.hole", output), about),
      h("figure", row.target && photo(row.target, { alt: "Real picture" }), h("figcaption", "Real picture")),
    ),
  );
  if (row.input) {
    const watch = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      watch.disconnect();
      drafts.push({ pipeline, number, row, output, about });
      draw();
    });
    watch.observe(card);
  }
  return card;
}

const drafts = [];
let drawing = false;
async function draw() {
  if (drawing) return;
  drawing = true;
  while (drafts.length) {
    const { pipeline, number, row, output, about } = drafts.shift();
    if (!output.isConnected) continue;
    try {
      const png = await picture(row.input);
      const path = `/api/${encodeURIComponent(pipeline)}/draft?model=${number}`;
      const made = await ask(path, { method: "POST", body: png, type: "image/png" });
      output.src = URL.createObjectURL(await made.blob());
      output.hidden = false;
      output.onload = () => URL.revokeObjectURL(output.src);
      about.textContent = "Output";
    } catch (error) {
      about.textContent = error.told ?? error.message;
      if (error.retryAfterMs) {
        drafts.unshift({ pipeline, number, row, output, about });
        await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs));
      }
    }
  }
  drawing = false;
}

function modelList(pipeline, rows, shown) {
  const at = encodeURIComponent(pipeline);
  return h(
    "section.card.stack",
    h("h2", "Models"),
    h("div.scroll", h(
      "table",
      h("thead", h("tr", ["Model", "Held-out L1", "Steps", "Of", "Made", "State"].map((words) => h("th", { scope: "col" }, words)))),
      h("tbody", rows.map((one) => h(
        "tr",
        h("td", one.number === shown ? h("b", one.name) : h("a", { href: `#/train/${at}/${one.number}` }, one.name)),
        h("td.number", typeof one.metrics.l1 === "number" ? one.metrics.l1.toFixed(1) : ""),
        h("td.number", count(one.steps)),
        h("td", one.dataset),
        h("td", when(one.created_at)),
        h("td", one.is_live ? h("span.badge.good", "live") : one.early_of ? h("span.soft", "early") : one.bytes_state !== "present" ? h("span.soft", one.bytes_state) : ""),
      ))),
    )),
  );
}

function versions(rows) {
  return h(
    "section.card.stack",
    h("h2", "Versions of the training folder"),
    rows.length
      ? h("div.scroll", h(
          "table",
          h("thead", h("tr", ["Version", "Added", "Changed", "Removed", "When", "Why"].map((words) => h("th", { scope: "col" }, words)))),
          h("tbody", rows.map((row) => h("tr", h("td", row.name), ["added", "changed", "removed"].map((key) => h("td.number", amount(row[key]))), h("td", when(row.committed_at)), h("td.soft", row.reason)))),
        ))
      : h("p.soft", "Nothing was recorded yet."),
  );
}

function amount(value) {
  const number = Array.isArray(value) ? value.length : (value ?? 0);
  return number ? count(number) : "";
}
