// Runs of the same call: the form for another one, made from the settings there are, and any two of them side by side.
import { h, icon, number, refill, seconds } from "../dom.js";
import { roving } from "../keys.js";
import { compare } from "./compare.js";

const STATS = [["graph", "graphs"], ["break", "breaks"], ["guard", "guards"], ["recompile", "recompiles"], ["op", "ops"]];
const PAGES = [["again", "Recompile"], ["both", "Compare"]];

export function runs(app) {
  const form = h("form", { class: "runs-form" });
  const list = h("div", { class: "lst", role: "listbox", "aria-label": "Runs" });
  const status = h("p", { class: "mut", role: "status" });
  const pages = h("div", { class: "seg", role: "radiogroup", "aria-label": "Runs" });
  const beside = compare(app, pages);
  const first = h("div", { class: "runs-h" }, pages);
  const again = h("div", { class: "sc runs" }, first, form, status, list);
  const el = h("div", { class: "runs-pn" }, again);
  let data = null, changes = {}, page = "again";
  first.prepend(pages);

  const shownValue = (value) => (value === null ? "auto" : value === true ? "yes" : value === false ? "no" : String(value));

  function field(one) {
    const current = one.name in changes ? changes[one.name] : one.value;
    const changed = one.name in changes && changes[one.name] !== one.value;
    const set = (value) => {
      changes = { ...changes, [one.name]: value };
      if (value === one.value) delete changes[one.name];
      drawForm();
    };
    const id = `run-${one.name}`;
    const options = one.choices.includes(one.value) || !one.choices.length ? one.choices : [one.value, ...one.choices];
    const input = options.length
      ? h("select", { class: "in s", id, "data-key": id, onchange: (event) => set(options[event.target.selectedIndex]) }, options.map((choice) => h("option", { selected: choice === current }, shownValue(choice))))
      : h("input", { class: "in s", id, "data-key": id, type: one.type.startsWith("int") ? "number" : "text", value: current ?? "", onchange: (event) => set(one.type.startsWith("int") ? Number(event.target.value) : event.target.value) });
    return h("div", { class: `fld${changed ? " ch" : ""}`, title: one.meaning }, h("label", { for: id }, one.name.replaceAll("_", " ")), input, changed ? h("div", { class: "was" }, `was ${shownValue(one.value)}`) : null);
  }

  function drawForm() {
    if (!data) return refill(form);
    const devices = data.devices.length > 1 ? field({ name: "device", type: "str", choices: ["as recorded", ...data.devices], value: "as recorded", meaning: "Copies of the module and its inputs move there." }) : null;
    refill(
      form,
      h("div", { class: "flds" }, data.fields.map(field), devices),
      h("div", { class: "btns" }, h("button", { class: "b p", type: "submit", "data-key": "go", disabled: !app.kernel, title: app.kernel ? "Runs the recorded call again on copies" : "needs a kernel" }, icon("re"), "Recompile"), h("span", { class: "mut" }, "Runs the recorded call again, on copies of its inputs. What it does to files happens again.")),
    );
  }

  function show(name) {
    page = name === "both" && (data?.runs.length || 0) > 1 ? "both" : "again";
    el.replaceChildren(page === "both" ? beside.el : again);
    (page === "both" ? beside.head : first).prepend(pages);
    drawPages();
    if (page === "both") beside.shown();
  }

  function drawPages() {
    const several = (data?.runs.length || 0) > 1;
    refill(pages, PAGES.map(([name, label]) => h("button", { role: "radio", "data-key": name, "aria-checked": String(page === name), tabindex: page === name ? 0 : -1, disabled: name === "both" && !several, title: name === "both" && !several ? "needs a second run" : "", onclick: () => show(name) }, label)));
  }

  function draw() {
    drawForm();
    drawPages();
    refill(
      list,
      (data?.runs || []).map((run, index) => {
        const choose = () => {
          if (!index) return;
          show("both");
          beside.pick(0, index);
        };
        return h(
          "div",
          { class: "it", role: "option", tabindex: index ? -1 : 0, "data-key": `r${index}`, "aria-selected": "false", title: index ? "Compare with run 1" : "", onclick: choose, onkeydown: (event) => event.key === "Enter" && choose() },
          h("div", { class: "it-h" }, h("b", {}, `${index + 1}`), h("span", {}, run.title), index ? h("span", { class: `tag ${run.same ? "ok" : "here"}` }, run.same ? "same as run 1" : "differs") : null),
          h("div", { class: "mut num" }, STATS.map(([one, many], i) => `${number(run.stats[i])} ${run.stats[i] === 1 ? one : many}`).join(" · "), ` · ${seconds(run.seconds)} traced`),
          run.error ? h("div", { class: "ann" }, run.error) : null,
          run.note ? h("div", { class: "mut" }, run.note) : null,
        );
      }),
    );
  }

  // What the kernel or the page itself says of the runs; a new one is compared with the first at once.
  function take(found) {
    const before = data?.runs.length || 0;
    data = found;
    beside.choices(data.runs);
    draw();
    if (data.runs.length > Math.max(1, before)) {
      show("both");
      beside.pick(0, data.runs.length - 1);
    }
    app.emit("runs", data.runs.length);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = { ...changes };
    if (wanted.device === "as recorded") delete wanted.device;
    refill(status, "Running again…");
    app.ask("recompile", { changes: wanted }).then((found) => (refill(status, ""), take(found)), (error) => refill(status, error.message));
  });

  function load() {
    if (app.kernel) return app.ask("runs").then(take, (error) => refill(status, error.message));
    if (app.data.runs) return data || take(app.data.runs);
    refill(status, "Running again needs a kernel.");
  }

  const open = (name) => {
    app.emit("show", "runs");
    show(name);
  };
  app.on("action", (name) => (name === "recompile" ? open("again") : name === "compare" && open("both")));
  app.on("data", (names) => names.includes("runs") && take(app.data.runs));
  app.on("kernel", () => (el.isConnected && app.kernel && !data ? load() : draw()));
  roving(list, ".it", { vertical: true });
  roving(pages, "button");
  draw();
  return { el, shown: () => (load(), page === "both" && beside.shown()), badge: () => (data && data.runs.length > 1 ? data.runs.length : null) };
}
