import { h } from "../dom.js";

export function breaks(app) {
  const el = h("div", { class: "sc" });
  return { el };
}
