// The Export menu: files made by the kernel, downloaded by the page or written next to the notebook.
import { h, refill } from "../dom.js";
import { roving } from "../keys.js";

export function exporting(app) {
  const menu = h("div", { class: "mn", role: "menu", "aria-label": "Export", hidden: true });
  const status = h("div", { class: "mut", role: "status" });
  let opener = null;

  function open(button) {
    opener = button;
    menu.hidden = false;
    refill(menu, h("div", { class: "mut" }, "Loading…"));
    app.ask("formats").then((formats) => {
      refill(menu, formats.map(([suffix, label]) => h("div", { class: "ex-row" }, h("button", { role: "menuitem", "data-key": suffix, onclick: () => download(suffix) }, label, h("span", { class: "mono mut" }, `.${suffix}`)), h("button", { class: "b", title: `Write trace.${suffix} next to the notebook`, onclick: () => save(suffix) }, "Save"))), status);
      menu.querySelector("button")?.focus();
    }, (error) => refill(menu, h("div", { class: "mut" }, error.message)));
  }

  function download(suffix) {
    refill(status, "Making the file…");
    app.ask("export", { suffix }).then((files) => {
      for (const { name, mime, data } of files) {
        const url = URL.createObjectURL(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], { type: mime }));
        const link = h("a", { href: url, download: name });
        menu.append(link);
        link.click();
        link.remove();
        setTimeout(() => URL.revokeObjectURL(url), 10_000);
      }
      close();
    }, (error) => refill(status, error.message));
  }

  function save(suffix) {
    refill(status, "Writing…");
    app.ask("save", { suffix }).then((paths) => refill(status, `Written: ${paths.join(", ")}`), (error) => refill(status, error.message));
  }

  function close() {
    if (menu.hidden) return;
    menu.hidden = true;
    opener?.focus();
  }

  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  roving(menu, "[role=menuitem]", { vertical: true });
  menu.addEventListener("focusout", (event) => event.relatedTarget && !menu.contains(event.relatedTarget) && event.relatedTarget !== opener && (menu.hidden = true));
  app.on("exporting", ({ text }) => refill(status, `${text}…`));
  app.on("action", (name) => name === "export" && (menu.hidden ? open(app.acting) : close()));
  return { el: menu };
}
