// The machines of a cluster: what each does, what waits for what, and what lost ones cost. The words are
// those of `pixd status`. Only a service with `engine: ray` has this part, and only then is it fetched.

import { bytes, count, h, many, replace, span } from "../dom.js";

const STALE_S = 60;
const KINDS = { working: "good", lost: "bad", "left-out": "warn" };

/** Fill a section with what `status.engine` says. */
export function fill(element, engine) {
  const told = ["training", "translating"]
    .filter((doing) => engine[doing])
    .map((doing) => `${doing} on ${engine[doing]}`);
  const waits = Object.entries(engine.waiting).map(([work, what]) => `${work} waits for ${what}`);
  if (waits.length) waits[0] += `, for ${span(engine.wait_seconds)}`;
  replace(
    element,
    h("header", h("h2", "Machines"), badge(engine)),
    h("p.legend", h("span", `${engine.kind} at ${engine.address}`), told.map((one) => h("span", one))),
    engine.why && h("p.small.bad", engine.why, engine.falls_back && "; this machine works meanwhile"),
    waits.map((one) => h("p.small", one)),
    engine.nodes.length > 0 && h("ul.machines", engine.nodes.map(row)),
    engine.lost > 0 && h("p.small.warn", cost(engine)),
  );
}

function badge(engine) {
  if (engine.why) return h(`span.badge.${engine.falls_back ? "warn" : "bad"}`, "away");
  return h("span.badge", many(engine.nodes.length, "machine"));
}

function row(node) {
  const has = [
    node.gpus > 0 && many(node.gpus, "GPU"),
    node.cpus > 0 && many(node.cpus, "CPU"),
    node.free_bytes !== null && `${bytes(node.free_bytes)} free`,
    node.lost > 0 && (node.lost === 1 ? "lost once" : `lost ${count(node.lost)} times`),
    node.heard_seconds > STALE_S && `last heard of ${span(node.heard_seconds)} ago`,
  ];
  const kind = KINDS[node.state];
  return h("li", h("strong", node.name), h(`span${kind ? `.${kind}` : ""}`, doing(node)), h("span.soft", has.filter(Boolean).join(", ")));
}

function doing(node) {
  if (node.state === "left-out") return `left out: ${node.why_not}`;
  if (node.state === "no-room") return "gives no room";
  if (node.state !== "working") return node.state;
  const runs = Object.entries(node.runs).map(([work, times]) => (times > 1 ? `${work} (${times} times)` : work));
  if (node.images_per_second) runs.push(`${node.images_per_second.toFixed(1)} images/s`);
  return runs.join(", ");
}

function cost(engine) {
  const again = [
    engine.asked_again > 0 && many(engine.asked_again, "image"),
    engine.steps_again > 0 && many(engine.steps_again, "step"),
  ].filter(Boolean);
  const what = again.length ? `${again.join(" and ")} done again` : "nothing had to be done again";
  return `Lost ${many(engine.lost, "machine")} at work, since the service started: ${what}`;
}
