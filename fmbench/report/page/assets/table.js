// The table: sorted by its heads, filtered by text, family and state.

function setUpTable(view) {
  const { section } = view;
  const table = $("table.results", section);
  const groups = $$("tbody", table);
  const rows = $$("tr[data-row]", table);
  const homes = new Map(rows.map((row) => [row, row.parentElement]));
  const heads = $$("thead th", table);
  const sorted = make("tbody", { class: "sorted" });
  const chips = (kind) => $$(`.chips [data-filter=${kind}]`, section);
  const text = $("[data-filter=text]", section);
  const all = $("[data-filter=all]", section);
  const words = new Map(rows.map((row) => [row, searched(row)]));

  function searched(row) {
    const of = view.data.rows[Number(row.dataset.row)];
    const run = view.data.runs[of.runs[0]];
    const settings = Object.entries(run ? run.overrides : {}).map(([key, value]) => `${key}=${value}`);
    return [of.label, view.data.families[of.family].name, of.status, ...settings].join(" ").toLowerCase();
  }

  function filter() {
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const off = (kind) => new Set(chips(kind).filter((chip) => chip.getAttribute("aria-pressed") === "false").map((chip) => chip.dataset.value));
    const families = off("family");
    const states = off("status");
    view.rows = new Set();
    for (const row of rows) {
      const hit = wanted.every((word) => words.get(row).includes(word));
      row.hidden = !hit || families.has(row.dataset.family) || states.has(row.dataset.status);
      if (!row.hidden) view.rows.add(Number(row.dataset.row));
    }
    for (const group of groups) {
      const head = $("tr.family", group);
      if (head) head.hidden = !$$("tr[data-row]", group).some((row) => !row.hidden);
    }
    for (const figure of $$(".gallery figure", section)) figure.hidden = !view.rows.has(Number(figure.dataset.row));
    $(".count", section).textContent = `${view.rows.size} of ${rows.length} rows`;
    table.classList.toggle("all", all.checked);
    view.listeners.forEach((listener) => listener());
  }

  function sort(column, direction) {
    heads.forEach((head, index) => {
      if (index === column && direction) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
    if (!direction) {
      rows.forEach((row) => homes.get(row).append(row));
      sorted.remove();
      groups.forEach((group) => (group.hidden = false));
      return;
    }
    const value = (row) => row.children[column].dataset.v;
    const sign = direction === "ascending" ? 1 : -1;
    const ordered = [...rows].sort((a, b) => {
      const [left, right] = [value(a), value(b)];
      if (left === "" || right === "") return (left === "") - (right === ""); // what is missing stands last, either way
      return sign * (column ? Number(left) - Number(right) : left.localeCompare(right, "en", { numeric: true }));
    });
    sorted.append(...ordered);
    groups.forEach((group) => (group.hidden = true));
    table.append(sorted);
  }

  function next(head) {
    const [first, second] = head.dataset.better === "higher" ? ["descending", "ascending"] : ["ascending", "descending"];
    const now = head.getAttribute("aria-sort");
    return now === null ? first : now === first ? second : null;
  }

  function restore() {
    const mine = state.get("d") === view.name || (!state.get("d") && view.index === 0);
    text.value = state.get("q") ?? "";
    all.checked = state.get("all") === "1";
    const off = new Set(state.getAll("off"));
    const names = { family: (value) => view.data.families[Number(value)].name, status: (value) => value };
    for (const chip of $$(".chips [data-filter]", section)) {
      chip.setAttribute("aria-pressed", String(!off.has(`${chip.dataset.filter}:${names[chip.dataset.filter](chip.dataset.value)}`)));
    }
    const [column, direction] = ((mine && state.get("sort")) || "").split(".");
    const order = { up: "ascending", down: "descending" }[direction];
    sort(Number(column), Number(column) < heads.length ? order : null);
    filter();
  }

  heads.forEach((head, column) =>
    $("button", head).addEventListener("click", () => {
      const direction = next(head);
      sort(column, direction);
      remember({ sort: direction ? `${column}.${direction === "ascending" ? "up" : "down"}` : null });
    }),
  );
  text.addEventListener("input", () => {
    remember({ q: text.value });
    filter();
  });
  all.addEventListener("change", () => {
    remember({ all: all.checked ? "1" : null });
    filter();
  });
  for (const chip of $$(".chips [data-filter]", section)) {
    chip.addEventListener("click", () => {
      const on = chip.getAttribute("aria-pressed") === "true";
      const name = chip.dataset.filter === "family" ? view.data.families[Number(chip.dataset.value)].name : chip.dataset.value;
      const key = `${chip.dataset.filter}:${name}`;
      chip.setAttribute("aria-pressed", String(!on));
      remember({ off: on ? [...state.getAll("off"), key] : state.getAll("off").filter((one) => one !== key) });
      filter();
    });
  }
  table.addEventListener("click", (event) => {
    const link = event.target.closest("tbody th[scope=row] a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openWindow(view, Number(link.closest("tr").dataset.row));
  });
  return { restore };
}
