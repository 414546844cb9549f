import { h } from "../dom.js";

export function graph(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
