// Upload: files and folders into the training or the input folder, and what became of each.

import { ApiError, address, ask, get } from "../api.js";
import { button, bytes, count, h, many, replace, stamp } from "../dom.js";
import { filesIn } from "../dropped.js";

const ASK_AGAIN_MS = 2000; // how a file fares
const BY_NAME = 90; // files asked for by their names at once: 100 may be
const CHARACTERS = 1000; // of their names; each may become nine of an address
const SHOWN = 200; // files of the list; the rest is counted
const DONE = new Set(["recorded", "translated", "rejected", "failed", "refused", "there already", "gone"]);
const WORDS = {
  waiting: "waiting",
  sending: "sending",
  sent: "sent",
  "there already": "there already",
  refused: "refused",
  gone: "gone",
  settling: "waiting to settle",
  recorded: "recorded",
  queued: "queued",
  translated: "translated",
  rejected: "rejected",
  failed: "failed",
};
const KIND = { refused: "bad", gone: "bad", rejected: "bad", failed: "bad", translated: "good", recorded: "good" };
const queues = new Map(); // by pipeline: an upload goes on while another page is looked at

export async function show({ pipeline, query, live }) {
  if (!pipeline) return { element: h("div.empty", h("h1", "Upload"), h("p", "No pipeline is configured yet.")) };
  const settings = await get(["settings"]);
  if (!settings.access.uploads) {
    const why = settings.access.token === "full" ? "Uploads are switched off in the configuration: uploads of web." : "This link may only look.";
    return { element: h("div.empty", h("h1", "Upload"), h("p", why)) };
  }
  const folders = settings.pipelines[pipeline];
  if (!queues.has(pipeline)) queues.set(pipeline, new Queue(pipeline, settings.limits));
  const queue = queues.get(pipeline);
  if (query.get("to") === "training") queue.kind = "training";

  const choices = ["input", "training"].map((kind) =>
    h("label.group", h("input", { type: "radio", name: "kind", value: kind, checked: queue.kind === kind, onchange: () => { queue.kind = kind; explain(); } }),
      kind === "input" ? "Input: to be translated" : "Training: to learn from"),
  );
  const told = h("p.soft.small");
  const explain = () => {
    const { quiet_seconds: quiet, pairs, halves } = folders;
    const layout = halves ? ` Pairs are ${pairs}: ${halves.join(" and ")}.` : "";
    told.textContent = queue.kind === "input"
      ? `They go to ${folders.input}. Nothing is ever overwritten.`
      : `They go to ${folders.training}.${layout} A training begins when the folder was still for ${quiet} s.`;
  };
  const chooser = (words, more) => {
    const input = h("input", { type: "file", multiple: true, hidden: true, ...more, onchange: () => {
      queue.add([...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
      input.value = "";
    } });
    return [button(words, () => input.click()), input];
  };
  const zone = h(
    "div.dropzone.card",
    h("p", h("b", "Drop pictures or folders here"), ", or paste one"),
    h("div.group", chooser("Choose files", {}), chooser("Choose a folder", { webkitdirectory: true })),
    told,
  );
  const summary = h("p.number", { role: "status" });
  const list = h("ul.files");
  const results = h("section.card.stack", { hidden: true }, summary, list);
  const element = h("div.stack", h("div.pagehead", h("h1", "Upload"), h("div.group", { role: "group", "aria-label": "Folder" }, choices)), zone, results);

  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    queue.add(await filesIn(event.dataTransfer));
  });
  const paste = (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) queue.add(files.map((file) => ({ file, name: pasted(file) })));
  };
  function fill() {
    const { files } = queue;
    results.hidden = !files.length;
    const sums = new Map();
    for (const { state } of files) sums.set(state, (sums.get(state) ?? 0) + 1);
    summary.textContent = `${many(files.length, "file")}: ${[...sums].map(([state, number]) => `${count(number)} ${WORDS[state] ?? state}`).join(", ")}`;
    if (queue.trouble) summary.textContent += `. ${queue.trouble}`;
    replace(list, files.slice(-SHOWN).reverse().map(({ name, file, state, reason }) =>
      h("li", h("span.name", name, h("span.soft.small", file ? ` ${bytes(file.size)}` : "")), h(`span.badge${KIND[state] ? `.${KIND[state]}` : ""}`, WORDS[state] ?? state), reason && h("span.why", reason))),
      files.length > SHOWN && h("li.soft", `and ${count(files.length - SHOWN)} before them`));
  }
  const changed = ({ detail }) => detail.pipeline === pipeline && queue.look();
  queue.told = fill;
  live.addEventListener("changed", changed);
  document.addEventListener("paste", paste);
  explain();
  fill();
  return {
    element,
    leave() {
      queue.told = () => {};
      live.removeEventListener("changed", changed);
      document.removeEventListener("paste", paste);
    },
  };
}

