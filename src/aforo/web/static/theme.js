// Before anything is drawn: the chosen theme, else the system's. Without storage, localStorage throws.
const chosen = (() => { try { return localStorage.getItem("aforo-theme"); } catch { return null; } })();
document.documentElement.dataset.theme =
  chosen || (window.matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
