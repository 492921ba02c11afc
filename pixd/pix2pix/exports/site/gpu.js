// Which GPU to compute on, if any. Loaded only where a browser has WebGPU.

/**
 * @param {string} on "webgpu" also takes an adapter that computes on the processor: for tests
 * @returns {Promise<?{build: string, words: string}>} build is a key of page.json's runtime
 */
export async function chosen(on) {
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) return null;
  const isSoftware = adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter;
  if (isSoftware && on !== "webgpu") return null; // the processor does better without it
  const name = [adapter.info?.vendor, adapter.info?.architecture].filter(Boolean).join(" ");
  return {
    build: "Suspending" in WebAssembly ? "jspi" : "asyncify", // the first is the smaller
    words: `Computed ${isSoftware ? "by WebGPU in software" : "on this device's GPU"}${name && ` (${name})`}`,
  };
}
