// What all views share: the data of the run that is shown, the moment, the selection, and the way to the kernel.
//
// data       view name → what Python made for that view (widgets/models); `data.head` is there from the start
// now        the event that every view shows the state at; `last` is the newest recorded one
// selection  { type, id, seq, line, … } or null: see `select`
// kernel     whether somebody answers `ask` and `send`; what it refuses is a "problem", which the headline shows, or is shown where it was asked

export class App extends EventTarget {
  constructor(channel) {
    super();
    this.channel = channel || null;
    this.data = { head: {} };
    this.now = 0;
    this.following = true; // the moment is the newest event, and stays so while events come in
    this.selection = null;
    this.history = [];
    this.stopped = null; // the event that a stepped call waits at
    this.acting = null; // the button of the action that was asked for last
    this.describers = {}; // type of selection → what the inspector says of it
    this.waiting = new Map();
    this.asked = 0;
  }

  get kernel() {
    return this.channel !== null && this.channel.alive;
  }

  // Whether a call waits and the moment that is shown is an earlier one.
  get past() {
    return this.paused && this.now !== this.data.head.at;
  }

  // "model.py:12" or "cell [3], line 12": a line, as selections name it, for a person.
  place(line) {
    const [, file, at] = /^(.*):(\d+)$/.exec(line) || [null, line, ""];
    const cell = this.data.head.cells?.[file];
    return cell === undefined ? `${file.split("/").at(-1)}:${at}` : `cell [${cell}], line ${at}`;
  }

  // Where a call waits; else the newest event.
  get present() {
    return this.paused ? this.data.head.at : this.last;
  }

  get last() {
    return Math.max(0, (this.data.head.events || 1) - 1);
  }

  on(type, action) {
    this.addEventListener(type, (event) => action(event.detail));
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // --- data
  receive(message) {
    if (message.type === "views") {
      this.load(message.views);
      requestAnimationFrame(() => this.send({ drawn: 1 }));
    }
    else if (message.type === "answer") {
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (waiting) (message.error ? waiting.reject(new Error(message.error)) : waiting.resolve(message.value));
    } else this.emit(message.type, message);
  }

  load(views) {
    Object.assign(this.data, views);
    if (this.following || this.now > this.last) this.now = this.present;
    this.emit("data", Object.keys(views));
    this.emit("time", { loaded: true }); // not because somebody went there
    const stopped = this.paused ? this.data.head.at : null;
    if (stopped === this.stopped) return;
    this.stopped = stopped;
    if (stopped !== null) this.emit("stopped", stopped);
  }

  get paused() {
    return this.data.head.state === "paused" && this.data.head.at !== undefined;
  }

  // --- time
  seek(seq) {
    const goal = Math.min(this.last, Math.max(0, Math.round(seq)));
    this.following = goal === this.present;
    if (goal === this.now) return;
    this.now = goal;
    this.emit("time");
  }

  // --- selection. type: event, node, line, guard, value, break, speculation, module, run. `id` names it within its type:
  //     a number for events and breaks, "graph_0:add" for nodes, "file:12" for lines.
  select(selection, { remember = true } = {}) {
    const same = this.selection && selection && this.selection.type === selection.type && this.selection.id === selection.id;
    if (same || (!selection && !this.selection)) return;
    if (remember && this.selection) this.history.push(this.selection);
    this.selection = selection;
    this.emit("select");
  }

  back() {
    const last = this.history.pop();
    if (last) this.select(last, { remember: false });
  }

  // Whether something with this node, line or event belongs to the selection: one line made it, or it is the same thing.
  related({ type, id, seq, line }) {
    const selection = this.selection;
    if (!selection) return false;
    if (selection.type === type && selection.id === id) return true;
    if (seq !== undefined && selection.seq !== undefined && selection.seq === seq) return true;
    return line !== undefined && selection.line !== undefined && selection.line === line;
  }

  // --- the kernel
  connected(alive) {
    this.channel.alive = alive;
    if (!alive) {
      for (const { reject } of this.waiting.values()) reject(new Error("the kernel is gone"));
      this.waiting.clear();
    }
    this.emit("kernel");
  }

  send(message) {
    if (this.kernel) this.channel.send(message);
  }

  ask(what, parameters = {}) {
    if (!this.kernel) return Promise.reject(new Error("needs a kernel"));
    const id = ++this.asked;
    this.channel.send({ ask: what, id, ...parameters });
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }
}
