import { h } from "../dom.js";

export function builder(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
