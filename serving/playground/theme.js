// A classic script in the head: the chosen theme is set before anything is drawn.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("litho.theme");
  } catch {
    // Storage may be forbidden; then the system decides.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
