// What happens, as it happens: one event stream for all tabs of a browser, and none while no tab
// is seen (but where notifications are wanted).
//
// A browser has six connections for one origin. A seventh stream would hang, and with it every
// request of every tab. So the tabs take turns: the one that holds the lock reads the stream and
// tells the others. The stream is read with `fetch`, because an EventSource sends no token.

import { get, headers } from "./api.js";

const TURN = "pixd-events";
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000; // so that the page knows within 5 s that pixd is back
const SILENCE_MS = 4500; // the stream says something every 2 s: a process that hangs closes none

/** Fires `status` (detail: the whole), `changed` (detail: {pipeline, what}) and `connection`. */
export class Live extends EventTarget {
  status = null;
  statusAt = null; // Date
  isConnected = null; // null: not known yet
  isRefused = false; // the token is wrong
  trouble = ""; // why pixd cannot tell how it is, though its page answers
  #stop = null;
  #others = null;

  begin() {
    if ("BroadcastChannel" in globalThis) {
      this.#others = new BroadcastChannel(TURN);
      this.#others.onmessage = ({ data }) => this.#take(data.name, data.detail);
    }
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#follow();
      else if (!this.#mustTell) this.#end();
    });
    addEventListener("pagehide", () => this.#end());
    addEventListener("pageshow", (event) => event.persisted && this.#follow());
    if (!document.hidden) this.#follow();
  }

  // Who may be notified wants to be so while looking elsewhere. One stream is all it takes.
  get #mustTell() {
    return Boolean(navigator.locks && this.#others) && globalThis.Notification?.permission === "granted";
  }

  #end() {
    this.#stop?.abort();
    this.#stop = null;
  }

  async #follow() {
    if (this.#stop && this.#mustTell) return; // it went on
    this.#end();
    const stop = new AbortController();
    this.#stop = stop;
    const { signal } = stop;
    const turn = async (lock) => {
      if (lock) await this.#lead(signal);
      return Boolean(lock);
    };
    if (!navigator.locks || !this.#others) {
      await this.#lead(signal);
      return;
    }
    try {
      if (await navigator.locks.request(TURN, { ifAvailable: true }, turn)) return;
      if (signal.aborted) return;
      this.#catchUp();
      await navigator.locks.request(TURN, { signal }, turn);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  // Another tab reads the stream; what it told before this one listened is asked for once.
  async #catchUp() {
    try {
      this.#take("status", await get(["status"]));
      this.#take("connection", { isConnected: true, isRefused: false });
    } catch (error) {
      this.#take("connection", { isConnected: error.status !== 0, isRefused: error.status === 401 });
    }
  }

  async #lead(signal) {
    let wait = FIRST_WAIT_MS;
    while (!signal.aborted && !this.isRefused) {
      let isFull = false;
      try {
        isFull = await this.#stream(signal, () => {
          wait = FIRST_WAIT_MS;
        });
      } catch {
        // It broke off, fell silent, or never came: that is told below.
      }
      if (signal.aborted || this.isRefused) return;
      this.#tell("connection", { isConnected: isFull, isRefused: false });
      await rest(wait, signal);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    }
  }

  // Read the stream to its end. Returns whether it did not begin because too many are open.
  async #stream(signal, begun) {
    const stop = new AbortController();
    const end = () => stop.abort();
    let silence = setTimeout(end, SILENCE_MS);
    signal.addEventListener("abort", end);
    try {
      const response = await fetch("/api/events", { headers: headers(), signal: stop.signal });
      if (response.status === 401) this.#tell("connection", { isConnected: true, isRefused: true });
      if (response.status === 429) {
        this.#tell("status", await get(["status"], {}, { signal: stop.signal }));
        return true;
      }
      if (!response.ok) throw new Error(`${response.status}`);
      begun();
      this.#tell("connection", { isConnected: true, isRefused: false });
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return false;
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE_MS);
        text += decoder.decode(value, { stream: true }).replaceAll("\r\n", "\n");
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) this.#block(block);
      }
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", end);
    }
  }

  #block(block) {
    let name = "message";
    const lines = [];
    for (const line of block.split("\n")) {
      if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) lines.push(line.slice(5).trimStart());
    }
    if (lines.length) this.#tell(name, JSON.parse(lines.join("\n")));
  }

  #tell(name, detail) {
    this.#others?.postMessage({ name, detail });
    this.#take(name, detail);
  }

  #take(name, detail) {
    if (name === "status") {
      this.status = detail;
      this.statusAt = new Date();
      this.trouble = "";
    } else if (name === "gone") {
      this.trouble = detail.error?.message ?? "the store cannot be read";
    } else if (name === "connection") {
      if (this.isConnected === detail.isConnected && this.isRefused === detail.isRefused) return;
      Object.assign(this, detail);
    }
    this.dispatchEvent(new CustomEvent(name === "gone" ? "connection" : name, { detail }));
  }
}

function rest(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
