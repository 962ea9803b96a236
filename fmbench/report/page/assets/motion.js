// Points on their way from noise to data: one time for all methods of a dataset, chosen or played.

const TRACED = 60; // points with a trace of where they came from
const SECONDS = 4; // from noise to data

/** Where the points are at a time, between two frames of equal distance in time. */
function between(frames, time) {
  const at = Math.min(time, 1) * (frames.length - 1);
  const [before, after] = [frames[Math.floor(at)], frames[Math.ceil(at)]];
  const share = at - Math.floor(at);
  return before.map((value, index) => value + share * (after[index] - value));
}

function framesOf(points) {
  const values = coordinates(points);
  return Array.from({ length: points.frames }, (_, frame) => values.subarray(2 * points.count * frame, 2 * points.count * (frame + 1)));
}

function drawMotion(canvas, frames, target, time, colour) {
  const { context, width, height } = fresh(canvas);
  const [x, y] = [(value) => value * width, (value) => (1 - value) * height];
  context.fillStyle = ink().strong;
  context.globalAlpha = 0.35;
  dots(context, target, width, height, 0.8);
  const now = between(frames, time);
  const past = frames.filter((_, frame) => frame <= time * (frames.length - 1));
  context.strokeStyle = colour;
  context.globalAlpha = 0.35;
  context.lineWidth = 0.7;
  context.beginPath();
  for (let at = 0; at < Math.min(2 * TRACED, now.length); at += 2) {
    past.forEach((frame, index) => (index ? context.lineTo(x(frame[at]), y(frame[at + 1])) : context.moveTo(x(frame[at]), y(frame[at + 1]))));
    context.lineTo(x(now[at]), y(now[at + 1]));
  }
  context.stroke();
  context.fillStyle = colour;
  context.globalAlpha = 0.9;
  dots(context, now, width, height, 1.4);
  canvas.dataset.time = time;
}

function setUpMotion(view) {
  const part = $(".motion", view.section);
  if (!part) return;
  const control = (which) => $(`[data-motion=${which}]`, part);
  const [play, slider, said] = ["play", "time", "said"].map(control);
  const unpacked = new Map();
  let target = null;

  function all() {
    said.textContent = `t = ${Number(slider.value).toFixed(2)}`;
    target ??= coordinates(view.data.target);
    for (const canvas of $$("canvas", part)) {
      if (canvas.closest("[hidden]")) continue;
      const place = Number(canvas.dataset.path);
      if (!unpacked.has(place)) unpacked.set(place, framesOf(view.data.motions[place]));
      drawMotion(canvas, unpacked.get(place), target, Number(slider.value), colourOf(view, view.data.rows[place]));
    }
  }

  const playing = () => play.getAttribute("aria-pressed") === "true";

  /** Whoever wants less motion sees four times, one after the other. */
  function step(begun, now) {
    if (!playing() || view.section.hidden) return stop();
    const past = (now - begun) / 1000 / SECONDS;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    slider.value = still ? Math.min(Math.floor(4 * past), 3) / 3 : Math.min(past, 1);
    all();
    if (past >= 1) return stop();
    return requestAnimationFrame((next) => step(begun, next));
  }

  function stop() {
    play.setAttribute("aria-pressed", "false");
    play.textContent = "Play";
  }

  play.addEventListener("click", () => {
    if (playing()) return stop();
    play.setAttribute("aria-pressed", "true");
    play.textContent = "Stop";
    return requestAnimationFrame((now) => step(now, now));
  });
  slider.addEventListener("input", () => {
    stop();
    all();
  });
  let seen = false;
  const again = () => seen && all();
  view.listeners.push(again);
  themeListeners.push(again);
  whenSeen(part, () => {
    seen = true;
    all();
  });
}
