// Time: the commands that drive a waiting call, and the scrubber, which moves the moment that every view shows.
import { before, h, icon, number, refill, resized, s, throttled } from "../dom.js";
import { roving } from "../keys.js";

// name, label, icon, key, what it does
const COMMANDS = [
  ["run", "Run", "run", "F9", "Run to the next breakpoint or the end"],
  ["line", "Line", "line", "F10", "To the next line; what it calls runs through"],
  ["enter", "Call", "into", "F11", "Into the function that this line calls, else to the next line"],
  ["out", "Out", "out", "⇧F11", "To where the current function has returned"],
  ["into", "Event", "event", "I", "To the next event: an instruction, a value that is built, a guard, a node"],
  ["over", "Over", "over", "O", "To the next event that is not part of this one"],
  ["decision", "Next decision", "dec", "N", "To the next event that is no instruction"],
  ["tobreak", "To break", "tobrk", "B", "To the next graph break"],
];

export function transport(app) {
  const commands = h("div", { class: "cmds", role: "toolbar", "aria-label": "Stepping" });
  const track = s("svg", { "aria-hidden": "true" });
  const scrub = h("div", { class: "scrub", role: "slider", tabindex: "0", "aria-label": "Moment", "aria-valuemin": "0" }, track);
  const position = h("span", { class: "pos num" });
  const el = h("div", { class: "tr" }, commands, scrub, position);
  let stops = []; // [seq, kind] of what the person may want to jump to: the ticks on the scrubber

  const send = (name) => {
    if (name === "first") app.seek(0);
    else if (name === "now") app.seek(app.present);
    else if (name === "back" || name === "next") app.seek(step(name === "back" ? -1 : 1));
    else if (name === "tobreak" && !app.paused) nextBreak();
    else if (!app.paused || !app.kernel) return;
    else {
      app.seek(app.present);
      app.send(name === "tobreak" ? { do: "until", terms: { kind: "GraphBreak" } } : { do: name });
    }
  };

  // One event on or back, over what is folded away: events of attempts that were given up.
  function step(by) {
    const kept = app.data.timeline?.kept;
    if (!kept) return app.now + by;
    const at = before(kept, app.now);
    return kept[at] === app.now ? kept[at + by] ?? app.now : by < 0 ? kept[at] ?? 0 : kept[at + 1] ?? app.now;
  }

  function nextBreak() {
    const found = stops.find(([seq, kind]) => kind === "break" && seq > app.now) || stops.find(([, kind]) => kind === "break");
    if (found) {
      app.seek(found[0]);
      app.select({ type: "break", id: found[0], seq: found[0] });
    }
  }

  let drawn = []; // whether the moment was in the past, and the newest one, when the commands were drawn

  function drawCommands() {
    drawn = [app.past, app.now === app.present];
    const why = !app.kernel ? "needs a kernel" : !app.paused ? (app.data.head.state === "tracing" ? "the call is running" : "no call is waiting: %%trace --step") : "";
    const breaks = stops.some(([, kind]) => kind === "break");
    refill(
      commands,
      h("button", { class: "b ic", "data-key": "first", title: "First event (Home)", "aria-label": "First event", onclick: () => send("first") }, icon("first", { class: "i f" })),
      h("button", { class: "b ic", "data-key": "back", title: "One event back (,)", "aria-label": "One event back", onclick: () => send("back") }, icon("prev", { class: "i f" })),
      h("button", { class: "b ic", "data-key": "next", disabled: app.now === app.present, title: "One event on (.)", "aria-label": "One event on", onclick: () => send("next") }, icon("prev", { class: "i f turned" })),
      h("button", { class: "b ic", "data-key": "now", disabled: app.now === app.present, title: app.paused ? "Back to now: where the call waits (End)" : "Last event (End)", "aria-label": "Now", onclick: () => send("now") }, icon("first", { class: "i f turned" })),
      h("span", { class: "sep" }),
      COMMANDS.map(([name, label, sign, key, meaning]) => {
        const off = name === "tobreak" && !app.paused ? (breaks ? "" : "no graph break") : why;
        return h("button", { class: "b", "data-key": name, disabled: Boolean(off), title: off ? `${label}: ${off}` : app.past ? `Back to now, then: ${meaning} (${key})` : `${meaning} (${key})`, "aria-label": label, onclick: () => send(name) }, icon(sign), h("span", { class: "lbl" }, label));
      }),
      app.paused ? h("button", { class: "b abort", "data-key": "abort", title: "Give the call up (Esc Esc)", "aria-label": "Abort", disabled: !app.kernel, onclick: () => app.send({ do: "abort" }) }, icon("stop"), h("span", { class: "lbl" }, "Abort")) : null,
    );
  }

  function drawTrack() {
    const width = scrub.clientWidth, last = Math.max(1, app.last), x = (seq) => (seq / last) * width;
    const here = x(app.now), waits = app.paused ? x(app.data.head.at) : width;
    if (width) {
      track.setAttribute("viewBox", `0 0 ${width} 22`);
      track.replaceChildren(
        s("line", { class: "rail", x1: 0, x2: waits, y1: 11, y2: 11 }),
        s("line", { class: "done", x1: 0, x2: here, y1: 11, y2: 11 }),
        ...stops.map(([seq, kind]) => s("line", { class: `tick ${kind}`, x1: x(seq), x2: x(seq), y1: 6, y2: 16 })),
        s("circle", { class: "thumb", cx: here, cy: 11, r: 5.5 }),
      );
    }
    scrub.setAttribute("aria-valuemax", String(app.last));
    scrub.setAttribute("aria-valuenow", String(app.now));
    scrub.setAttribute("aria-valuetext", `event ${number(app.now)} of ${number(app.last)}`);
    refill(position, "event ", h("b", {}, number(app.now)), ` of ${number(app.last)}`, app.past ? h("span", { class: "past" }, ` · the call waits at ${number(app.present)}`) : null);
  }

  const seekTo = (event) => {
    const box = scrub.getBoundingClientRect();
    app.seek(((event.clientX - box.left) / box.width) * app.last);
  };
  scrub.addEventListener("pointerdown", (event) => {
    scrub.setPointerCapture(event.pointerId);
    scrub.onpointermove = seekTo;
    seekTo(event);
  });
  scrub.addEventListener("pointerup", () => (scrub.onpointermove = null));
  scrub.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1000, PageDown: 1000 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    app.seek(Math.abs(by) === 1 ? (event.shiftKey ? app.now + 100 * by : step(by)) : app.now + by);
  });
  roving(commands, "button");

  const drawLater = throttled(drawTrack);
  let escaped = 0;
  app.on("command", send);
  app.on("escape", () => {
    if (app.paused && Date.now() - escaped < 700) app.send({ do: "abort" });
    escaped = Date.now();
  });
  app.on("data", () => {
    stops = app.data.timeline?.stops || [];
    drawCommands();
    drawLater();
  });
  app.on("time", () => {
    drawLater();
    if (drawn[0] !== app.past || drawn[1] !== (app.now === app.present)) drawCommands();
  });
  app.on("close", resized(scrub, drawTrack));
  app.on("kernel", drawCommands);
  drawCommands();
  return { el };
}
