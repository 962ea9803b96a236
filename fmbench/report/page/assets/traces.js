// What the plots draw: plotly's traces of rows, runs and curves.

/** Plotly reads tags in its texts: names are made text first. */
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function colourOf(view, row) {
  return view.data.families[row.family].colour[dark() ? 1 : 0];
}

function visibleRows(view) {
  return view.data.rows.map((row, place) => ({ row, place })).filter(({ place }) => view.rows.has(place));
}

function ink() {
  return dark()
    ? { text: "#c9ccd1", line: "#2b2f36", strong: "#8d939d", paper: "#14161a" }
    : { text: "#3d434c", line: "#e4e5e8", strong: "#6b717b", paper: "#ffffff" };
}

/** Where zero stands on a logarithmic axis: a step left of the least positive value. */
function besideZero(values) {
  const positive = values.filter((value) => value > 0);
  return positive.length && positive.length < values.length ? Math.min(...positive) / 3 : null;
}

/** The points that no other beats in both; controls do not compete. */
function front(points, better) {
  const sign = better === "higher" ? -1 : 1;
  const competing = points.filter((point) => !point.control).sort((a, b) => a.x - b.x || sign * (a.y - b.y));
  let best = Infinity;
  return competing.filter((point) => {
    if (sign * point.y >= best) return false;
    best = sign * point.y;
    return true;
  });
}

function pointsOf(view, x, y) {
  return visibleRows(view)
    .filter(({ row }) => (row.values[x.key]?.mean ?? null) !== null && (row.values[y.key]?.mean ?? null) !== null)
    .map(({ row, place }) => ({
      row,
      place,
      x: row.values[x.key].mean,
      y: row.values[y.key].mean,
      dx: row.values[x.key].interval,
      dy: row.values[y.key].interval,
      control: !view.data.families[row.family].competes,
    }));
}

function said(point, x, y) {
  const pair = (mean, interval) => shown(mean) + (interval === null ? "" : ` ± ${shown(interval)}`);
  return plain(`${point.row.label}\n${y.label}: ${pair(point.y, point.dy)}\n${x.label}: ${pair(point.x, point.dx)}`).replaceAll("\n", "<br>");
}

function markers(view, points, x, y, zero, named) {
  const at = (point) => (zero !== null && point.x === 0 ? zero : point.x);
  const bars = (values) => ({ array: values.map((value) => value ?? 0), visible: values.some((value) => value), thickness: 1, width: 0 });
  return {
    type: "scatter",
    mode: "markers+text",
    x: points.map(at),
    y: points.map((point) => point.y),
    error_x: { ...bars(points.map((point) => point.dx)), color: `${ink().strong}80` },
    error_y: { ...bars(points.map((point) => point.dy)), color: `${ink().strong}80` },
    text: points.map((point) => (named.has(point.place) ? plain(point.row.label) : "")),
    textposition: points.map((point) => named.get(point.place) ?? "top center"),
    textfont: { size: 11, color: ink().text },
    hovertext: points.map((point) => said(point, x, y)),
    hoverinfo: "text",
    customdata: points.map((point) => point.place),
    marker: {
      size: 10,
      symbol: points.map((point) => point.row.symbol),
      color: points.map((point) => colourOf(view, point.row)),
      line: { width: 1, color: ink().paper },
    },
    cliponaxis: false,
  };
}

function path(x, y, colour, width, name, place = null) {
  const hover = name === null ? { hoverinfo: "skip" } : { hovertext: plain(name), hoverinfo: "text+x+y" };
  return { type: "scatter", mode: "lines", x, y, line: { color: colour, width }, customdata: x.map(() => place), ...hover };
}

/** The curves that a metric measured of the rows that are shown, those of the first seed. */
function curvesOf(view, metric, measure) {
  return visibleRows(view).flatMap(({ row, place }) =>
    row.runs.slice(0, 1).flatMap((run) =>
      view.data.runs[run].curves
        .filter((curve) => curve.metric === metric && (measure === null || curve.measure === measure))
        .map((curve) => ({ row, place, curve })),
    ),
  );
}

/** What the plot of cost shows: the points, the curves, and where zero stands. */
function costPoints(view, x, y) {
  const points = pointsOf(view, x, y);
  return {
    points,
    curves: x.name === "nfe" ? curvesOf(view, "curve", y.name) : [],
    zero: besideZero(points.map((point) => point.x)),
  };
}

function costTraces(view, x, y, points, curves, screen) {
  const zero = besideZero(points.map((point) => point.x));
  const best = y.better ? front(points, y.better) : [];
  return [
    ...curves.map(({ row, place, curve }) => ({
      ...path(curve.cost, curve.value, colourOf(view, row), 1.2, `${row.label}, ${curve.of}`, place),
      mode: "lines+markers",
      marker: { size: 4 },
    })),
    path(best.map((point) => (zero !== null && point.x === 0 ? zero : point.x)), best.map((point) => point.y), ink().strong, 1, null),
    markers(view, points, x, y, zero, labelPlaces([...new Set([...best, ...points])], screen)),
  ];
}

const SIDES = { "top center": [-0.5, 1], "bottom center": [-0.5, -1], "middle right": [0, 0], "middle left": [-1, 0] };
const [LETTER, HEIGHT, MARK] = [6.3, 13, 10]; // pixels

/** On which side of its point each label fits without covering another or a point: those that come first choose first. */
function labelPlaces(points, screen) {
  const box = (left, middle, width, height) => ({ left, right: left + width, low: middle - height / 2, high: middle + height / 2 });
  const apart = (a, b) => a.right < b.left || b.right < a.left || a.high < b.low || b.high < a.low;
  const taken = new Map(points.map((point) => [point, [box(screen.x(point.x) - MARK / 2, screen.y(point.y), MARK, MARK)]]));
  const places = new Map();
  for (const point of points) {
    const width = LETTER * point.row.label.length;
    for (const [side, [across, up]] of Object.entries(SIDES)) {
      const gap = up ? 0 : (across + 0.5) * (MARK + 4);
      const label = box(screen.x(point.x) + across * width + gap, screen.y(point.y) + (up * (HEIGHT + MARK)) / 2, width, HEIGHT);
      const others = [...taken].flatMap(([other, boxes]) => (other === point ? boxes.slice(1) : boxes));
      if (label.left < 0 || label.right > screen.width || !others.every((other) => apart(label, other))) continue;
      taken.get(point).push(label);
      places.set(point.place, side);
      break;
    }
  }
  return places;
}

const MANY = 80; // runs whose losses are drawn; of more the first seed of each row

function lossTraces(view, x) {
  const rows = visibleRows(view).map(({ row, place }) => ({ row, place, runs: row.runs.filter((run) => view.data.runs[run].loss) }));
  const total = rows.reduce((sum, { runs }) => sum + runs.length, 0);
  return rows.flatMap(({ row, place, runs }) =>
    (total > MANY ? runs.slice(0, 1) : runs).map((run) => {
      const { loss, seed } = view.data.runs[run];
      return path(loss[x], loss.loss, colourOf(view, row), 1.2, row.runs.length > 1 ? `${row.label}, seed ${seed}` : row.label, place);
    }),
  );
}

function learningTraces(view) {
  return curvesOf(view, "learning-curve", null).map(({ row, place, curve }) => ({
    ...path(curve.cost, curve.value, colourOf(view, row), 1.4, row.label, place),
    mode: "lines+markers",
    marker: { size: 5, symbol: row.symbol },
  }));
}
