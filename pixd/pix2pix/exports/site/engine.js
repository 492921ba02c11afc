// The model, behind a promise: it computes in a worker, so that the hand that draws never waits.

export class Engine {
  /**
   * @param {Object} about page.json
   * @param {(bytes: number) => void} told how much of the model is loaded
   */
  constructor(about, told) {
    this.worker = new Worker("worker.js", { type: "module" });
    this.waiting = new Map();
    this.count = 0;
    /** Resolves to where it computes, for people. */
    this.ready = new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }) => {
        if ("loaded" in data) told(data.loaded);
        else if ("where" in data) resolve(data.where);
        else if ("id" in data) this.#answer(data);
        else reject(new Error(data.error));
      };
      this.worker.onerror = (event) => {
        const error = new Error(event.message || "The browser could not start it, or ended it.");
        reject(error);
        for (const one of this.waiting.values()) one.reject(error);
        this.waiting.clear();
      };
    });
    this.worker.postMessage({ about });
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
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, rgba });
    });
  }
}
