import { h } from "../dom.js";

export function state(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
