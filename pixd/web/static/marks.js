// Texts of pixd that hold commands between backticks.

import { h } from "./dom.js";

export function ticks(text) {
  return text.split("`").map((part, at) => (at % 2 ? h("code", part) : part));
}
