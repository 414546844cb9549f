import { h } from "../dom.js";

export function guards(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
