// The searches that were runs, the newest first.
import { airflow, queryThumbnail } from "./api.js";
import { isUploaded } from "./answer.js";
import { byId, el, emptyState, nameOf, problemState } from "./dom.js";
import { picture } from "./gallery.js";
import { paged } from "./pages.js";
import { age, duration, moment } from "./say.js";
import { begin } from "./shell.js";

const PAGE = 25;

function entry(run) {
  const query = run.conf?.query_image ?? "";
  const seconds = run.end_date && run.start_date ? (new Date(run.end_date) - new Date(run.start_date)) / 1000 : null;
  const cut = query.lastIndexOf("/") + 1;
  const said = isUploaded(query) ? "An uploaded picture" : nameOf(query.slice(cut) || query);
  const done = run.state === "success";
  return el(
    "li",
    {},
    done ? picture(queryThumbnail(run.dag_run_id), query) : el("span", { class: "mat" }, el("span", { class: "no-picture" }, run.state === "failed" ? "Failed" : "…")),
    el(
      "div",
      {},
      el("p", { class: "name" }, el("a", { href: `./?${new URLSearchParams({ run_id: run.dag_run_id })}` }, said)),
      isUploaded(query) || !cut ? null : el("p", { class: "folder" }, nameOf(query.slice(0, cut))),
      el("p", { class: "muted" }, `${run.conf?.top_n ?? 5} results · ${run.triggering_user_name ?? run.run_type} · `, el("time", { datetime: run.run_after, title: moment(run.run_after) }, age(run.run_after)), seconds === null ? "" : ` · ${duration(seconds)}`),
    ),
    el("span", { class: `badge ${run.state}` }, run.state),
  );
}

async function start() {
  await begin();
  const fetchPage = async (offset) => {
    const found = await airflow("dags/image_search/dagRuns", { order_by: "-run_after", limit: PAGE, offset });
    return { runs: found.dag_runs, total: found.total_entries };
  };
  const show = (page) => ({ elements: page.runs.length ? [el("ul", { class: "runs" }, page.runs.map(entry))] : [], length: page.runs.length });
  byId("content").replaceChildren(paged(fetchPage, show, emptyState("No search yet", "Search with a picture, and it will be here.", el("a", { class: "button primary", href: "./" }, "Search"))));
}

start().catch((problem) => byId("content").replaceChildren(problemState(problem)));
