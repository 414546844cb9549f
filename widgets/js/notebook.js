// The page around the widget: JupyterLab or Notebook, or none.

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// A new code cell below the widget's, holding `text`. Where there is no notebook, or it can't be told to, the text goes to the
// clipboard; the button says which.
export async function copyToCell(button, text) {
  const said = button.lastChild.textContent;
  const tell = async (words) => {
    button.lastChild.textContent = words;
    await pause(1600);
    button.lastChild.textContent = said;
  };
  if (await insertCell(button, text)) return tell("Copied to a new cell");
  try {
    await navigator.clipboard.writeText(text);
    return tell("Copied");
  } catch {
    return tell("Can't copy here");
  }
}

async function insertCell(element, text) {
  const host = element.getRootNode().host;
  const cell = host?.closest(".jp-Cell"), panel = host?.closest(".jp-NotebookPanel");
  const insert = panel?.querySelector('[data-command="notebook:insert-cell-below"], jp-button[title^="Insert a cell below"], button[title^="Insert a cell below"]');
  if (!cell || !insert) return false;
  const prompt = cell.querySelector(".jp-InputPrompt, .jp-InputArea-prompt");
  for (const type of ["mousedown", "mouseup", "click"]) prompt?.dispatchEvent(new MouseEvent(type, { bubbles: true, button: 0 }));
  await pause(50);
  const before = new Set(panel.querySelectorAll(".jp-Notebook .jp-Cell"));
  // Lab's toolbar acts on mousedown, so that it doesn't take the focus.
  for (const type of ["mousedown", "mouseup"]) insert.dispatchEvent(new MouseEvent(type, { bubbles: true, composed: true, button: 0 }));
  await pause(50);
  if (panel.querySelectorAll(".jp-Notebook .jp-Cell").length === before.size) insert.click();
  for (let tries = 0; tries < 40; tries++) {
    await pause(50);
    const made = [...panel.querySelectorAll(".jp-Notebook .jp-Cell")].find((one) => !before.has(one));
    const editor = made?.querySelector(".cm-content");
    if (!editor) continue;
    editor.focus();
    await pause(30);
    return document.execCommand("insertText", false, text);
  }
  return false;
}
