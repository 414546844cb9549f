import { h } from "../dom.js";

export function speculations(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
