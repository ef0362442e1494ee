// What every page can do: light and dark, and copying.
const root = document.documentElement;
const byId = id => document.getElementById(id);

const themeListeners = [];
function setUpTheme() {
  const button = byId("theme");
  const preference = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : preference.matches;
  const changed = () => {
    if (button) button.textContent = dark() ? "Light" : "Dark";
    for (const listener of themeListeners) listener();
  };
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; changed(); });
  }
  preference.addEventListener("change", changed);
  // Paper is light, and a canvas goes to it as it was drawn last.
  let before;
  addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; changed(); });
  addEventListener("afterprint", () => {
    if (before) root.dataset.theme = before; else delete root.dataset.theme;
    changed();
  });
  changed();
}

// A page opened from a file may have no clipboard; the older way still works there.
async function copyText(text) {
  try {
    if (navigator.clipboard) { await navigator.clipboard.writeText(text); return true; }
  } catch { /* refused: the other way */ }
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.style.cssText = "position:fixed;left:-99em";
  const focused = document.activeElement;
  document.body.appendChild(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused) focused.focus();
  return copied;
}

function setUpCopying() {
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    const name = button.textContent;
    button.addEventListener("click", async () => {
      const copied = await copyText(button.previousElementSibling.textContent);
      button.textContent = copied ? "Copied" : "Not copied";
      setTimeout(() => { button.textContent = name; }, 1200);
    });
  }
}

function setUpPage() {
  setUpTheme();
  setUpCopying();
  // What broke is at the end of what was said before.
  for (const box of document.querySelectorAll(".tall")) box.scrollTop = box.scrollHeight;
}
