// Loads the model and runs it, apart from the page.

import { codecOf } from "./codec.js";

let session = null;
let codec = null;
let ort = null;

/** Fetch parts one after another and tell how far it is; they are pieces of one gzip file. */
async function load(parts, told) {
  let trouble = null; // a Response would only say that it "failed to fetch"
  const pieces = new ReadableStream({
    async start(stream) {
      try {
        for (const part of parts) {
          const response = await fetch(part);
          if (!response.ok) throw new Error(`${part} could not be loaded: ${response.status}`);
          const reader = response.body.getReader();
          for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
            told(value.length);
            stream.enqueue(value);
          }
        }
        stream.close();
      } catch (error) {
        trouble = error;
        stream.error(error);
      }
    },
  });
  const whole = pieces.pipeThrough(new DecompressionStream("gzip"));
  try {
    return new Uint8Array(await new Response(whole).arrayBuffer());
  } catch (error) {
    throw trouble ?? error;
  }
}

async function begin(about) {
  codec = codecOf(about);
  let loaded = 0;
  const told = (count) => postMessage({ loaded: (loaded += count) });
  const [runtime, wasm, model] = await Promise.all([
    import(`./${about.runtime.module}`),
    load(about.runtime.parts, told),
    load(about.model.parts, told),
  ]);
  ort = runtime;
  const threads = crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = wasm.buffer;
  ort.env.wasm.wasmPaths = new URL(about.runtime.folder, location.href).href;
  session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  return `Computed by this browser's processor, ${threads === 1 ? "one thread" : `${threads} threads`}`;
}

async function translate(rgba) {
  const shape = [1, codec.side, codec.side, codec.inputs];
  const input = new ort.Tensor("float32", codec.values(rgba), shape);
  const { [session.outputNames[0]]: output } = await session.run({ [session.inputNames[0]]: input });
  return codec.pixels(output.data, rgba);
}

onmessage = async ({ data: { about, id, rgba } }) => {
  try {
    if (about) postMessage({ where: await begin(about) });
    else postMessage({ id, rgba: await translate(rgba) });
  } catch (error) {
    postMessage(about ? { error: error.message } : { id, error: error.message });
  }
};
