// One output, large: input and output under a slider, and where it came from.

import { picture, post } from "./api.js";
import { button, download, h, replace, short, when } from "./dom.js";
import { compare } from "./slider.js";

/**
 * Show an output until the person closes it.
 *
 * @param {{total: () => number, row: (index: number) => Promise<object>}} list
 */
export async function openOutput(pipeline, index, list) {
  const inside = h("div");
  const dialog = h("dialog.lightbox", { "aria-label": "Output" }, inside);
  document.body.append(dialog);
  let slider = null;
  let at = index;

  async function go(to) {
    if (to < 0 || to >= list.total()) return;
    at = to;
    const row = await list.row(at);
    if (at !== to || !row) return;
    const input = row.input.pictures && { src: row.input.pictures.view, words: "Input" };
    const output = row.pictures && { src: row.pictures.view, words: "Output" };
    const target = row.target && { src: row.target.view, words: "Real picture" };
    slider = input && output ? compare(input, output) : null;
    const choice =
      target &&
      h(
        "div.group",
        button("Output", () => slider.setRight(output)),
        button("Real picture", () => slider.setRight(target)),
      );
    const answer = h("p.small.said", { role: "status" });
    replace(
      inside,
      h(
        "div.top",
        h("h2", row.name),
        row.state !== "current" && h("span.badge.warn", row.state),
        button("Newer", () => go(at - 1), { sign: "left", only: true, disabled: at === 0, title: "Newer (Shift and left)" }),
        button("Older", () => go(at + 1), { sign: "right", only: true, disabled: at + 1 >= list.total(), title: "Older (Shift and right)" }),
        button("Close", () => dialog.close(), { sign: "close", only: true }),
      ),
      h(
        "div.inside",
        h("div.stack", slider?.element ?? (output ? h("img.sheet", { src: output.src, alt: "Output" }) : h("p.soft", "Its bytes are gone.")), slider && choice),
        h("div.stack", about(row), actions(pipeline, row, answer), answer),
      ),
    );
    slider?.range.focus({ preventScroll: true });
  }

  dialog.addEventListener("keydown", (event) => {
    const onRange = event.target === slider?.range;
    const key = event.key;
    if (key === " " && (onRange || event.target === dialog)) slider?.flip();
    else if (onRange && !event.shiftKey) return; // they move the seam, as on any slider
    else if (key === "ArrowLeft") go(at - 1);
    else if (key === "ArrowRight") go(at + 1);
    else return;
    event.preventDefault();
  });
  await go(index);
  dialog.showModal();
  slider?.range.focus({ preventScroll: true });
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  dialog.remove();
}

function about(row) {
  const link = (thing, words) => h("a", { href: `#/why?thing=${encodeURIComponent(thing)}` }, words);
  return h(
    "dl.facts",
    fact("Input", row.input.name),
    fact("Made", when(row.published_at)),
    fact("Model", row.model ? link(`model@${row.model}`, `model@${row.model}`) : "unknown"),
    fact("Run", link(`run@${row.run}`, `run@${row.run}`)),
    fact("Output", h("code", { title: row.digest }, short(row.digest))),
    fact("From", h("code", { title: row.input.digest }, short(row.input.digest))),
  );
}

function fact(words, value) {
  return [h("dt", words), h("dd", value)];
}

function actions(pipeline, row, answer) {
  const at = encodeURIComponent(pipeline);
  return h(
    "div.group",
    row.state === "edited" && button("Make it anew, beside the edit", () => again(pipeline, row, answer), { kind: "change" }),
    row.pictures && button("Save", () => save(row, answer), { sign: "download" }),
    h("a", { href: `#/why?thing=${encodeURIComponent(row.digest)}` }, "What made it"),
    row.input.pictures && h("a", { href: `#/draw/${at}?from=${encodeURIComponent(row.input.pictures.view)}` }, "Open in Draw"),
  );
}

// What a person edited is left alone: the new one gets a name of its own.
async function again(pipeline, row, answer) {
  try {
    const { beside } = await post(["operations", "retry"], { pipeline, files: { output: [row.name] } });
    answer.textContent = `It is beside the edited one: ${beside.join(", ")}`;
  } catch (error) {
    answer.textContent = error.message;
  }
}

async function save(row, answer) {
  try {
    download(await picture(row.pictures.original), row.name.split("/").at(-1));
  } catch (error) {
    answer.textContent = error.message;
  }
}
