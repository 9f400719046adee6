// The view on a run in Airflow's UI: what a reindex did, or what a search has found.
import { airflow, get } from "./api.js";
import { askedCard, follow, pause, results } from "./answer.js";
import { changes } from "./changes.js";
import { byId, el, emptyState, nameOf, problemState } from "./dom.js";
import { figure } from "./release.js";
import { count, duration } from "./say.js";

const params = new URLSearchParams(location.search);
const dag = params.get("dag_id");
const runId = params.get("run_id");
const place = byId("content");

async function start() {
  if (dag === "image_search") return search();
  if (dag === "image_reindex") return reindex();
  const advice = "Runs of image_search show their answer here, runs of image_reindex what they changed.";
  return place.replaceChildren(emptyState("No images in this run", advice));
}

async function search() {
  const answer = await follow(runId, place);
  if (!answer) return;
  const asked = askedCard({ ...answer, runId, embedded: true });
  place.replaceChildren(el("div", { class: "columns" }, el("section", { class: "side", "aria-label": "Query" }, asked), el("section", { class: "wide", "aria-label": "Results" }, results(answer))));
}

// Shows what the run has done so far, until it has ended.
async function reindex() {
  for (let told = ""; ; ) {
    const run = await airflow(`dags/image_reindex/dagRuns/${encodeURIComponent(runId)}`).catch((problem) => ({ state: problem.passes ? "running" : "" }));
    const going = ["queued", "running"].includes(run.state);
    try {
      const report = await reportOf();
      const now = JSON.stringify([report, going]);
      if (now !== told) place.replaceChildren(...(await described(report, going)));
      told = now;
    } catch (problem) {
      if (!told || !problem.passes) throw problem;
    }
    if (!going) return;
    await pause(3000);
  }
}

// Nothing is known of a run that has not planned yet, or whose papers have been pruned.
const reportOf = () =>
  get("reindex", { run_id: runId }).catch((problem) => {
    if (problem.status !== 404) throw problem;
    return null;
  });

async function described(report, going) {
  if (report) return [el("h1", {}, heading(report, going)), cards(report), stages(report), ...(await changed(report))];
  if (going) return [emptyState("This run has just begun", "It is still looking at what changed. What it does is shown here.")];
  return [emptyState("Nothing is known of this run", "It left nothing in the lake: it failed early, or its papers have been pruned.")];
}

function heading(report, going) {
  if (!report.anything_to_do) return "Nothing changed: the latest release stands";
  if (report.release) return `Published release ${report.release}`;
  return going ? "At work: no release published yet" : "No release published";
}

function cards(report) {
  const found = report.found;
  return el(
    "dl",
    { class: "cards" },
    figure("In the catalogue", count(found.catalogue), "files"),
    ...["added", "changed", "renamed", "removed"].map((kind) => figure(kind.charAt(0).toUpperCase() + kind.slice(1), count(found[kind]))),
    report.rejected === null ? null : figure("Rejected", count(report.rejected)),
    report.images === null ? null : figure("Can be searched", count(report.images), "images"),
  );
}

function stages(report) {
  const head = ["Stage", "Tasks", "Images", "Time", "Images per second"];
  const longest = Math.max(...report.stages.map((stage) => stage.seconds), 0.001);
  const row = (stage) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, stage.stage),
      el("td", { class: "number" }, count(stage.tasks)),
      el("td", { class: "number" }, stage.images ? count(stage.images) : "–"),
      el("td", { class: "number" }, duration(stage.seconds), el("meter", { class: "share", min: 0, max: longest, value: stage.seconds, "aria-label": "Share of the longest stage" })),
      el("td", { class: "number" }, stage.images_per_second ? stage.images_per_second.toFixed(1) : "–"),
    );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Stages" },
    el("table", {}, el("caption", { class: "unseen" }, "Stages of the run"), el("thead", {}, el("tr", {}, head.map((title, index) => el("th", { scope: "col", class: index ? "number" : null }, title)))), el("tbody", {}, report.stages.map(row))),
  );
}

async function changed(report) {
  if (!report.release) return report.rejections.map((one) => el("p", {}, nameOf(one.name), ": ", nameOf(one.reason)));
  try {
    const release = await get("release", { release: report.release });
    return [el("h2", {}, release.previous ? `Changed since release ${release.previous}` : "Changes: this is the first release"), changes(release)];
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    return [el("p", { class: "notice" }, `Release ${report.release} has been pruned, so single images cannot be shown any longer.`)];
  }
}

start().catch((problem) => place.replaceChildren(problemState(problem)));
