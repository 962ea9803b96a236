// Points of the plane on canvases: samples, and flows from noise to data.

const TOP = 65535; // the greatest quantised coordinate

/** Coordinates such that 0 and 1 are the edges of the picture; points may be as far outside as it is wide. */
function coordinates(points) {
  const bytes = bytesOf(points.coordinates);
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 2 }, (_, index) => (3 * view.getUint16(2 * index, true)) / TOP - 1);
}

/** A canvas's context in pixels of the page, empty, at the resolution of the screen. */
function fresh(canvas) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return { context, width, height };
}

function dots(context, values, width, height, size) {
  for (let at = 0; at + 1 < values.length; at += 2) {
    context.beginPath();
    context.arc(values[at] * width, (1 - values[at + 1]) * height, size, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Points, given as x, y, x, y, ... from 0 to 1, y upwards. */
function drawPoints(canvas, values, colour, size) {
  const { context, width, height } = fresh(canvas);
  context.fillStyle = colour;
  context.globalAlpha = 0.7;
  dots(context, values, width, height, size);
  canvas.dataset.points = values.length / 2;
}

function setUpScatters(view) {
  for (const canvas of $$("canvas[data-scatter]", view.section)) {
    const place = Number(canvas.dataset.scatter);
    let values = null;
    const again = () => {
      if (values && !canvas.closest("[hidden]")) drawPoints(canvas, values, colourOf(view, view.data.rows[place]), 1.1);
    };
    whenSeen(canvas, () => {
      values = coordinates(view.data.scatters[place]);
      again();
    });
    view.listeners.push(again);
    themeListeners.push(again);
  }
}
