// The tools and the colours, as buttons.

import { button, h, icon, replace } from "../dom.js";
import { SIZES } from "./drawing.js";

export const TOOL_KEYS = { p: "pen", e: "eraser", l: "line", r: "rectangle", f: "fill", i: "pick" };
const KEY_OF = Object.fromEntries(Object.entries(TOOL_KEYS).map(([key, tool]) => [tool, key]));
const WORDS = {
  pen: "Pen",
  eraser: "Eraser",
  line: "Line",
  rectangle: "Rectangle",
  fill: "Fill",
  pick: "Pick a colour",
};

/** Tools, size, undo, redo and clear. `told` has chosen, sized, undo, redo, clear. */
export function toolBar(told) {
  const tools = Object.keys(WORDS).map((tool) =>
    button(WORDS[tool], () => told.chosen(tool), {
      sign: tool,
      only: true,
      kind: "tool",
      title: `${WORDS[tool]} (${KEY_OF[tool].toUpperCase()})`,
      "data-tool": tool,
    }),
  );
  const size = h("input", {
    type: "range",
    min: SIZES.least,
    max: SIZES.most,
    "aria-label": "Size of the pen in pixels",
    oninput: () => told.sized(size.valueAsNumber),
  });
  const sizeShown = h("output", { class: "size", "aria-hidden": "true" });
  const undo = button("Undo", told.undo, { sign: "undo", only: true, title: "Undo (Ctrl+Z)" });
  const redo = button("Redo", told.redo, {
    sign: "redo",
    only: true,
    title: "Redo (Ctrl+Shift+Z)",
  });
  const clear = button("Clear", told.clear, { sign: "clear", only: true });
  const element = h(
    "div.toolbar",
    { role: "toolbar", "aria-label": "Drawing tools" },
    h("div.group", tools),
    h("label.group.sizes", { title: "Size ( [ and ] )" }, size, sizeShown),
    h("div.group", undo, redo, clear),
  );
  return {
    element,
    show({ tool, pen, canUndo, canRedo, isOff }) {
      for (const one of tools) {
        one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
        one.disabled = isOff;
      }
      size.value = pen;
      size.disabled = isOff;
      sizeShown.textContent = `${pen} px`;
      undo.disabled = isOff || !canUndo;
      redo.disabled = isOff || !canRedo;
      clear.disabled = isOff;
    },
  };
}

/** The colours. `told` has coloured(index) and added(colour). */
export function colourBar(told) {
  const element = h("div.colours", { role: "group", "aria-label": "Colours" });
  return {
    element,
    /** @param {{colour: string, share?: number, name?: string}[]} palette */
    show(palette, chosen, { isLocked, isOff }) {
      const swatches = palette.map(({ colour, share, name }, index) => {
        const part = share ? `, ${(100 * share).toFixed(share < 0.1 ? 1 : 0)} % of the pixels` : "";
        const words = `${name || colour}${part}`;
        const swatch = h(
          "button.swatch",
          {
            type: "button",
            "aria-label": `Colour ${index + 1}: ${words}`,
            "aria-pressed": String(index === chosen),
            title: index < 9 ? `${words} (${index + 1})` : words,
            disabled: isOff,
            onclick: () => told.coloured(index),
          },
          h("span.patch"),
          h("span.key", { "aria-hidden": "true" }, index < 9 ? index + 1 : ""),
        );
        swatch.style.setProperty("--patch", colour);
        return swatch;
      });
      const more =
        !isLocked &&
        h(
          "label.swatch.more",
          { title: "Another colour" },
          h("span.patch", icon("pick")),
          h("input", {
            type: "color",
            "aria-label": "Another colour",
            disabled: isOff,
            onchange: (event) => told.added(event.target.value),
          }),
        );
      const had = element.contains(document.activeElement);
      replace(element, swatches, more);
      if (had) swatches[chosen]?.focus({ preventScroll: true });
    },
  };
}
