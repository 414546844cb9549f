import { h } from "../dom.js";

export function runs(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
