// Before anything is drawn: the theme that was chosen, else the machine's.
document.documentElement.dataset.theme =
  localStorage.getItem("aforo-theme") ||
  (window.matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
