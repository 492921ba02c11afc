// The training of a pipeline as it goes, as Status and Train show it.

import { ask } from "./api.js";
import { count, h, many, replace, span, ticks } from "./dom.js";

const LOSSES = [["gen_l1_loss", "L1", 1], ["gen_gan_loss", "GAN", 2], ["disc_loss", "D", 2]];

export class Training {
  constructor(name) {
    this.name = name;
    this.told = h("div.part");
    this.sheet = h("img.sheet", { alt: `Samples of the training of ${name}`, hidden: true });
    this.sheetStep = -1;
  }

  fill({ train, training }) {
    const found = training.findings;
    const check = found && (found.wrong || found.look) ? found.worst : "";
    const pairs = `${many(training.pairs, "pair")} in training@${training.commit}`;
    const extras = ["settling", "unreadable", "rejected", "ignored"]
      .filter((key) => training[key])
      .map((key) => `${count(training[key])} ${key}`);
    const set = h(
      "p.legend",
      h("span", training.commit ? pairs : "nothing in the training folder yet"),
      extras.map((extra) => h("span", extra)),
    );
    const trouble = training.not_answering || training.held || training.blocked || train.blocked;
    this.#preview(train);
    if (train.state !== "running" || !train.steps) {
      const { looking } = train;
      replace(
        this.told,
        looking && meter([[looking.done / Math.max(1, looking.all), ""]], "Images looked at"),
        h("p", train.state === "idle" ? ticks(train.reason) : [`Training ${train.state}`, train.reason && [": ", ticks(train.reason)]]),
        set,
        check && h("p.small.warn", "Check: ", ticks(check)),
        trouble && h("p.small.bad", trouble),
      );
      return;
    }
    const share = train.step / train.steps;
    const losses = LOSSES.filter(([name]) => name in train.losses).map(
      ([name, word, digits]) => `${word} ${train.losses[name].toFixed(digits)}`,
    );
    const learned = train.validation?.l1;
    replace(
      this.told,
      h(
        "div.row",
        h("p.big", `Training: ${Math.round(100 * share)} %`),
        train.eta_seconds !== null && h("p.number", `${span(train.eta_seconds)} left`),
      ),
      meter([[share, ""]], "Progress of the training"),
      h(
        "p.legend",
        h("span", `step ${count(train.step)} of ${count(train.steps)}`),
        train.images_per_second > 0 && h("span", `${train.images_per_second.toFixed(1)} images/s`),
        losses.length > 0 && h("span", losses.join(", ")),
        learned !== null && learned !== undefined && h("span", `held-out L1 ${learned.toFixed(1)} at step ${count(train.validation.step)}`),
        train.reason && train.reason !== "training" && h("span", train.reason),
      ),
      set,
      check && h("p.small.warn", "Check: ", ticks(check)),
      trouble && h("p.small.bad", trouble),
    );
  }

  // An <img> sends no token, so the sheet is fetched; again only when it was drawn again.
  async #preview(train) {
    const step = train.preview && train.state === "running" ? train.preview_step : -1;
    if (step === this.sheetStep) return;
    this.sheetStep = step;
    if (step < 0) {
      this.sheet.hidden = true;
      return;
    }
    try {
      const blob = await (await ask(`/api/${encodeURIComponent(this.name)}/preview`)).blob();
      this.sheet.src = URL.createObjectURL(blob);
      this.sheet.onload = () => URL.revokeObjectURL(this.sheet.src);
      this.sheet.hidden = false;
    } catch {
      this.sheet.hidden = true; // it comes with the next one
    }
  }
}

export function meter(parts, label) {
  const words = parts.map(([part]) => `${Math.round(100 * part)} %`).join(", ");
  const bars = parts.map(([part, kind]) => {
    const bar = h(`span${kind ? `.${kind}` : ""}`);
    bar.style.setProperty("--part", Math.min(1, part));
    return bar;
  });
  return h("div.meter", { role: "img", "aria-label": `${label}: ${words}` }, bars);
}
