// Pixels to the model's values and back, exactly as pixd does it (pixd/pix2pix/network/codec.py,
// pixd/images/input_makers.py, pixd/images/lab.py).

/** @param {{side: number, pairs: string}} about */
export function codecOf({ side, pairs, blankShare }) {
  return pairs === "colorization" ? lab(side) : rgb(side, (pixels) => prepare(pixels, pairs, side, blankShare));
}

function rgb(side, prepared) {
  return {
    side,
    inputs: 3,
    values(rgba) {
      const pixels = prepared(rgba);
      const values = new Float32Array(side * side * 3);
      for (let at = 0, to = 0; to < values.length; at += 4) {
        for (let channel = 0; channel < 3; channel += 1) {
          values[to] = Math.fround(pixels[at + channel] / 127.5) - 1;
          to += 1;
        }
      }
      return values;
    },
    pixels(values) {
      const made = new Uint8ClampedArray(side * side * 4).fill(255); // stores round and clip
      for (let at = 0, from = 0; from < values.length; at += 4) {
        for (let channel = 0; channel < 3; channel += 1) {
          made[at + channel] = Math.fround(Math.fround(values[from] + 1) * 127.5);
          from += 1;
        }
      }
      return made;
    },
  };
}

// What pixd makes of a dropped picture, for the pairs whose inputs it makes.
function prepare(rgba, pairs, side, blankShare) {
  if (pairs === "grayscale") {
    const grey = rgba.slice();
    for (let at = 0; at < rgba.length; at += 4) {
      const luma = (rgba[at] * 19595 + rgba[at + 1] * 38470 + rgba[at + 2] * 7471 + 0x8000) >> 16;
      grey.fill(luma, at, at + 3);
    }
    return grey;
  }
  if (pairs === "blank") {
    const blank = rgba.slice();
    const across = Math.max(1, Math.round(side * blankShare));
    const first = (side - across) >> 1;
    for (let y = first; y < first + across; y += 1) {
      blank.fill(255, 4 * (y * side + first), 4 * (y * side + first + across));
    }
    return blank;
  }
  return rgba;
}

// -------------------------------------------------------------------- L* in, a* and b* out

const DELTA = 6 / 29;
const LINEAR = Float64Array.from({ length: 256 }, (_, value) => {
  const encoded = value / 255;
  return encoded <= 0.04045 ? encoded / 12.92 : ((encoded + 0.055) / 1.055) ** 2.4;
});
const XYZ = [
  [0.4123908, 0.3575843, 0.1804808],
  [0.212639, 0.7151687, 0.0721923],
  [0.0193308, 0.1191948, 0.9505322],
];
const WHITE = XYZ.map(([r, g, b]) => r + g + b);
const RGB = inverse(XYZ);

function inverse([[a, b, c], [d, e, f], [g, i, j]]) {
  const whole = a * (e * j - f * i) - b * (d * j - f * g) + c * (d * i - e * g);
  return [
    [e * j - f * i, c * i - b * j, b * f - c * e],
    [f * g - d * j, a * j - c * g, c * d - a * f],
    [d * i - e * g, b * g - a * i, a * e - b * d],
  ].map((row) => row.map((value) => value / whole));
}

const bent = (t) => (t > DELTA ** 3 ? Math.cbrt(t) : t / (3 * DELTA ** 2) + 4 / 29);
const straight = (t) => (t > DELTA ? t ** 3 : 3 * DELTA ** 2 * (t - 4 / 29));

function encoded(linear) {
  const clipped = Math.min(1, Math.max(0, linear));
  return 255 * (clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055);
}

const LIGHTNESS = LINEAR.map((linear) => 116 * bent(linear) - 16); // of greys

function greyOf(rgba, at) {
  const [r, g, b] = XYZ[1];
  const light = (r * LINEAR[rgba[at]] + g * LINEAR[rgba[at + 1]] + b * LINEAR[rgba[at + 2]]) / WHITE[1];
  return Math.round(encoded(light));
}

function lab(side) {
  return {
    side,
    inputs: 1,
    values: (rgba) =>
      Float32Array.from({ length: side * side }, (_, n) => LIGHTNESS[greyOf(rgba, 4 * n)] / 50 - 1),
    pixels(values, rgba) {
      const made = new Uint8ClampedArray(side * side * 4).fill(255);
      for (let n = 0; n < side * side; n += 1) {
        const y = (LIGHTNESS[greyOf(rgba, 4 * n)] + 16) / 116;
        const bends = [y + (values[2 * n] * 110) / 500, y, y - (values[2 * n + 1] * 110) / 200];
        const xyz = bends.map((t, one) => straight(t) * WHITE[one]);
        for (let channel = 0; channel < 3; channel += 1) {
          const [x0, y0, z0] = RGB[channel];
          made[4 * n + channel] = encoded(x0 * xyz[0] + y0 * xyz[1] + z0 * xyz[2]);
        }
      }
      return made;
    },
  };
}
