// What is fetched from this plugin, and from Airflow's own API.

/** What came back instead of an answer. */
export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Tells whether the same request may well have an answer the next time. */
  get passes() {
    return this.status === 0 || this.status >= 500;
  }
}

const plain = {
  401: "Your session has ended. Sign in to Airflow again.",
  403: "You may look, but not do this. It takes the right to trigger image_search; ask whoever runs Airflow.",
};

async function answerOf(request) {
  let response;
  try {
    response = await request;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "Airflow does not answer. Check the connection and try again.");
  }
  const said = await response.json().catch(() => ({}));
  if (response.ok) return said;
  throw new Problem(response.status, plain[response.status] ?? sentence(reason(said.detail, response.status)));
}

// What FastAPI finds wrong with a request is a list: where, and what.
function reason(detail, status) {
  if (Array.isArray(detail) && detail.length) return detail.map((one) => `${one.loc?.at(-1)}: ${one.msg}`).join("; ");
  return typeof detail === "string" && detail ? detail : `Airflow answered with status ${status}`;
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
const query = (params) => (params ? `?${new URLSearchParams(params)}` : "");
const json = { Accept: "application/json" };
// What only this page sends; see access.py.
const own = { ...json, "X-Image-Search": "1" };

/** Fetches from this plugin. */
export const get = (path, params, signal) => answerOf(fetch(`api/${path}${query(params)}`, { headers: json, signal }));

/** Makes this plugin do something. */
export const post = (path, params, body) =>
  answerOf(fetch(`api/${path}${query(params)}`, { method: "POST", headers: own, body }));

/** Fetches from Airflow's own API. */
export const airflow = (path, params) => answerOf(fetch(`../api/v2/${path}${query(params)}`, { headers: json }));

/** Triggers a DAG through Airflow's own API; returns the run. */
export const trigger = (dag, conf, runId) =>
  answerOf(
    fetch(`../api/v2/dags/${dag}/dagRuns`, {
      method: "POST",
      headers: { ...json, "Content-Type": "application/json" },
      body: JSON.stringify({ dag_run_id: runId, logical_date: null, conf }),
    }),
  );

/** Returns where an image of a release can be had, small. */
export const thumbnail = (release, name, side = 256) => `api/thumbnail/${side}${query({ release, name })}`;

/** Returns where what a run has searched with can be had, small. */
export const queryThumbnail = (runId, side = 256) => `api/answer/thumbnail/${side}${query({ run_id: runId })}`;

/** Returns the page that searches for more like an image. */
export const moreLike = (release, name, n) => `./${query({ name, release, n: n ?? wantedResults() })}`;

/** Returns how many results the user wants: here, else the last time. */
export function wantedResults() {
  const here = new URLSearchParams(location.search).get("n");
  const wanted = Number(here ?? localStorage.getItem("image-search-n"));
  return wanted >= 1 && wanted <= 200 ? wanted : 12;
}
