// Under `fmbench serve`: how the runs stand, and a new page when the store has news.

const EVERY = 2000; // milliseconds

function duration(seconds) {
  if (seconds === null) return "";
  const [minutes, rest] = [Math.floor(seconds / 60), Math.round(seconds % 60)];
  return minutes >= 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min left` : minutes ? `${minutes} min ${rest} s left` : `${rest} s left`;
}

function showProgress(news, waiting) {
  const { counts, running } = news;
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const words = Object.entries(counts).filter(([name]) => name !== "done").map(([name, count]) => `${count} ${name}`);
  const lines = running.map((run) =>
    make(
      "li",
      {},
      make("b", {}, run.name),
      ` ${run.doing} `,
      run.total ? make("progress", { max: run.total, value: run.done, "aria-label": `${run.name}: ${run.doing}` }) : null,
      run.total ? ` ${shown(run.done)} of ${shown(run.total)} ` : "",
      make("span", { class: "quiet" }, [run.note, duration(run.left), run.slot && `slot ${run.slot}`].filter(Boolean).join(" · ")),
    ),
  );
  const bar = $("#progress");
  bar.hidden = !total;
  bar.replaceChildren(
    make("p", { role: "status" }, make("progress", { max: total || 1, value: counts.done ?? 0, "aria-label": "Runs done" }), ` ${counts.done ?? 0} of ${total} runs done${words.map((word) => `, ${word}`).join("")}${waiting ? "; new results wait until you are done here" : ""}`),
    make("ul", {}, lines),
    ...(news.error ? [make("p", { class: "reason" }, news.error)] : []),
  );
}

/** Whether a new page would take something from under the reader's hands. */
function busy() {
  return $("#window").open || document.activeElement?.matches("input[type=search], select") || getSelection().toString() !== "" || $(".motion [aria-pressed=true]") !== null;
}

async function look() {
  try {
    const news = await (await fetch("progress.json", { cache: "no-store" })).json();
    const fresh = news.version !== document.body.dataset.version;
    showProgress(news, fresh && busy());
    if (fresh && !busy()) location.reload();
  } catch {
    $("#progress").hidden = false;
    $("#progress").replaceChildren(make("p", { role: "status" }, "The server is gone: this is what it showed last."));
  }
  setTimeout(look, EVERY);
}

look();
