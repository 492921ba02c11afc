// Status: is all well, how far is it, what came out last.

import { get, post } from "../api.js";
import { button, bytes, count, h, many, photo, replace, span, ticks, when } from "../dom.js";
import { Training, meter } from "../training.js";
import { verdict } from "../verdict.js";

const INPUT_STATES = [
  ["translated", "good"],
  ["queued", ""],
  ["settling", ""],
  ["rejected", "bad"],
  ["failed", "bad"],
];
const NEWEST = 6;

export function show({ live, say }) {
  const head = h("section.verdict", { "aria-label": "Verdict" });
  const cards = h("div.pipelines");
  const machines = h("section.card.stack", { "aria-label": "Machines", hidden: true });
  const warnings = h("section.card.stack", { hidden: true });
  const facts = h("div.foot");
  const bell = notifyButton();
  const foot = h("footer.foot", facts, bell);
  const element = h("div.stack", head, cards, machines, warnings, foot);
  const made = new Map();
  let lastLine = "";

  function fill() {
    const { status } = live;
    if (!status) {
      replace(head, h("span.dot"), h("h1", "Asking pixd…"));
      return;
    }
    const told = verdict(status);
    if (live.isConnected === false) {
      // What was is not what is: no green dot beside an answer that nobody gave.
      const at = live.statusAt.toLocaleTimeString("en-GB");
      Object.assign(told, { state: "unknown", line: `Not connected. At ${at} it was: ${told.line}`, advice: "" });
    }
    replace(
      head,
      h(`span.dot.${told.state}`, { "aria-hidden": "true" }),
      h("h1", told.line),
      told.advice && h("p.advice", "Try: ", ticks(told.advice)),
      told.others.length > 0 &&
        h(
          "ul",
          told.others.map(({ reason, advice }) => h("li", `Also ${reason}. Try: `, ticks(advice))),
        ),
    );
    if (told.line !== lastLine) say(told.line);
    lastLine = told.line;
    for (const name of [...made.keys()].filter((name) => !(name in status.pipelines))) {
      made.get(name).element.remove();
      made.delete(name);
    }
    for (const [name, part] of Object.entries(status.store_gone ? {} : status.pipelines)) {
      if (!made.has(name)) {
        made.set(name, new Card(name));
        cards.append(made.get(name).element);
      }
      made.get(name).fill(part, status);
    }
    showMachines(machines, status.engine);
    showWarnings(warnings, status.failures);
    replace(
      facts,
      status.pid ? h("span", `pid ${status.pid}, up ${span(status.uptime_seconds)}`) : "",
      h("span", `store ${bytes(status.store_bytes)}, disk ${bytes(status.disk_free_bytes)} free`),
      h("span", `device ${status.device}`),
      h("span", `pixd ${status.version}`),
    );
    if (bell) bell.hidden = Notification.permission !== "default";
  }

  function changed({ detail }) {
    if (detail.what === "outputs") made.get(detail.pipeline)?.fetchNewest();
  }

  live.addEventListener("status", fill);
  live.addEventListener("changed", changed);
  live.addEventListener("connection", fill);
  fill();
  return {
    element,
    leave() {
      live.removeEventListener("status", fill);
      live.removeEventListener("changed", changed);
      live.removeEventListener("connection", fill);
    },
  };
}

