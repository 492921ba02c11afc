// The model, behind a promise: it computes in a worker, so that the hand that draws never waits.
//
// Where it computes on a GPU and that fails, at the start or later, a new worker goes on with the
// processor and does what was asked meanwhile.

const TRYING = "pixd-gpu"; // kept while a GPU is tried; a tab that ends then would end again

export class Engine {
  /**
   * @param {Object} about page.json
   * @param {string} on "wasm" or "webgpu" if somebody asked for one, else ""
   * @param {{loading: (loaded: number, all: number) => void, moved: () => void}} heard
   *   loading: bytes; moved: `words` changed
   */
  constructor(about, on, heard) {
    this.about = about;
    this.heard = heard;
    this.waiting = new Map();
    this.count = 0;
    this.all = 0; // bytes to load
    this.isOnGpu = false;
    this.why = ""; // the GPU is not used
    this.where = "";
    /** Resolves when pictures can be translated. */
    this.ready = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    const hasEnded = on !== "wasm" && keeps(TRYING);
    if (hasEnded) {
      this.why = "this tab ended while it was tried; opened once more, it tries again";
      keep(TRYING, false);
    }
    this.#start(hasEnded ? "wasm" : on);
  }

  /** Where it computes, for people. */
  get words() {
    return this.why ? `${this.where}. Not on the GPU: ${this.why}.` : this.where;
  }

  #start(on) {
    const worker = new Worker("worker.js", { type: "module" });
    worker.onmessage = ({ data }) => {
      if (worker === this.worker) this.#hear(data);
    };
    worker.onerror = (event) => {
      const error = event.message || "the browser could not start it, or ended it";
      if (worker === this.worker) this.#hear(this.isOnGpu ? { fell: error } : { error });
    };
    this.worker = worker;
    worker.postMessage({ about: this.about, on });
    for (const [id, { rgba }] of this.waiting) worker.postMessage({ id, rgba });
  }

  #hear(data) {
    if ("loaded" in data) this.heard.loading(data.loaded, this.all);
    else if ("all" in data) {
      [this.all, this.isOnGpu] = [data.all, data.isOnGpu];
      if (this.isOnGpu) keep(TRYING, true);
    } else if ("fell" in data) this.#fall(data.fell);
    else if ("id" in data) this.#answer(data);
    else if ("where" in data) {
      keep(TRYING, false);
      this.where = data.where;
      this.why ||= data.why;
      this.settle.resolve();
      this.heard.moved();
    } else {
      const error = new Error(data.error);
      this.settle.reject(error);
      for (const one of this.waiting.values()) one.reject(error);
      this.waiting.clear();
      this.where = `Stopped: ${data.error}`; // without a network there may be nothing to go on with
      this.heard.moved();
    }
  }

  #fall(why) {
    this.worker.terminate(); // and all that it holds of the GPU's memory
    keep(TRYING, false);
    this.isOnGpu = false;
    this.why = why;
    this.#start("wasm");
  }

  #answer({ id, rgba, error }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(rgba);
  }

  /**
   * @param {Uint8ClampedArray} rgba of a picture of the model's size
   * @returns {Promise<Uint8ClampedArray>} the translation
   */
  translate(rgba) {
    const id = (this.count += 1);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, rgba });
      this.worker.postMessage({ id, rgba });
    });
  }
}

// A browser may refuse to keep anything; then nothing is remembered.
function keep(key, isSo) {
  try {
    if (isSo) sessionStorage.setItem(key, "1");
    else sessionStorage.removeItem(key);
  } catch {}
}

function keeps(key) {
  try {
    return sessionStorage.getItem(key) !== null;
  } catch {
    return false;
  }
}
