// A curve or two over the steps of a training, as SVG.

import { count, h, svg } from "./dom.js";

const BOX = { width: 440, height: 190, left: 44, right: 8, top: 8, bottom: 22 };
const LINES = 4; // of the grid, about
const MOST = 400; // points of a curve; more cannot be told apart at this width

/** @param {{words: string, points: [number, number][]}[]} series one or two */
export function chart(title, series) {
  const all = series.flatMap((one) => one.points).filter(([, value]) => Number.isFinite(value));
  const steps = all.map(([step]) => step);
  const values = all.map(([, value]) => value).sort((a, b) => a - b);
  const [firstStep, lastStep] = [Math.min(...steps), Math.max(...steps)];
  // The first steps are far off; without the topmost hundredth the rest can be read.
  const most = values[Math.min(values.length - 1, Math.floor(values.length * 0.99))];
  const unit = roundUp((most - Math.min(0, values[0])) / LINES || 1);
  const low = Math.floor(Math.min(0, values[0]) / unit) * unit;
  const high = Math.ceil(most / unit) * unit;
  const across = BOX.width - BOX.left - BOX.right;
  const down = BOX.height - BOX.top - BOX.bottom;
  const x = (step) => BOX.left + (across * (step - firstStep)) / Math.max(1, lastStep - firstStep);
  const y = (value) => BOX.top + down * (1 - (Math.min(value, high) - low) / (high - low || 1));

  const grid = [];
  for (let value = low; value <= high + unit / 2; value += unit) {
    grid.push(
      svg("line", { class: "grid", x1: BOX.left, x2: BOX.width - BOX.right, y1: y(value), y2: y(value) }),
      svg("text", { x: BOX.left - 6, y: y(value) + 4, "text-anchor": "end" }, Number(value.toPrecision(3))),
    );
  }
  grid.push(
    svg("text", { x: BOX.left, y: BOX.height - 4 }, count(firstStep)),
    svg("text", { x: BOX.width - BOX.right, y: BOX.height - 4, "text-anchor": "end" }, `step ${count(lastStep)}`),
  );
  const lines = series.map(({ points }, at) =>
    svg("polyline", {
      class: `line s${at + 1}`,
      points: thinned(points).map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" "),
    }),
  );
  const last = series.map(({ words, points }) => `${words} ${short(points.at(-1)[1])}`).join(", ");
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img", "aria-label": `${title}: at the end ${last}` },
    grid,
    lines,
  );
  const keys = series.length > 1 && h("span.soft.small", series.map(({ words }, at) => [h(`span.key-line.s${at + 1}`), `${words} `]));
  return h("figure.chart", h("figcaption", title, keys), picture);
}

/** The next of 1, 2, 2.5 and 5 times a power of ten. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 2.5, 5, 10].find((one) => one * power >= value * 0.999);
}

function thinned(points) {
  const every = Math.ceil(points.length / MOST);
  return points.filter((_, at) => at % every === 0 || at === points.length - 1);
}

function short(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size === 0 ? 0 : 2);
}
