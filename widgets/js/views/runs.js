// Runs of the same call: the form for another one, made from the settings there are, and what it changed.
import { h, icon, number, refill, seconds } from "../dom.js";

const STATS = [["graph", "graphs"], ["break", "breaks"], ["guard", "guards"], ["recompile", "recompiles"], ["op", "ops"]];

export function runs(app) {
  const form = h("form", { class: "runs-form" });
  const list = h("div", { class: "lst" });
  const result = h("pre", { class: "runs-diff", tabindex: "0", "aria-label": "What changed" });
  const status = h("p", { class: "mut", role: "status" });
  const el = h("div", { class: "sc runs" }, form, status, list, result);
  let data = null, chosen = 0, changes = {};

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

  function draw() {
    drawForm();
    refill(
      list,
      (data?.runs || []).map((run, index) =>
        h(
          "div",
          { class: `it${index === chosen ? " sel" : ""}`, role: "option", tabindex: "0", "data-key": `r${index}`, "aria-selected": String(index === chosen), onclick: () => ((chosen = index), draw()), onkeydown: (event) => event.key === "Enter" && ((chosen = index), draw()) },
          h("div", { class: "it-h" }, h("b", {}, `${index + 1}`), h("span", {}, run.title), index ? h("span", { class: `tag ${run.same ? "ok" : "here"}` }, run.same ? "same as run 1" : "differs") : null),
          h("div", { class: "mut num" }, STATS.map(([one, many], i) => `${number(run.stats[i])} ${run.stats[i] === 1 ? one : many}`).join(" · "), ` · ${seconds(run.seconds)} traced`),
          run.error ? h("div", { class: "ann" }, run.error) : null,
          run.note ? h("div", { class: "mut" }, run.note) : null,
        ),
      ),
    );
    const text = data?.runs[chosen]?.diff || "";
    result.hidden = !text;
    refill(result, text.split("\n").map((line) => h("div", { class: /^\s*\+/.test(line) ? "add" : /^\s*[-−]/.test(line) ? "del" : /^\s*~/.test(line) ? "chg" : "" }, line || " ")));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = { ...changes };
    if (wanted.device === "as recorded") delete wanted.device;
    refill(status, "Running again…");
    app.ask("recompile", { changes: wanted }).then(
      (value) => {
        data = value;
        chosen = data.runs.length - 1;
        refill(status, "");
        draw();
      },
      (error) => refill(status, error.message),
    );
  });

  const load = () =>
    app.kernel
      ? app.ask("runs").then((value) => ((data = value), draw()), (error) => refill(status, error.message))
      : refill(status, "Running again needs a kernel.");
  app.on("action", (name) => name === "recompile" && app.emit("show", "runs"));
  draw();
  return { el, shown: load, badge: () => (data && data.runs.length > 1 ? data.runs.length : null) };
}
