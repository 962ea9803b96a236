// The plots: plotly is unpacked when the first of them comes into sight.

let unpacked = null;

/** Plotly, from the compressed copy in the page. */
function plotly() {
  unpacked ??= (async () => {
    const stream = new Blob([bytesOf($("#plotly").textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    return window.Plotly;
  })();
  return unpacked;
}

const CONFIG = {
  responsive: true,
  displaylogo: false,
  scrollZoom: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

function ends(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

function axis(title, type) {
  const { text, line } = ink();
  return {
    title: { text: plain(title), standoff: 6, font: { size: 12 } },
    type,
    gridcolor: line,
    linecolor: line,
    zeroline: false,
    automargin: true,
    ticks: "outside",
    ticklen: 3,
    tickcolor: line,
    tickfont: { color: text, size: 11 },
  };
}

/** A logarithmic axis over positive values, with ticks at 1, 2 and 5; zero, if anything is, at its left end. */
function logAxis(title, values, zero = null) {
  if (!values.length) return axis(title, "linear");
  const [least, top] = ends(values);
  const low = zero ?? least;
  const tens = Array.from({ length: 24 }, (_, power) => 10 ** (power - 12)).filter((ten) => 10 * ten > low && ten <= 1.5 * top);
  const near = (tick) => tick > (zero === null ? low / 1.5 : low * 2) && tick < 1.5 * top;
  const every = (factors) => tens.flatMap((ten) => factors.map((factor) => Number((factor * ten).toPrecision(1)))).filter(near);
  const ticks = tens.length > 3 ? every([1]) : every([1, 2, 5]);
  const first = zero === null ? [] : [zero];
  return { ...axis(title, "log"), tickmode: "array", tickvals: [...first, ...ticks], ticktext: [...first.map(() => "0"), ...ticks.map(shown)] };
}

function layout(x, y, more = {}) {
  return {
    autosize: true,
    margin: { l: 8, r: 12, t: 12, b: 8 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, color: ink().text, size: 12 },
    showlegend: false,
    hovermode: "closest",
    hoverlabel: { align: "left" },
    xaxis: x,
    yaxis: y,
    ...more,
  };
}

/** An axis of costs: logarithmic where they differ much, or something costs nothing. */
function costAxis(title, points, zero) {
  const values = points.map((point) => point.x);
  const [least, most] = ends(values.filter((value) => value > 0));
  const wide = most > 10 * least;
  return wide || zero !== null ? logAxis(title, values, zero) : axis(title, "linear");
}

function positiveAxis(title, values) {
  return values.every((value) => value > 0) ? logAxis(title, values) : axis(title, "linear");
}

/** The axis with a range that holds values and the labels beside their points. */
function spanned(style, values) {
  const along = values.map((value) => position(style, value)).filter(Number.isFinite);
  if (!along.length) return style;
  const [low, high] = ends(along);
  const margin = 0.08 * (high - low) || 0.5;
  return { ...style, range: [low - margin, high + margin] };
}

/** Where a value stands on an axis; zero on a logarithmic one at its first tick. */
function position(style, value) {
  if (style.type !== "log") return value;
  return Math.log10(value > 0 ? value : style.tickvals[0]);
}

/** The values that are not much further out than those that are compared: a control must not press them flat. */
function notFar(style, values, compared) {
  const [low, high] = ends(compared.map((value) => position(style, value)));
  const room = high > low ? high - low : Infinity;
  return values.filter((value) => !(position(style, value) > high + room || position(style, value) < low - room));
}

/** From values to pixels along an axis of that many. */
function scale(style, pixels) {
  const [low, high] = style.range ?? [0, 1];
  return (value) => ((position(style, value) - low) / (high - low)) * pixels;
}

/** What real data reach, as a dashed line. */
function floorOf(y, log) {
  if (y.floor === null || (log && y.floor <= 0)) return {};
  const line = { color: ink().strong, width: 1, dash: "dot" };
  const said = { text: "real data", showarrow: false, xref: "paper", x: 1, xanchor: "right", yanchor: "bottom", font: { size: 11, color: ink().strong } };
  return {
    shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: y.floor, y1: y.floor, line, layer: "below" }],
    annotations: [{ ...said, y: log ? Math.log10(y.floor) : y.floor }],
  };
}

/** The ends of the points' intervals along an axis. */
function barEnds(points, along) {
  return points.flatMap((point) => {
    const half = point[`d${along}`] ?? 0;
    return half ? [point[along] - half, point[along] + half] : [];
  });
}

/** The two axes of a plot of cost, and the rows that are too far out to be on it. */
function costAxes(x, y, points, curves, zero, wantsLog) {
  const beside = [...curves.flatMap(({ curve }) => curve.value), ...(y.floor === null ? [] : [y.floor])];
  const up = [...points.map((point) => point.y), ...beside];
  const log = wantsLog && up.every((value) => value > 0);
  const upwards = log ? logAxis(y.label, [...up, ...barEnds(points, "y").filter((value) => value > 0)]) : axis(y.label, "linear");
  const competing = points.filter((point) => !point.control).map((point) => point.y);
  const near = notFar(upwards, up, [...competing, ...beside]);
  const inside = points.filter((point) => near.includes(point.y));
  const across = [...points.map((point) => point.x), ...barEnds(points, "x"), ...curves.flatMap(({ curve }) => curve.cost)];
  return {
    log,
    horizontal: spanned(costAxis(x.label, points, zero), across),
    vertical: spanned(upwards, [...near, ...barEnds(inside, "y")]),
    beyond: points.filter((point) => !near.includes(point.y)),
  };
}

const DRAWINGS = {
  cost(view, figure) {
    const chosen = (which) => view.data.axes.find((one) => one.key === $(`[data-axis=${which}]`, figure).value);
    const [x, y] = [chosen("x"), chosen("y")];
    const { points, curves, zero } = costPoints(view, x, y);
    const { log, horizontal, vertical, beyond } = costAxes(x, y, points, curves, zero, $("[data-axis=log]", figure).checked);
    const said = beyond.map((point) => `${point.row.label} (${shown(point.y)})`).join(", ");
    $("[data-beyond]", figure).textContent = said && `Beyond the edge: ${said}.`;
    const solvers = [...new Set(curves.map(({ curve }) => curve.of))].join(", ");
    $("[data-curves]", figure).textContent = solvers && `Curves: fixed steps (${solvers}) of the first seed.`;
    const canvas = $(".canvas", figure);
    const [width, height] = [canvas.clientWidth - 70, canvas.clientHeight - 60]; // without the ticks and titles
    const screen = { x: scale(horizontal, width), y: scale(vertical, height), width };
    return [costTraces(view, x, y, points, curves, screen), layout(horizontal, vertical, floorOf(y, log))];
  },
  loss(view, figure) {
    const x = $("[data-axis=x]", figure).value;
    const traces = lossTraces(view, x);
    const values = traces.flatMap((trace) => trace.y);
    return [traces, layout(axis(x === "step" ? "step" : "training (s)", "linear"), positiveAxis("loss", values))];
  },
  learning(view) {
    const traces = learningTraces(view);
    const values = traces.flatMap((trace) => trace.y);
    return [traces, layout(axis("step", "linear"), positiveAxis("distance to the data", values))];
  },
};

async function draw(view, figure) {
  const canvas = $(".canvas", figure);
  const library = await plotly();
  const [traces, style] = DRAWINGS[figure.dataset.plot](view, figure);
  await library.react(canvas, traces, style, CONFIG);
  if (!canvas.dataset.drawn) {
    canvas.on("plotly_click", ({ points }) => {
      if (points[0].customdata !== null && points[0].customdata !== undefined) openWindow(view, points[0].customdata);
    });
  }
  canvas.dataset.drawn = "yes";
}

/** Whether a number is best seen on a logarithmic axis. */
function prefersLog(view, key) {
  const competing = view.data.rows.filter((row) => view.data.families[row.family].competes);
  const values = competing.map((row) => row.values[key]?.mean ?? null).filter((value) => value !== null);
  return values.length > 0 && values.every((value) => value > 0) && Math.max(...values) > 4 * Math.min(...values);
}

function setUpPlots(view) {
  for (const figure of $$("figure.plot", view.section)) {
    let seen = false;
    const again = () => {
      if (seen && !view.section.hidden) draw(view, figure);
    };
    const log = $("[data-axis=log]", figure);
    for (const control of $$("[data-axis]", figure)) {
      control.addEventListener("change", () => {
        if (control.dataset.axis === "y") log.checked = prefersLog(view, control.value);
        again();
      });
    }
    if (log) log.checked = prefersLog(view, $("[data-axis=y]", figure).value);
    view.listeners.push(again);
    themeListeners.push(again);
    whenSeen(figure, () => {
      seen = true;
      draw(view, figure);
    });
  }
}
