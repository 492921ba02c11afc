// A question before something that others will notice.

import { button, h } from "./dom.js";

/** @returns {Promise<boolean>} */
export function confirmed(title, text, yes) {
  return new Promise((resolve) => {
    let answer = false;
    const dialog = h(
      "dialog",
      { "aria-labelledby": "question" },
      h("h2", { id: "question" }, title),
      typeof text === "string" ? h("p", text) : text,
      h(
        "div.group",
        button("Cancel", () => dialog.close()),
        button(yes.replace(/\?$/, ""), () => {
          answer = true;
          dialog.close();
        }, { kind: "primary" }),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