function pasted(file) {
  return file.name === "image.png" ? `pasted-${stamp()}.png` : file.name;
}

/** Whether a file has the bytes yet that it had when it was chosen: renamed, removed or changed, it has not. */
async function isThere(file) {
  try {
    await (file.size ? file.slice(0, 1) : file).arrayBuffer(); // no part of an empty file is looked for
    return true;
  } catch {
    return false;
  }
}

/** What is to be sent. It goes on by itself after a lost connection. */
class Queue {
  constructor(pipeline, limits) {
    this.pipeline = pipeline;
    this.limits = limits;
    this.kind = "input";
    this.files = [];
    this.under = 0;
    this.asked = 0; // names, so that each has its turn
    this.trouble = "";
    this.told = () => {};
    this.timer = 0;
  }

  add(found) {
    const most = this.limits.batch_files;
    const largest = this.limits.upload_bytes[this.pipeline] ?? Infinity;
    if (found.length > most) this.trouble = `Only the first ${count(most)} files were taken`;
    for (const { file, name } of found.slice(0, most)) {
      if (!file) {
        this.files.push({ file, name, kind: this.kind, state: "gone", reason: "It cannot be read" });
        continue;
      }
      const isLarge = file.size > largest;
      const reason = isLarge ? `It is larger than ${bytes(largest)}` : "";
      this.files.push({ file, name, kind: this.kind, state: isLarge ? "refused" : "waiting", reason, asked: 0 });
    }
    this.told();
    this.#go();
  }

  #go() {
    while (this.under < this.limits.uploads_at_once) {
      const next = this.files.find((one) => one.state === "waiting");
      if (!next) break;
      this.under += 1;
      next.state = "sending";
      this.#send(next).finally(() => {
        this.under -= 1;
        this.#go();
        this.#soon();
      });
    }
    this.told();
  }

  async #send(one) {
    try {
      const path = address([this.pipeline, one.kind, ...one.name.split("/")]);
      const response = await ask(path, { method: "PUT", body: one.file, type: "application/octet-stream" });
      const { state, reason } = await response.json();
      one.state = response.status === 200 && !state ? "there already" : (state ?? "sent");
      one.reason = reason;
      this.trouble = "";
    } catch (error) {
      if (error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status === 503)) {
        // A browser tells a file that it cannot read any more as it tells a lost connection.
        if (error.status === 0 && !(await isThere(one.file))) {
          Object.assign(one, { state: "gone", reason: "It cannot be read any more: choose it again" });
          this.trouble = "";
          return;
        }
        this.trouble = error.status === 0 ? "Not connected; it goes on by itself" : "";
        await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs || ASK_AGAIN_MS));
        one.state = "waiting";
        return;
      }
      one.state = "refused";
      one.reason = error.message;
    }
  }

  #soon() {
    clearTimeout(this.timer);
    const isOpen = this.files.some((one) => !DONE.has(one.state) && one.state !== "waiting" && one.state !== "sending");
    if (isOpen) this.timer = setTimeout(() => this.look(), ASK_AGAIN_MS);
  }

  // The names that were not asked for the longest time; at least one.
  #next(some) {
    const names = [];
    let characters = 0;
    for (const one of some.sort((a, b) => a.asked - b.asked).slice(0, BY_NAME)) {
      characters += one.name.length;
      if (names.length && characters > CHARACTERS) break;
      names.push(one.name);
      this.asked += 1;
      one.asked = this.asked;
    }
    return names;
  }

  /** Ask how the files fare that are not through. */
  async look() {
    const open = this.files.filter((one) => !DONE.has(one.state) && one.state !== "waiting" && one.state !== "sending");
    for (const kind of new Set(open.map((one) => one.kind))) {
      const some = open.filter((one) => one.kind === kind);
      try {
        const { total, rows } = await get([this.pipeline, "files", kind], { count: this.limits.rows });
        // A folder that does not fit into one answer is asked for a few names at a time, in turn.
        if (total > rows.length) {
          const exact = this.#next(some);
          rows.push(...(await get([this.pipeline, "files", kind], { exact, count: exact.length })).rows);
        }
        const byName = new Map(rows.map((row) => [row.name, row]));
        for (const one of some) {
          const row = byName.get(one.name);
          if (row) Object.assign(one, { state: row.state, reason: row.reason });
        }
      } catch {
        break; // asked again soon
      }
    }
    this.told();
    this.#soon();
  }
}