/** One pipeline. Its buttons are made once, so that an update takes the focus from nobody. */
class Card {
  constructor(name) {
    this.name = name;
    const at = encodeURIComponent(name);
    this.badge = h("span");
    this.model = h("div.part");
    this.training = new Training(name);
    this.input = h("div.part");
    this.strip = h("div.strip", { hidden: true });
    this.offers = h("div.part", { hidden: true });
    this.pause = button("Pause", () => this.#ask(this.isPaused ? "resume" : "pause"), { kind: "change" });
    this.retry = button("Try the failed again", () => this.#ask("retry"), { kind: "change", hidden: true });
    this.draw = h("a", { href: `#/draw/${at}` }, "Draw");
    this.answer = h("p.small.said", { role: "status" });
    this.element = h(
      "article.card.pipeline",
      { "aria-label": name },
      h("header", h("h2", name), this.badge, this.draw, this.pause, this.retry),
      this.answer,
      this.model,
      this.training.told,
      this.training.sheet,
      this.input,
      this.strip,
      this.offers,
    );
    this.fetchNewest();
  }

  async #ask(op) {
    try {
      await post(["operations", op], { pipeline: this.name });
      this.answer.textContent = "";
    } catch (error) {
      this.answer.textContent = error.message;
    }
  }

  async fetchNewest() {
    try {
      const { rows } = await get([this.name, "outputs"], { from: 0, count: NEWEST });
      const at = encodeURIComponent(this.name);
      const shown = rows.filter((row) => row.pictures);
      replace(
        this.strip,
        shown.map((row) =>
          h(
            "a",
            { href: `#/gallery/${at}?name=${encodeURIComponent(row.name)}`, title: row.name },
            photo(row.pictures.thumb, { alt: `Output ${row.name}` }),
          ),
        ),
      );
      this.strip.hidden = !shown.length;
    } catch {
      this.strip.hidden = true; // the verdict tells what is wrong
    }
  }

  fill(part, status) {
    this.isPaused = Boolean(part.paused);
    this.pause.textContent = this.isPaused ? "Resume" : "Pause";
    this.pause.hidden = !status.pid;
    this.retry.hidden = !status.pid || !(part.input.failed || part.train.state === "failed");
    this.draw.hidden = !part.model;
    const problem = status.problems.find((one) => one.pipeline === this.name);
    const [words, kind] = problem
      ? [problem.state, problem.state === "blocked" ? "bad" : "warn"]
      : this.isPaused
        ? [`paused by ${part.paused.who}`, "warn"]
        : part.train.state === "running"
          ? ["training", ""]
          : part.input.queued
            ? ["translating", ""]
            : part.model
              ? ["up to date", "good"]
              : ["no model yet", ""];
    this.badge.className = `badge ${kind}`;
    this.badge.textContent = status.state === "not-running" && !problem ? "not running" : words;
    if (status.state === "not-running") this.badge.className = "badge bad";
    this.#model(part);
    this.training.fill(part);
    this.#inputs(part);
    replace(
      this.offers,
      part.offers.map((offer) => h("p.small", "On offer: ", ticks(offer.told))),
    );
    this.offers.hidden = !part.offers.length;
  }

  #model({ model }) {
    if (!model) {
      replace(
        this.model,
        h("p.big", "No model yet"),
        h("p.soft", "It comes from pairs in the training folder."),
      );
      return;
    }
    const { early } = model;
    const { l1, held_out: heldOut } = model.metrics;
    const told = [`of training@${model.dataset_commit}`];
    if (early) told.push(`early: step ${count(early.step)} of ${count(early.steps)}`);
    if (model.pinned) told.push("pinned");
    if (model.stale) told.push("the folder has changed since");
    replace(
      this.model,
      h(
        "div.row",
        h("p.big", `model@${model.number}`),
        l1 !== null && l1 !== undefined && heldOut
          ? h("p.number", { title: "Mean difference to the real pictures that were held out" }, `held-out L1 ${l1.toFixed(1)} of 255`)
          : "",
      ),
      h("p.legend", h("span", told.join(", ")), h("span", "live since ", when(model.live_since))),
      model.doubts && h("p.small.warn", ticks(model.doubts)),
    );
  }

  #inputs({ input, output, translate, model }) {
    const all = Math.max(1, input.files);
    const told = INPUT_STATES.filter(([state]) => input[state]);
    const trouble = input.not_answering || input.held || input.blocked || translate.trouble || translate.not_answering || translate.blocked;
    const extras = ["superseded", "orphaned", "edited"].filter((key) => output[key]);
    replace(
      this.input,
      h(
        "div.row",
        h("p.big", input.files ? many(input.files, "input") : "No inputs yet"),
        h("p.number", `${count(output.current)} current ${output.current === 1 ? "output" : "outputs"}`),
      ),
      input.files > 0 && meter(told.map(([state, kind]) => [input[state] / all, kind]), "Inputs by state"),
      h(
        "p.legend",
        told.map(([state, kind]) => h(`span${kind === "bad" ? ".bad" : ""}`, `${count(input[state])} ${state}`)),
        extras.map((key) => h("span", `${count(output[key])} ${key}`)),
        input.unreadable > 0 && h("span.bad", `${count(input.unreadable)} unreadable`),
        input.ignored > 0 && h("span", `${count(input.ignored)} ignored`),
        input.queued > 0 && !model && h("span", "waiting for the first model"),
        translate.phase && h("span", `the translator is ${translate.phase}`),
        translate.tiles && h("span", `${count(translate.tiles.done)} of ${count(translate.tiles.all)} tiles of ${translate.tiles.name}`),
      ),
      input.failed_example && h("p.small.bad", `${input.failed_example.name}: ${input.failed_example.reason}`),
      input.findings?.worst && h("p.small.warn", "Check: ", ticks(input.findings.worst)),
      trouble && h("p.small.bad", trouble),
    );
  }
}

// Most have no cluster: the part about it is fetched where there is one.
async function showMachines(element, engine) {
  if (engine) {
    const { fill } = await import("./cluster.js");
    fill(element, engine);
  }
  element.hidden = !engine;
}

function showWarnings(element, failures) {
  element.hidden = !failures.length;
  const told = [];
  for (const { at, pipeline, message, level } of failures) {
    const last = told.at(-1);
    if (last && last.message === message && last.pipeline === pipeline) last.times += 1;
    else told.push({ at, pipeline, message, level, times: 1 });
  }
  replace(
    element,
    h("h2", "Last warnings"),
    h(
      "ul.warnings",
      told.map(({ at, pipeline, message, level, times }) =>
        h(
          "li",
          h("span.soft.number", when(at)),
          h(`span${level === "error" ? ".bad" : ""}`, pipeline ? `${pipeline}: ` : "", message, times > 1 ? ` (${times} times)` : ""),
        ),
      ),
    ),
  );
}

// -------------------------------------------------------------------- notifications

function notifyButton() {
  if (!("Notification" in globalThis) || !isSecureContext || Notification.permission !== "default") {
    return null;
  }
  return button("Tell me when something happens", () => Notification.requestPermission(), {
    kind: "plain",
    title: "A notification when a training ends, or when something needs you",
  });
}
