// Pictures from outside, as the drawing takes them: a file that was dropped, pasted or chosen. And
// pictures to take along.

import { download, stamp } from "../dom.js";
import { rgbPng } from "./png.js";

/**
 * What is handed to a translator: pixels and the file that holds exactly them.
 *
 * @typedef {Object} Picture
 * @property {number} width
 * @property {number} height
 * @property {Blob} png
 * @property {() => Uint8ClampedArray} rgba as ImageData holds it
 */

/**
 * Read a picture file into a square; what does not fit is cut off evenly.
 *
 * @param {Blob} file anything the browser can show
 * @param {boolean} isSmooth false keeps the colours of a label map as they are
 * @returns {Promise<ImageData>}
 * @throws {Error} the browser cannot read it; the message is for people
 */
export async function readSquare(file, side, isSmooth) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("This browser cannot read that picture. Upload sends it as it is.");
  }
  const canvas = document.createElement("canvas");
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, side, side);
  context.imageSmoothingEnabled = isSmooth;
  context.imageSmoothingQuality = "high";
  const part = Math.min(bitmap.width, bitmap.height);
  const left = (bitmap.width - part) / 2;
  const top = (bitmap.height - part) / 2;
  context.drawImage(bitmap, left, top, part, part, 0, 0, side, side);
  bitmap.close();
  return context.getImageData(0, 0, side, side);
}

/** @returns {Promise<Picture>} */
export async function pictureOf(image) {
  const png = await rgbPng(image.width, image.height, image.data);
  return { width: image.width, height: image.height, png, rgba: () => image.data };
}

/** Save a drawing and its translation under names that belong together. */
export function downloadBoth({ input, output }) {
  const name = stamp();
  download(input, `drawing-${name}.png`);
  download(output, `translation-${name}.png`);
}

/** The first picture among what was dropped or pasted, or null. */
export function pictureIn(transfer) {
  return [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/")) ?? null;
}
