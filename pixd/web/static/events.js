// What happens, as it happens: one event stream while the page is seen, none while it is not.
//
// It is read with `fetch`, because an EventSource cannot send the token. A browser has six
// connections for one origin, so a tab that nobody looks at must give its own back.

import { get, headers } from "./api.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000; // so that the page knows within 5 s that pixd is gone, or back

/** Fires `status` (detail: the whole), `changed` (detail: {pipeline, what}) and `connection`. */
export class Live extends EventTarget {
  status = null;
  statusAt = null; // Date
  isConnected = null; // null: not known yet
  refused = 0; // 401: the token is wrong
  #stop = null;
  #wait = FIRST_WAIT_MS;
  #timer = 0;

  begin() {
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#end();
      else this.#follow();
    });
    addEventListener("pagehide", () => this.#end());
    addEventListener("pageshow", (event) => event.persisted && this.#follow());
    addEventListener("online", () => this.#again(0));
    if (!document.hidden) this.#follow();
  }

  /** Begin anew, such as with another token. */
  restart() {
    this.#end();
    this.#wait = FIRST_WAIT_MS;
    this.#follow();
  }

  #end() {
    clearTimeout(this.#timer);
    this.#stop?.abort();
    this.#stop = null;
  }

  #again(wait) {
    if (document.hidden) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#follow(), wait);
  }

  async #follow() {
    this.#end();
    const stop = new AbortController();
    this.#stop = stop;
    try {
      const response = await fetch("/api/events", { headers: headers(), signal: stop.signal });
      if (response.status === 429) await this.#poll();
      if (!response.ok) {
        this.#connected(response.status !== 502 && response.status !== 504, response.status);
        throw new Error(`${response.status}`);
      }
      this.#connected(true);
      this.#wait = FIRST_WAIT_MS;
      await this.#read(response.body.getReader());
      throw new Error("the stream ended");
    } catch (error) {
      if (stop.signal.aborted) return;
      if (!/^4/.test(error.message)) this.#connected(false);
      this.#again(this.#wait);
      this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
    }
  }

  // Too many streams: ask now and then instead.
  async #poll() {
    this.#take("status", await get(["status"]));
  }

  async #read(reader) {
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true }).replaceAll("\r\n", "\n");
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) this.#block(block);
    }
  }

  #block(block) {
    let name = "message";
    const lines = [];
    for (const line of block.split("\n")) {
      if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) lines.push(line.slice(5).trimStart());
    }
    if (lines.length) this.#take(name, JSON.parse(lines.join("\n")));
  }

  #take(name, detail) {
    if (name === "status") {
      this.status = detail;
      this.statusAt = new Date();
    }
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #connected(isConnected, status = 0) {
    const refused = status === 401 ? 401 : 0;
    if (this.isConnected === isConnected && this.refused === refused) return;
    this.isConnected = isConnected;
    this.refused = refused;
    this.dispatchEvent(new CustomEvent("connection"));
  }
}
