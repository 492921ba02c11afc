// Why: one box, and the chain behind what is asked for, each step with its picture.

import { get } from "../api.js";
import { button, count, h, many, photo, replace, short, ticks, when } from "../dom.js";

const PAIRS = 24; // shown of a list; the rest is counted

export async function show({ live, query }) {
  const asked = query.get("thing") ?? "";
  const field = h("input", {
    type: "search",
    id: "thing",
    value: asked,
    placeholder: "input/house.png, output/house.png, model@3, run@4, sha256:…",
    autocomplete: "off",
    spellcheck: "false",
  });
  const answer = h("div.stack", { role: "region", "aria-label": "Answer" });
  const file = h("input", { type: "file", hidden: true, onchange: () => file.files[0] && look(file.files[0]) });
  const element = h(
    "div.stack",
    h("div.pagehead", h("h1", "Why")),
    h(
      "form.stack",
      {
        role: "search",
        onsubmit: (event) => {
          event.preventDefault();
          const thing = field.value.trim();
          if (!thing) return;
          const at = `#/why?thing=${encodeURIComponent(thing)}`;
          if (location.hash === at) fill(thing);
          else location.hash = at;
        },
      },
      h("label", { for: "thing" }, "A file, a model, a run or a digest; or drop a picture here to find out where it came from."),
      h("div.ask", field, button("Explain", null, { type: "submit", kind: "primary" }), button("Choose a file", () => file.click()), file),
    ),
    answer,
  );
  element.addEventListener("dragover", (event) => event.preventDefault());
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    const [dropped] = event.dataTransfer.files;
    if (dropped) look(dropped);
  });

  // The file stays here: only its digest is asked for.
  async function look(dropped) {
    if (!globalThis.crypto?.subtle) {
      replace(answer, h("p.error", "This browser hashes files only on localhost or https. ", h("code", "sha256sum FILE"), " gives what to type above."));
      return;
    }
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await dropped.arrayBuffer()));
    const text = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    location.hash = `#/why?thing=sha256:${text}`;
  }

  async function fill(thing) {
    replace(answer, h("p.soft", "Looking…"));
    const several = Object.keys(live.status?.pipelines ?? {});
    const tried = query.get("pipeline") ? [query.get("pipeline")] : several.length > 1 ? several : [""];
    const found = [];
    let trouble = null;
    for (const pipeline of tried) {
      try {
        found.push(await get(["why"], { thing, pipeline }));
        if (/^(run@|sha256:|[0-9a-f]{8,}$)/.test(thing)) break; // there is one of it in all pipelines
      } catch (error) {
        trouble ??= error;
      }
    }
    if (!found.length) {
      replace(answer, h("p.error", trouble.message));
      return;
    }
    replace(answer, found.map(explained));
    for (const one of found) {
      if (!one.trace) continue;
      try {
        const told = await get(["trace", one.trace.replace(/^sha256:/, "")]);
        answer.append(chain(told));
      } catch (error) {
        answer.append(h("p.soft", error.message));
      }
    }
  }
  if (asked) fill(asked);
  return { element, shown: () => asked || field.focus() };
}

function explained(found) {
  const title = found.file ?? found.name ?? found.run ?? short(found.digest);
  return h(
    "section.card.stack",
    h("div.pagehead", h("h2", String(title)), found.state && h("span.badge", found.state)),
    found.pictures?.view && h("div.strip", picture(found.pictures)),
    (found.why ?? []).map((line) => h("p", ticks(line))),
    found.digest && h("p.small.soft", h("code", found.digest)),
  );
}

function picture(pictures) {
  return h("a", { href: pictures.view, target: "_blank", rel: "noopener" }, photo(pictures.thumb, { alt: "The picture" }));
}

// -------------------------------------------------------------------- the chain

function chain(told) {
  const see = (digest) => told.pictures?.[digest]?.thumb;
  const parts = [
    (told.outputs ?? []).map((one) => made(one, `Output ${one.path}`, one.digest, see)),
    (told.made_by ?? []).map((one) => made(one, "Made, and not published", told.digest, see)),
    told.model?.training_run && model(told.model, see),
    told.input && leaf(`An input: ${told.input.files?.map((one) => one.path).join(", ") ?? ""}`, see(told.digest),
      (told.input.outputs ?? []).slice(0, PAIRS).map((one) => leaf(`went into output ${one.path}, by ${one.model}, ${one.state}`, see(one.digest), null, one.digest))),
    told.training && leaf(`A training file: ${told.training.files?.map((one) => `${one.path}, since ${one.since}`).join("; ") ?? ""}`, see(told.digest),
      (told.training.models ?? []).map((one) => leaf(`${one.name} ${one.how === "held_out" ? "was scored on it" : "learned from it"}${one.is_live ? ", live" : ""}`, null, null, one.name))),
    (told.taught ?? []).map((one) => leaf(`Taught by ${one.who} as ${one.name}`, null)),
  ].flat().filter(Boolean);
  return h("section.card.stack", h("h2", "The chain"), parts.length ? h("ul.tree", parts) : h("p.soft", "Nothing more is known of it."));
}

function leaf(words, image, inside, thing) {
  const link = thing ? h("a", { href: `#/why?thing=${encodeURIComponent(thing)}` }, words) : h("span", words);
  const row = h("span.leaf", image && photo(image, { alt: "" }), link);
  if (!inside?.length) return h("li", row);
  return h("li", h("details", { open: true }, h("summary", row), h("ul.tree", inside)));
}

function made(one, title, digest, see) {
  const { run } = one;
  const steps = [
    h("li.small.soft", `run@${run.id}`, run.finished_at ? [", ", when(run.finished_at)] : "", run.reason ? `, because ${run.reason}` : ""),
    one.input && leaf(`from input ${one.input.path ?? ""}`, see(one.input.digest), null, one.input.digest),
    one.model?.training_run && model(one.model, see),
  ].filter(Boolean);
  return leaf(`${title}${one.state ? `, ${one.state}` : ""}`, see(digest), steps);
}

function model(one, see) {
  const { train = [], held_out: heldOut = [] } = one.dataset.pairs;
  const list = (words, pairs) =>
    pairs.length > 0 &&
    h("li", h("details", h("summary", `${words} ${many(pairs.length, "pair")}`), h("ul.tree",
      pairs.slice(0, PAIRS).map((pair) => leaf(pair.files.map((file) => file.path).join(" + "), see(pair.files[0].digest), null, pair.files[0].digest)),
      pairs.length > PAIRS && h("li.soft", `and ${count(pairs.length - PAIRS)} more`),
    )));
  const early = one.early_of ? `, early: of ${count(one.early_of)}` : "";
  return h("li", h("details", { open: true }, h("summary", `by ${one.name}${one.is_live ? ", live" : ""}, ${count(one.steps)} steps${early}`), h("ul.tree",
    h("li.small.soft", `trained on ${one.dataset.commit}`, one.training_run.reason ? `, because ${one.training_run.reason}` : ""),
    list("learned from", train),
    list("scored on", heldOut),
  )));
}
