// Elements from data. Text always goes in as text: no string of the traced program is ever parsed as markup.
import { ICONS } from "./icons.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style" && typeof value === "object") Object.assign(element.style, value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

export function add(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child.nodeType ? child : document.createTextNode(String(child)));
  }
  return element;
}

// h("div", { class: "pn", onclick: f }, "text", child, [children])
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export function icon(name, attributes) {
  const parts = (ICONS[name] || []).map(([tag, given]) => s(tag, given));
  return s("svg", { class: "i", viewBox: "0 0 16 16", "aria-hidden": "true", ...attributes }, parts);
}

// Replaces what an element holds, keeping its scroll position and, by data-key, its focus. Where what had the focus is gone, what is around it
// gets it: keys go on working.
export function refill(element, ...children) {
  const top = element.scrollTop, left = element.scrollLeft;
  const focused = element.getRootNode().activeElement;
  const inside = Boolean(focused) && focused !== element && element.contains(focused);
  const key = inside ? focused.dataset.key : undefined;
  element.replaceChildren();
  add(element, children);
  element.scrollTop = top;
  element.scrollLeft = left;
  if (!inside) return;
  const again = key === undefined ? null : element.querySelector(`[data-key="${CSS.escape(key)}"]`);
  (again || element.closest("[tabindex]"))?.focus({ preventScroll: true });
}

const format = new Intl.NumberFormat("en-US");
export const number = (n) => format.format(n);
export const count = (n, one, many) => `${number(n)} ${n === 1 ? one : many || one + "s"}`;
export const seconds = (x) => (x >= 1 ? `${x.toFixed(2)} s` : x >= 0.001 ? `${(x * 1000).toFixed(x >= 0.1 ? 0 : 1)} ms` : `${(x * 1e6).toFixed(x >= 1e-5 ? 0 : 1)} µs`);

// `code` in a text, as code.
export const worded = (text) => text.split(/(`[^`]+`)/).map((part) => (part.startsWith("`") ? h("span", { class: "mono" }, part.slice(1, -1)) : part));

// One animation frame at most: later calls before it replace earlier ones.
export function throttled(action) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      action();
    });
  };
}

// Runs an action whenever an element has got another width, but for none: what is out of sight stays as it was drawn. Gives what ends that.
export function resized(element, action) {
  let width = 0;
  const later = throttled(() => {
    if (!element.clientWidth || element.clientWidth === width) return;
    width = element.clientWidth;
    action();
  });
  const sizes = new ResizeObserver(later);
  sizes.observe(element);
  return () => sizes.disconnect();
}

// Index of the last item of a sorted list of numbers that is <= value; -1 where there is none.
export function before(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
