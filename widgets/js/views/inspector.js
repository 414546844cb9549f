import { h } from "../dom.js";

export function inspector(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
