import { h } from "../dom.js";

export function timeline(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
