// Where everything begins: the page is readable without this, and comes alive with it.

readState();
applyTheme();
const tables = sections.map((view) => setUpTable(view));
for (const view of sections) {
  setUpPlots(view);
  setUpScatters(view);
  setUpMotion(view);
  setUpCompare(view);
}
setUpWindow();

/** Show what the address says. */
function restore() {
  if (!sections.length) return;
  const anchored = state.get("row") ? document.getElementById(state.get("row")) : null;
  const home = sections.find((view) => anchored && view.section.contains(anchored));
  const view = show(home ? home.name : state.get("d"));
  tables.forEach((table) => table.restore());
  if (home) {
    anchored.scrollIntoView({ block: "center" });
    openWindow(view, Number(anchored.dataset.row));
  } else if ($("#window").open) $("#window").close();
}
if (matchMedia("(max-width: 40rem)").matches) $$(".notes details").forEach((notes) => (notes.open = false));
restore();
document.documentElement.classList.add("ready");
addEventListener("hashchange", () => {
  readState();
  applyTheme();
  restore();
});
$("#theme").addEventListener("click", nextTheme);
systemDark.addEventListener("change", applyTheme);
let resized = 0;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => current()?.listeners.forEach((listener) => listener()), 150);
});
$(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address keeps the state
  $("#main").focus();
});
for (const link of $$(".tabs a")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const view = sections[Number(link.dataset.dataset)];
    remember({ d: view.name, sort: null, row: null, a: null, b: null });
    restore();
  });
}
