// PNG files written by hand, so that the bytes hold what was drawn and nothing else.
//
// A canvas writes RGBA, and a browser may add a colour profile to it. Here an indexed drawing
// becomes an indexed PNG: chunks IHDR, PLTE, IDAT, IEND, half a kilobyte for a drawing of 256 px.

import { rgbOf } from "./drawing.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const INDEXED = 3;
const RGB = 2;

const CRC_TABLE = new Uint32Array(256).map((_, n) => {
  for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Length, type, content and checksum (PNG specification, section 5.3). */
export function chunk(type, content) {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  for (let at = 0; at < 4; at += 1) bytes[4 + at] = type.charCodeAt(at);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, crc32(bytes.subarray(4, 8 + content.length)));
  return bytes;
}

function header(width, height, colourType) {
  const content = new Uint8Array(13);
  const view = new DataView(content.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  content[8] = 8; // bits a sample
  content[9] = colourType;
  return chunk("IHDR", content);
}

/** zlib-compress; "deflate" of the Compression Streams standard is RFC 1950, as IDAT wants. */
async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Put filter byte 0 before each row. */
function unfiltered(bytes, stride) {
  const rows = bytes.length / stride;
  const lines = new Uint8Array(bytes.length + rows);
  for (let row = 0; row < rows; row += 1) {
    lines.set(bytes.subarray(row * stride, (row + 1) * stride), row * (stride + 1) + 1);
  }
  return lines;
}

function file(chunks) {
  return new Blob([new Uint8Array(SIGNATURE), ...chunks], { type: "image/png" });
}

/**
 * @param {Uint8Array} pixels indices, width * height
 * @param {string[]} palette "#rrggbb" each, at most 256
 * @returns {Promise<Blob>} an indexed PNG
 */
export async function indexedPng(width, height, pixels, palette) {
  const table = new Uint8Array(palette.flatMap(rgbOf));
  const content = await deflated(unfiltered(pixels, width));
  return file([
    header(width, height, INDEXED),
    chunk("PLTE", table),
    chunk("IDAT", content),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** @param {Uint8ClampedArray} rgba as ImageData holds it; its alpha is left out */
export async function rgbPng(width, height, rgba) {
  const rgb = new Uint8Array(width * height * 3);
  for (let at = 0, to = 0; at < rgba.length; at += 4, to += 3) {
    rgb[to] = rgba[at];
    rgb[to + 1] = rgba[at + 1];
    rgb[to + 2] = rgba[at + 2];
  }
  const content = await deflated(unfiltered(rgb, 3 * width));
  return file([header(width, height, RGB), chunk("IDAT", content), chunk("IEND", new Uint8Array())]);
}
