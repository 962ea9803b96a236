// What is known of each run: a window for a row, and the difference between two runs.

function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make("dl", { class: "facts" }, known.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, shown(value)))));
}

function lineOf(values) {
  return make("tr", {}, values.map((value) => make("td", { class: typeof value === "number" ? "figure" : null }, value === null ? "" : shown(value))));
}

function tableOf(heads, lines) {
  return make(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": heads.join(", ") },
    make(
      "table",
      {},
      make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, lines),
    ),
  );
}

function pairs(object) {
  return Object.entries(object).map(([key, value]) => `${key}=${Array.isArray(value) ? value.join(", ") : value}`).join(", ");
}

function mebibytes(bytes) {
  return bytes ? `${shown(Math.round(bytes / 2 ** 20))} MiB` : null;
}

function costs(run) {
  const { cost } = run;
  return facts([
    ["training", cost.seconds === undefined ? null : `${shown(cost.seconds)} s`],
    ["parameters", cost.params],
    ["steps", cost.steps],
    ["images or points", cost.images],
    ["a second", cost.images_per_second],
    ["FLOPs", cost.flops === undefined ? null : cost.flops.toPrecision(3)],
    ["peak memory", mebibytes(cost.peak_memory_bytes)],
    ["last loss", cost.final_loss],
    ["devices", cost.devices > 1 ? cost.devices : null],
  ]);
}

/** A run's numbers, those of one protocol under its words. */
function numbers(view, run) {
  const heads = ["number", "value", "± error", "unit", "kind", "n", "took (s)", "remark"];
  const groups = new Map();
  for (const one of run.numbers) {
    const protocol = pairs({ ...view.data.protocols[one.protocol], ...one.evaluation });
    groups.set(protocol, [...(groups.get(protocol) ?? []), one]);
  }
  const lines = [...groups].flatMap(([protocol, measured]) => [
    make("tr", {}, make("th", { colspan: heads.length, scope: "rowgroup", class: "protocol" }, make("span", {}, protocol || "no protocol"))),
    ...measured.map((one) => lineOf([one.name, one.value, one.error, one.unit, one.family, one.n || null, one.seconds, [one.reason, one.warning].filter(Boolean).join("; ")])),
  ]);
  const table = tableOf(heads, lines);
  table.classList.add("measured");
  return table;
}

const HALVES = { train: "trained", evaluate: "measured" };

function answered(view, run) {
  return Object.entries(run.halves).map(([half, of]) => {
    const environment = view.data.environments[of.environment];
    const own = { seconds: of.own.seconds, "peak memory": mebibytes(of.own.peak_memory_bytes) };
    return make(
      "details",
      {},
      make("summary", {}, `Who ${HALVES[half] ?? half} it: fmbench ${environment.fmbench ?? "?"}, torch ${environment["packages.torch"] ?? "?"}, ${environment.gpu ?? environment.device ?? "?"}`),
      of.own.command ? make("pre", { tabindex: "0" }, of.own.command.join(" ")) : null,
      facts([...Object.entries(own), ...Object.entries(environment)]),
    );
  });
}

function asked(view, run) {
  const overrides = pairs(run.overrides);
  return [
    make("p", {}, overrides ? `Differs from the defaults: ${overrides}` : "All as by default."),
    make("details", {}, make("summary", {}, "All that was asked"), facts(Object.entries({ ...view.data.configs[run.config], seed: run.seed }))),
  ];
}

function runPanel(view, run) {
  const compare = make("button", { type: "button" }, "Compare with another run");
  compare.addEventListener("click", () => {
    $("#window").close();
    chooseRuns(view, view.data.runs.indexOf(run), null);
    $(".compare", view.section).scrollIntoView();
    $("[data-run=b]", view.section).focus();
  });
  return [
    make("p", { class: "where" }, make("code", {}, run.folder), ` · run ${run.id} · `, make("b", { class: `state ${run.state}` }, run.state)),
    run.reason ? make("p", { class: "reason" }, run.reason) : null,
    costs(run),
    make("h3", {}, "Asked"),
    asked(view, run),
    make("h3", {}, "Numbers"),
    run.numbers.length ? numbers(view, run) : make("p", {}, "None yet."),
    make("h3", {}, "Answered"),
    answered(view, run),
    compare,
  ];
}

