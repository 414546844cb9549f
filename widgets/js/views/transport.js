import { h } from "../dom.js";

export function transport(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
