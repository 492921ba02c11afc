// `pixd export --check`: translate the pictures that the checking server has, and send it what came.

import { readSquare } from "./draw/pictures.js";

/** Run over the pictures until there are no more. */
export async function check(engine, about) {
  const { started } = await (await fetch("check/start")).json();
  for (let number = 0; ; number += 1) {
    const response = await fetch(`check/${number}.png`);
    if (!response.ok) break;
    const image = await readSquare(await response.blob(), about.side, false);
    const began = performance.now();
    const rgba = await engine.translate(image.data);
    const took = performance.now() - began;
    const since = Date.now() / 1000 - started;
    const { where, why, isOnGpu } = engine;
    const told = new URLSearchParams({ took, since, where, why, isOnGpu });
    await fetch(`check/${number}?${told}`, { method: "POST", body: rgba });
  }
  await fetch("check/end", { method: "POST" });
  document.body.textContent = "checked";
}
