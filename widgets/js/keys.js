// The keyboard, while focus is inside the widget. Events stop here: JupyterLab binds letters and digits too.

const COMMANDS = { F8: "run", F9: "run", F10: "line", F11: "enter", "Shift+F11": "out", l: "line", i: "into", o: "over", n: "decision", b: "tobreak" };

export function keys(app, main, { tab, find }) {
  main.addEventListener("keydown", (event) => {
    const typing = event.composedPath()[0].closest?.("input, select, textarea");
    const key = (event.shiftKey && event.key.length > 1 ? "Shift+" : "") + (event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (event.ctrlKey || event.metaKey) return;
    let used = true;
    if (event.altKey) {
      if (event.key === "ArrowLeft") app.back();
      else return;
    } else if (typing) {
      used = false;
    } else if (COMMANDS[key]) app.emit("command", COMMANDS[key]);
    else if (key === ",") app.emit("command", "back");
    else if (key === "." ) app.emit("command", "next");
    else if (key === "Home" && !event.defaultPrevented) app.seek(0);
    else if (key === "End" && !event.defaultPrevented) app.seek(app.present);
    else if (/^[1-9]$/.test(key)) tab(Number(key) - 1);
    else if (key === "/") find();
    else if (key === "Escape") app.emit("escape");
    else used = false;
    if (used) event.preventDefault();
    event.stopPropagation();
  });
}

// Arrow keys among the children of a toolbar, tab list or list: one of them is in the tab order at a time.
export function roving(container, selector, { vertical = false } = {}) {
  const [less, more] = vertical ? ["ArrowUp", "ArrowDown"] : ["ArrowLeft", "ArrowRight"];
  const items = () => [...container.querySelectorAll(selector)].filter((item) => !item.disabled && !item.hidden);
  const mark = (chosen) => {
    for (const item of items()) item.tabIndex = item === chosen ? 0 : -1;
  };
  container.addEventListener("focusin", (event) => {
    const item = event.target.closest?.(selector);
    if (item) mark(item);
  });
  container.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(event.target.closest?.(selector));
    if (at < 0 || all.length === 0) return;
    const goal = { [less]: at - 1, [more]: at + 1, Home: 0, End: all.length - 1 }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    all[Math.min(all.length - 1, Math.max(0, goal))].focus();
  });
  const first = items()[0];
  if (first && !items().some((item) => item.tabIndex === 0)) mark(first);
}
