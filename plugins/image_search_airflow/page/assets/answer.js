// An answer: the query on one side, what is most like it on the other. Also a run that is under way.
import { airflow, get, queryThumbnail, thumbnail } from "./api.js";
import { addressToShare, openInAirflow } from "./airflow.js";
import { el, emptyState, placed, problemState, shown } from "./dom.js";
import { gallery, picture } from "./gallery.js";
import { duration } from "./say.js";

const steps = ["Sent", "Waiting for a worker", "Searching", "Answer"];
const waiting = ["queued", "scheduled", "none", "up_for_retry", "up_for_reschedule", "deferred"];

/** Waits. */
export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Tells whether a query is a picture that was uploaded with its run. */
export const isUploaded = (query) => /\/runs\/[^/]+\/query\/[^/]+$/.test(query);

/** Returns what was asked: the picture, what it is, and what can be done with the answer. */
export function askedCard(asked) {
  const source = asked.runId ? queryThumbnail(asked.runId, 1280) : thumbnail(asked.release, asked.query, 1280);
  return el(
    "div",
    { class: "panel asked" },
    el("h2", {}, "Query"),
    picture(source, asked.query, false),
    el("p", { class: "name" }, asked.uploaded ? "An uploaded picture" : placed(asked.query)),
    el("p", { class: "muted" }, asked.runId ? "A run of Airflow" : `Asked of release ${asked.release}, without a run`),
    el(
      "div",
      { class: "row" },
      asked.embedded ? null : shareButton(),
      asked.runId && !asked.embedded ? runButton("image_search", asked.runId, "Open the run") : null,
    ),
    asked.form ?? null,
  );
}

/** Returns the results of an answer. */
export function results(answer) {
  const items = answer.results.map((hit) => ({ ...hit, release: answer.release }));
  if (!items.length) return [emptyState("Nothing else is there", "The release holds no other image. Add images and trigger image_reindex.")];
  const heading = `${items.length === 1 ? "The most similar image" : `The ${items.length} most similar images`}`;
  return [
    el("div", { class: "tools" }, el("h2", {}, heading), el("p", { class: "muted" }, `Release ${answer.release}`)),
    ...(answer.warning ? [el("p", { class: "notice", role: "note" }, answer.warning)] : []),
    gallery(items, "Results, best first"),
  ];
}

/** Shows a run until it has ended, then its answer; returns it, or null if there is none. */
export async function follow(runId, place, onState) {
  place.setAttribute("aria-busy", "true");
  try {
    const state = await end(runId, place, onState);
    if (state === "success") return await get("answer", { run_id: runId });
    place.replaceChildren(state === "gone" ? gone("This run is gone", "It was deleted in Airflow.") : await failure(runId));
  } catch (problem) {
    const pruned = "Answers are kept for a while, and this one has been pruned.";
    place.replaceChildren(problem.status === 404 ? gone("This answer is gone", pruned) : problemState(problem));
  } finally {
    place.setAttribute("aria-busy", "false");
  }
  return null;
}

// The run goes on whatever becomes of the connection, or of Airflow's web server: so does this.
async function end(runId, place, onState) {
  const path = `dags/image_search/dagRuns/${encodeURIComponent(runId)}`;
  const started = Date.now();
  for (let failed = 0; ; ) {
    try {
      const run = await airflow(path);
      if (run.state === "success" || run.state === "failed") return run.state;
      const task = await airflow(`${path}/taskInstances/search`).catch(() => ({}));
      onState?.(run);
      show(place, progress(run, task, (Date.now() - started) / 1000));
      failed = 0;
    } catch (problem) {
      if (problem.status === 404) return "gone";
      if (!problem.passes) throw problem;
      failed += 1;
      if (failed === 1) place.replaceChildren(interrupted(problem));
    }
    await pause(Math.min(700 * 2 ** failed, 5000));
  }
}

const gone = (title, advice) => emptyState(title, `${advice} Search again.`, el("a", { class: "button primary", href: "./" }, "New search"));

function interrupted(problem) {
  const reason = problem.status ? problem.message : "Airflow does not answer.";
  return emptyState("Trying again …", `${reason} The search goes on meanwhile; this page keeps asking for it.`);
}

// Replaced only where it differs, or a screen reader would read it out again and again.
function show(place, element) {
  const before = place.querySelector(".steps")?.dataset.at;
  if (before !== element.querySelector(".steps").dataset.at) place.replaceChildren(element);
  else place.querySelector(".seconds").textContent = element.querySelector(".seconds").textContent;
}

function progress(run, task, seconds) {
  const at = run.state === "queued" || waiting.includes(task.state ?? "none") ? 1 : 2;
  const state = { "-1": "done", 0: "now", 1: "next" };
  return el(
    "div",
    { class: "empty" },
    el("h2", {}, `${steps[at]} …`),
    el("ol", { class: "steps", "data-at": `${at}${task.state}` }, steps.map((step, number) => el("li", { class: state[Math.sign(number - at)], "aria-current": number === at ? "step" : null }, step))),
    el("p", { class: "muted seconds", "aria-live": "off" }, duration(seconds)),
    task.state === "up_for_retry" ? el("p", {}, "The first attempt failed; Airflow tries again in a moment.") : null,
  );
}

async function failure(runId) {
  const reason = await lastWords(runId).catch(() => "");
  return el(
    "div",
    { class: "empty bad", role: "alert" },
    el("h2", {}, "This search has failed"),
    el("p", {}, reason ? shown(reason) : "The log of the run says why."),
    el("div", { class: "row" }, el("a", { class: "button primary", href: "./" }, "Search again"), runButton("image_search", runId, "Open the run")),
  );
}

// By the contract of the tasks their last words are the reason.
async function lastWords(runId) {
  const run = `dags/image_search/dagRuns/${encodeURIComponent(runId)}/taskInstances/search`;
  const task = await airflow(run);
  const log = await airflow(`${run}/logs/${task.try_number}`, { full_content: "true" });
  const lines = log.content.map((line) => (typeof line === "string" ? line : line.event ?? ""));
  const last = lines.filter((line) => line.startsWith("error: ")).at(-1);
  return last?.slice("error: ".length) ?? "";
}

/** Returns a button that leads to a run in Airflow. */
export const runButton = (dag, runId, label) =>
  el("button", { class: "quiet", type: "button", onclick: () => openInAirflow(`dags/${dag}/runs/${encodeURIComponent(runId)}`) }, label);

function shareButton() {
  const button = el("button", { class: "quiet", type: "button" }, "Copy link");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(addressToShare());
      button.textContent = "Link copied";
    } catch {
      // Without TLS, browsers keep the clipboard to themselves.
      button.replaceWith(el("input", { type: "text", readonly: true, "aria-label": "Link to this answer", value: addressToShare() }));
    }
  });
  return button;
}
