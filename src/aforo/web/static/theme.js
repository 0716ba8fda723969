// Before anything is drawn: the theme that was chosen, else the machine's.
// Where the browser keeps nothing, asking it throws.
const chosen = (() => { try { return localStorage.getItem("aforo-theme"); } catch { return null; } })();
document.documentElement.dataset.theme =
  chosen || (window.matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
