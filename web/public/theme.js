// Before the first paint: the theme the reader chose, so that the page does not flash in the other one.
try {
  const theme = JSON.parse(localStorage.getItem('atom.theme'));
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Without storage, or with something else in it, the system's theme stands.
}
