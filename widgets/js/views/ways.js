// The ways out of a break or a recompile: worked examples as rewrites, other advice, and what the kernel can try at once.
import { h, icon, refill, worded } from "../dom.js";
import { roving } from "../keys.js";
import { copyToCell } from "../notebook.js";
import { section } from "./inspector.js";
import { highlighted } from "./source.js";

// waysOut(app)(one) → sections for { seq, fixes, hints, tries }
export function waysOut(app) {
  const fixOf = new Map(); // seq → the way out that is looked at

  function fixes(one, chosen, fix) {
    const names = h("div", { class: "seg", role: "radiogroup", "aria-label": "Ways out" }, one.fixes.map((each, index) => h("button", { role: "radio", "data-key": `f${index}`, "aria-checked": String(index === chosen), onclick: () => pick(one, index) }, each.name)));
    roving(names, "button");
    return section(
      "Fix",
      one.fixes.length > 1 ? names : null,
      h("p", {}, worded(`${fix.do} when ${fix.when}.`), " ", h("span", { class: "mut" }, worded(`Trades: ${fix.trades}.`))),
      h("h5", { class: "gapped" }, "In an example"),
      h("div", { class: "df-b", tabindex: "0", "aria-label": "Rewrite of the example" }, fix.diff.map(([sign, text]) => h("div", { class: { "+": "a", "-": "d" }[sign] || "", "data-s": { "+": "+", "-": "−" }[sign] || "" }, h("code", {}, highlighted(text))))),
      h("div", { class: "btns" }, h("button", { class: app.kernel ? "b o" : "b p", onclick: (event) => copyToCell(event.currentTarget, fix.source) }, icon("copy"), "Copy to new cell")),
    );
  }

  function pick(one, index) {
    fixOf.set(one.seq, index);
    app.emit("select");
  }

  // What can be tried on this program itself: offered by the kernel (see "try" in the answers). The answer stands below the button.
  function actions(one) {
    if (!one.tries?.length) return null;
    const row = (each) => {
      const result = h("div", {});
      const run = (button) => {
        button.disabled = true;
        refill(result, h("p", { class: "mut", role: "status" }, "Running on a copy…"));
        app.ask("try", { seq: one.seq, number: each.number }).then(
          (found) => refill(result, h("div", { class: "res", role: "status" }, icon("ok"), h("div", {}, h("b", {}, found.title), h("div", { class: "mut" }, worded(found.text))))),
          (error) => refill(result, h("p", { class: "mut", role: "alert" }, error.message)),
        ).finally(() => (button.disabled = false));
      };
      return [h("div", { class: "btns" }, h("button", { class: "b p", disabled: !app.kernel, title: app.kernel ? "Runs on a copy; your program is not changed" : "needs a kernel", onclick: (event) => run(event.currentTarget) }, "Try it"), h("span", {}, worded(each.text))), result];
    };
    return section("Try it", one.tries.map(row));
  }

  return (one) => {
    const chosen = Math.min(fixOf.get(one.seq) || 0, Math.max(0, one.fixes.length - 1)), fix = one.fixes[chosen];
    const rest = one.hints.filter((hint) => !one.fixes.some((known) => hint.startsWith(known.do)));
    return [
      fix ? fixes(one, chosen, fix) : null,
      rest.length ? section(fix ? "Also" : "What to do", rest.map((hint) => h("p", { class: "hint" }, worded(hint)))) : null,
      actions(one),
    ];
  };
}
