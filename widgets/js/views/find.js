// Finding nodes: by operator, name, module, line, shape, dtype, device or parameter, in every graph, closed boxes and later moments included.
import { h, number } from "../dom.js";

// 4×128 and 4x128 are the same, and what is lower case finds both.
const plain = (text) => String(text).toLowerCase().replaceAll("×", "x");

// self.layers[0].weight is layers.0.weight too, as state_dict() names it.
const sources = (text) => (text ? [text, text.replace(/\[['"]?([^\]'"]+)['"]?\]/g, ".$1")] : []);

// show(lane, id): go there. changed(): what is found is another now. left(): the field was closed.
export function finder(app, lanesOf, { show, changed, left }) {
  const field = h("input", { class: "in", placeholder: "op, module, line, shape…", "aria-label": "Find a node", title: "Operator, module, line, shape, dtype or parameter. Enter: next, Shift+Enter: previous" });
  const said = h("span", { class: "mut num", role: "status" });
  const el = h("span", { class: "find", hidden: true }, field, said);
  let hits = [], found = new Set(), at = -1;

  function words(lane, id) {
    const [, operator, instance, shape, , , , line, path, target, , dtype, device, reads, body] = lane.nodes[id];
    return plain([id, operator, instance, shape, line, line && app.place(line), target, dtype, device, body, ...sources(path), ...(reads || []).flatMap((name) => sources(lane.inputs?.[name]))].join("\n"));
  }

  function search() {
    const asked = plain(field.value).split(/\s+/).filter(Boolean);
    hits = asked.length ? lanesOf().flatMap((lane) => Object.keys(lane.nodes).filter((id) => { const text = words(lane, id); return asked.every((word) => text.includes(word)); }).map((id) => ({ lane: lane.name, id }))) : [];
    found = new Set(hits.map(({ lane, id }) => `${lane}:${id}`));
    at = -1;
    say();
    changed();
  }

  function say() {
    said.textContent = !field.value.trim() ? "" : !hits.length ? "nothing found" : at < 0 ? `${number(hits.length)} found` : `${number(at + 1)} of ${number(hits.length)}`;
  }

  function step(by) {
    if (!hits.length) return;
    at = at < 0 ? (by > 0 ? 0 : hits.length - 1) : (at + by + hits.length) % hits.length;
    const { lane: name, id } = hits[at], lane = lanesOf().find((one) => one.name === name);
    if (lane.nodes[id][6] > app.now) app.seek(lane.nodes[id][6]);
    show(lane, id);
    say();
  }

  field.addEventListener("input", search);
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      el.hidden = true;
      field.value = "";
      search();
      left();
    }
  });
  app.on("data", (names) => names.includes("graph") && !el.hidden && field.value && again());

  // New data: the same is found, and where one is stays.
  function again() {
    const here = hits[at];
    search();
    at = here ? hits.findIndex((one) => one.lane === here.lane && one.id === here.id) : -1;
    say();
  }

  const open = () => {
    el.hidden = false;
    field.focus();
    field.select();
  };
  return { el, open, any: () => found.size > 0, holds: (id) => found.has(id) };
}
