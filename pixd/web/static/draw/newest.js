// One piece of work at a time, and always the newest: how a picture follows a hand.

/**
 * Wrap `work` so that one call is under way at a time. While it is, only the newest request waits;
 * what waited before it is dropped, since nobody wants a picture of a drawing that went on.
 *
 * @param {(request: any) => Promise<void>} work its errors are its own to show
 * @returns {(request: any) => Promise<void>} resolves when nothing waits any more
 */
export function newestOnly(work) {
  let waiting = null;
  let running = null;

  async function run() {
    while (waiting) {
      const { request } = waiting;
      waiting = null;
      await work(request);
    }
  }

  return (request) => {
    waiting = { request };
    running ??= run().finally(() => {
      running = null;
    });
    return running;
  };
}
