// Loads the model and runs it, apart from the page: on a GPU if there is one and it draws the picture
// that was drawn when the page was exported, else on the processor.

import { codecOf } from "./codec.js";

let session = null;
let codec = null;
let ort = null;
let isOnGpu = false;

const LARGEST = 2; // levels of 255 by which a GPU may draw otherwise

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

async function gpuOf(on) {
  if (on === "wasm" || !navigator.gpu) return null;
  try {
    return await (await import("./gpu.js")).chosen(on);
  } catch {
    return null; // the processor does it too
  }
}

async function begin(about, on) {
  codec = codecOf(about);
  const gpu = await gpuOf(on);
  isOnGpu = gpu !== null;
  const build = about.runtime[gpu?.build ?? "wasm"];
  const known = isOnGpu ? about.model.known : [];
  postMessage({ all: build.bytes + about.model.bytes, isOnGpu });
  let loaded = 0;
  const told = (count) => postMessage({ loaded: (loaded += count) });
  const [runtime, wasm, model, wanted] = await Promise.all([
    import(`./${build.module}`),
    load(build.parts, told),
    load(about.model.parts, told),
    isOnGpu ? load(known, () => {}) : null,
  ]);
  ort = runtime;
  const threads = crossOriginIsolated && !isOnGpu ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = wasm.buffer;
  ort.env.wasm.wasmPaths = new URL(about.runtime.folder, location.href).href;
  session = await ort.InferenceSession.create(model, { executionProviders: [isOnGpu ? "webgpu" : "wasm"] });
  if (isOnGpu) {
    Promise.resolve(ort.env.webgpu.device).then(watch);
    await compare(wanted);
    return { where: gpu.words, why: "" };
  }
  return {
    where: `Computed by this browser's processor, ${threads === 1 ? "one thread" : `${threads} threads`}`,
    why: on === "webgpu" ? "this browser offers none to pages" : "",
  };
}

async function watch(device) {
  const { message } = await device.lost;
  postMessage({ fell: `the browser lost it (${message || "it did not say why"})` });
}

// No exporter has every GPU. So each is asked for a picture of which it is known what comes out; that
// also compiles what the first picture would wait for.
async function compare(known) {
  const half = known.length / 2; // an input and its translation, RGB
  const rgba = new Uint8ClampedArray((half / 3) * 4).fill(255);
  for (let from = 0; from < half; from += 1) rgba[4 * Math.floor(from / 3) + (from % 3)] = known[from];
  const made = await translate(rgba);
  let largest = 0;
  for (let from = 0; from < half; from += 1) {
    const difference = Math.abs(made[4 * Math.floor(from / 3) + (from % 3)] - known[half + from]);
    largest = Math.max(largest, difference);
  }
  if (largest > LARGEST) throw new Error(`it draws a known picture otherwise, by ${largest} levels of 255`);
}

async function translate(rgba) {
  if (!session) throw new Error("The model could not be loaded.");
  const shape = [1, codec.side, codec.side, codec.inputs];
  const input = new ort.Tensor("float32", codec.values(rgba), shape);
  const { [session.outputNames[0]]: output } = await session.run({ [session.inputNames[0]]: input });
  return codec.pixels(output.data, rgba);
}

async function answer({ about, on, id, rgba }) {
  try {
    postMessage(about ? await begin(about, on) : { id, rgba: await translate(rgba) });
  } catch ({ message }) {
    if (isOnGpu) postMessage({ fell: message });
    else postMessage(about ? { error: message } : { id, error: message });
  }
}

// One after another: on a GPU a run gives way to what comes meanwhile, and runs may not meet.
let turn = Promise.resolve();
onmessage = ({ data }) => {
  turn = turn.then(() => answer(data));
};
