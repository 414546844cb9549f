import { h } from "../dom.js";

export function source(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