function openWindow(view, place) {
  const row = view.data.rows[place];
  const dialog = $("#window");
  const panel = make("div", {});
  const seeds = row.runs.map((run) => {
    const button = make("button", { type: "button", "aria-pressed": "false" }, `seed ${view.data.runs[run].seed}`);
    button.addEventListener("click", () => choose(run));
    return button;
  });
  function choose(run) {
    seeds.forEach((button, index) => button.setAttribute("aria-pressed", String(row.runs[index] === run)));
    panel.replaceChildren(...runPanel(view, view.data.runs[run]).flat().filter((part) => part !== null));
  }
  const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => dialog.close());
  const family = view.data.families[row.family];
  dialog.replaceChildren(
    make("div", { class: "bar" }, make("h2", { id: "window-title" }, row.label), make("span", { class: "quiet" }, family.name), close),
    make("div", { class: "chips" }, seeds.length > 1 ? seeds : []),
    ...row.reasons.map((reason) => make("p", { class: "reason" }, reason)),
    panel,
  );
  if (row.runs.length) choose(row.runs[0]);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  remember({ d: view.name, row: row.anchor });
}

function setUpWindow() {
  const dialog = $("#window");
  dialog.addEventListener("close", () => remember({ row: null }));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // the backdrop
  });
}

/** All that is known of a run, flat, by what it is about. */
function flat(view, run) {
  const named = (prefix, object) => Object.fromEntries(Object.entries(object).map(([key, value]) => [`${prefix}${key}`, value]));
  const values = run.numbers.map((one) => [[one.name, pairs(one.evaluation)].filter(Boolean).join(", "), one.value]);
  const environments = Object.entries(run.halves).map(([half, of]) => named(`${half}.`, view.data.environments[of.environment]));
  return {
    asked: { ...view.data.configs[run.config], seed: run.seed },
    answered: Object.assign({}, ...environments),
    cost: run.cost,
    numbers: Object.fromEntries(values),
  };
}

function differing(a, b) {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const word = (value) => JSON.stringify(value ?? null);
  return { all: keys.length, apart: keys.filter((key) => word(a[key]) !== word(b[key])) };
}

function difference(view, first, second) {
  const [a, b] = [flat(view, first), flat(view, second)];
  return Object.keys(a).map((part) => {
    const { all, apart } = differing(a[part], b[part]);
    const same = all - apart.length;
    const value = (values, key) => (key in values ? shown(Array.isArray(values[key]) ? values[key].join(", ") : values[key]) : "–");
    return make(
      "details",
      { open: part === "asked" || part === "numbers" },
      make("summary", {}, `${part[0].toUpperCase()}${part.slice(1)}: ${apart.length} differ, ${same} the same`),
      apart.length ? tableOf(["", first.name, second.name], apart.map((key) => lineOf([key, value(a[part], key), value(b[part], key)]))) : null,
    );
  });
}

function chooseRuns(view, a, b) {
  const [first, second] = [$("[data-run=a]", view.section), $("[data-run=b]", view.section)];
  if (!first.options.length) {
    for (const select of [first, second]) {
      select.append(...view.data.runs.map((run, place) => make("option", { value: place }, `${run.name}${pairs(run.overrides) && ` (${pairs(run.overrides)})`}`)));
    }
    second.value = String(Math.min(1, view.data.runs.length - 1));
  }
  if (a !== null) first.value = String(a);
  if (b !== null) second.value = String(b);
  const [one, other] = [view.data.runs[Number(first.value)], view.data.runs[Number(second.value)]];
  $(".difference", view.section).replaceChildren(...difference(view, one, other));
}

function setUpCompare(view) {
  const part = $(".compare", view.section);
  for (const select of $$("select", part)) {
    select.addEventListener("change", () => {
      chooseRuns(view, null, null);
      const ids = ["a", "b"].map((which) => view.data.runs[Number($(`[data-run=${which}]`, part).value)].id);
      remember({ d: view.name, a: ids[0], b: ids[1] });
    });
  }
  whenSeen(part, () => {
    const place = (id) => view.data.runs.findIndex((run) => run.id === id);
    const asked = ["a", "b"].map((which) => place(state.get(which))).map((found) => (found < 0 ? null : found));
    chooseRuns(view, ...asked);
  });
}
