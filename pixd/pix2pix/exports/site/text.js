// Text chunks for a PNG, where pixd writes them: after the header, in the order of the keywords.

import { chunk } from "./draw/png.js";

const HEADER_ENDS = 33; // signature 8, length 4, type 4, IHDR 13, checksum 4

/** @param {Blob} png  @param {Object<string, string>} text of Latin-1 letters */
export async function withText(png, text) {
  const chunks = Object.keys(text)
    .sort()
    .map((keyword) => chunk("tEXt", Uint8Array.from(`${keyword}\0${text[keyword]}`, (letter) => letter.charCodeAt(0))));
  return new Blob([png.slice(0, HEADER_ENDS), ...chunks, png.slice(HEADER_ENDS)], { type: "image/png" });
}

/** The bytes of a digest, as hexadecimal digits. */
export function hexOf(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
