// Two pictures in one place, and a slider that says how much of each is seen.

import { h, photo } from "./dom.js";

/**
 * @param {{src: string, words: string}} left what is below, seen left of the seam
 * @param {{src: string, words: string}} right what is above it
 * @returns {{element: HTMLElement, flip: Function, setRight: Function}}
 */
export function compare(left, right) {
  const under = photo(left.src, { alt: left.words, loading: "eager" });
  const over = photo(right.src, { alt: right.words, loading: "eager", class: "over" });
  const tag = h("span.tag.right", { "aria-hidden": "true" }, right.words);
  const range = h("input", {
    type: "range",
    min: 0,
    max: 100,
    step: 1,
    "aria-label": `How much of ${left.words} is seen, in percent`,
    oninput: () => move(range.valueAsNumber),
  });
  const element = h(
    "div.compare",
    under,
    over,
    h("span.seam"),
    h("span.tag.left", { "aria-hidden": "true" }, left.words),
    tag,
    range,
  );

  function move(percent) {
    range.value = percent;
    element.style.setProperty("--at", percent / 100);
  }
  over.addEventListener("load", () => {
    const ratio = over.naturalWidth / over.naturalHeight;
    element.style.setProperty("--ratio", ratio);
    element.style.setProperty("--aspect", `${over.naturalWidth} / ${over.naturalHeight}`);
  });
  move(50);
  return {
    element,
    range,
    /** All of one, then all of the other. */
    flip() {
      move(range.valueAsNumber > 0 ? 0 : 100);
    },
    setRight(other) {
      over.src = other.src;
      over.alt = other.words;
      tag.textContent = other.words;
    },
  };
}
