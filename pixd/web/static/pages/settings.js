// Settings: what is in force, who may reach the page, what is off. It changes nothing.

import { get } from "../api.js";
import { bytes, h } from "../dom.js";

export async function show() {
  const { version, config, effective, lines, access, limits, pipelines } = await get(["settings"]);
  const set = Object.entries(lines);
  return {
    element: h(
      "div.stack",
      h("div.pagehead", h("h1", "Settings"), h("p.soft", `pixd ${version}`)),
      h(
        "section.card.stack",
        h("h2", "Who may reach this page"),
        h(
          "dl.facts",
          h("dt", "Listens on"), h("dd", access.listens.join(", ") || "nothing that it knows of"),
          h("dt", "Names"), h("dd", access.hosts.join(", ")),
          h("dt", "This link"), h("dd", access.token === "full" ? "may look and change" : "may only look"),
          h("dt", "Uploads"), h("dd", access.uploads ? "on" : "off"),
          h("dt", "A drawing"), h("dd", `at most ${bytes(limits.draft_bytes)} and ${limits.draft_pixels} px a side`),
        ),
      ),
      Object.entries(pipelines).map(([name, one]) =>
        h(
          "section.card.stack",
          h("h2", name),
          h(
            "dl.facts",
            [["Training", one.training], ["Input", one.input], ["Output", one.output], ["Pairs", `${one.pairs}, ${one.direction}`], ["Image size", `${one.image_size} px, ${one.fit}`], ["Settles after", `${one.settle_seconds} s`], ["Trains after", `${one.quiet_seconds} s of quiet`]].map(([words, value]) => [h("dt", words), h("dd", value)]),
          ),
        ),
      ),
      set.length > 0 &&
        h("section.card.stack", h("h2", "Set in the configuration"), h("p.soft.small", h("code", config)),
          h("div.scroll", h("table", h("thead", h("tr", h("th", { scope: "col" }, "Line"), h("th", { scope: "col" }, "Key"))), h("tbody", set.map(([key, line]) => h("tr", h("td.number", line), h("td", h("code", key)))))))),
      h("section.card.stack", h("h2", "In force"), h("p.soft.small", "Every key, with the defaults written out."), h("pre", { tabindex: "0", "aria-label": "The effective configuration" }, effective)),
    ),
  };
}
