// Ask with a picture, look at the answer.
import { airflow, get, post, trigger, wantedResults } from "./api.js";
import { askedCard, follow, isUploaded, results } from "./answer.js";
import { byId, el, emptyState, problemState } from "./dom.js";
import { gallery } from "./gallery.js";
import { bytes } from "./say.js";
import { begin, current, dagButton, nothingYet } from "./shell.js";

const params = new URLSearchParams(location.search);
const place = byId("answer");
const form = byId("ask");
let picture = null;
let state = {};

const isPlace = (text) => /^[a-z][a-z0-9+.-]*:\/\//i.test(text) || /^[/~.]/.test(text);

async function start() {
  state = await begin();
  const runId = params.get("run_id");
  const name = params.get("name");
  if (runId) return showRun(runId);
  const nothing = nothingYet(state);
  if (nothing) return place.replaceChildren(nothing);
  if (name) return showNamed(name, Number(params.get("release")) || current(state).version, Number(params.get("n")) || wantedResults());
  return showStart();
}

async function showStart() {
  form.hidden = false;
  byId("n").value = wantedResults();
  if (!state.may_search) refuse();
  // Chosen before this script was there, or kept by the browser from before.
  else take(byId("file").files[0]);
  const sample = await get("sample", { count: 24 });
  const items = sample.images.map((image) => ({ ...image, release: sample.release }));
  place.replaceChildren(
    el("div", { class: "tools" }, el("h2", {}, "Or start from an image of the catalogue"), el("a", { href: "browse" }, "Browse all")),
    gallery(items, "Some images of the catalogue"),
  );
}

function refuse() {
  for (const control of form.elements) control.disabled = true;
  document.querySelector('label[for="file"]').hidden = true;
  const notice = byId("rights");
  notice.hidden = false;
  notice.textContent = "You may look around. Searching takes the right to trigger image_search; ask whoever runs Airflow.";
}

async function showNamed(name, release, n) {
  const nForm = resultsForm(n, { name, release });
  byId("query").hidden = false;
  byId("query").replaceChildren(askedCard({ query: name, release, form: nForm }), newSearch());
  if (!state.may_search) {
    const advice = "A viewer may look at images and at answers. Searching takes the right to trigger image_search.";
    return place.replaceChildren(emptyState("Searching is not for you yet", advice, el("a", { class: "button", href: "browse" }, "Browse the catalogue")));
  }
  try {
    return place.replaceChildren(...results(await get("similar", { name, n, release })));
  } catch (problem) {
    return place.replaceChildren(problemState(problem), ...elsewhere(problem, name, release, n));
  }
}

// A shared link may outlive its release.
function elsewhere(problem, name, release, n) {
  if (problem.status !== 404 || release === state.current) return [];
  const href = `./?${new URLSearchParams({ name, release: state.current, n })}`;
  return [el("p", { class: "row after" }, el("a", { class: "button primary", href }, `Ask release ${state.current} instead`))];
}

async function showRun(runId) {
  byId("query").hidden = false;
  byId("query").replaceChildren(newSearch());
  const answer = await follow(runId, place, (run) => {
    showAsked(run);
    warnIfPaused(run);
  });
  if (!answer) return;
  byId("query").replaceChildren(askedCard({ ...answer, runId }), newSearch());
  place.replaceChildren(...results(answer));
}

// What a run that is under way searches with, as far as it is known.
let shownAsked = false;
function showAsked(run) {
  const query = run.conf?.query_image;
  if (query && !shownAsked) byId("query").replaceChildren(askedCard({ query, uploaded: isUploaded(query), runId: run.dag_run_id }), newSearch());
  shownAsked = true;
}

let warned = false;
async function warnIfPaused(run) {
  if (warned || run.state !== "queued") return;
  warned = true;
  const dag = await airflow("dags/image_search").catch(() => ({}));
  if (dag.is_paused) {
    byId("query").prepend(el("div", { class: "notice", role: "alert" }, "image_search is paused, so this search waits. Unpause it in Airflow.", dagButton("image_search")));
  }
}

const newSearch = () => el("a", { class: "button quiet", href: "./" }, "New search");

function resultsForm(n, hidden) {
  const inputs = Object.entries(hidden).map(([name, value]) => el("input", { type: "hidden", name, value }));
  const field = el("input", { id: "n-named", name: "n", type: "number", min: 1, max: 200, required: true, value: n });
  const changed = el("form", { class: "row", action: "./" }, inputs, el("label", { for: "n-named" }, "Results"), field, el("button", { type: "submit" }, "Update"));
  changed.addEventListener("submit", () => localStorage.setItem("image-search-n", field.value));
  return changed;
}

function take(file) {
  trouble("");
  if (!file) return;
  if (file.size > state.upload_max_bytes) {
    trouble(`This picture has ${bytes(file.size)}; at most ${bytes(state.upload_max_bytes)} are taken. Give a smaller one.`);
    return;
  }
  picture = file;
  byId("uri").value = "";
  const preview = byId("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.hidden = false;
  byId("invite").hidden = true;
  byId("go").focus();
}

function trouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

async function submit(event) {
  event.preventDefault();
  const asked = byId("uri").value.trim();
  const n = Number(byId("n").value);
  localStorage.setItem("image-search-n", n);
  if (!picture && !asked) return trouble("Drop, paste or choose a picture first, or name an image.");
  if (!picture && !isPlace(asked)) return location.assign(`./?${new URLSearchParams({ name: asked, release: state.current, n })}`);
  byId("go").disabled = true;
  byId("go").textContent = picture ? "Sending …" : "Searching …";
  try {
    const query = picture ? await post("uploads", null, picture) : { query_image: asked };
    const run = await trigger("image_search", { query_image: query.query_image, top_n: n }, query.run_id);
    location.assign(`./?${new URLSearchParams({ run_id: run.dag_run_id })}`);
  } catch (problem) {
    trouble(problem.message);
    byId("go").disabled = false;
    byId("go").textContent = "Search";
  }
}

function listen() {
  const drop = byId("drop");
  const over = (is) => (event) => {
    event.preventDefault();
    drop.classList.toggle("over", is && Boolean(state.may_search));
  };
  document.addEventListener("dragover", over(true));
  document.addEventListener("dragleave", over(false));
  document.addEventListener("drop", (event) => {
    over(false)(event);
    if (!state.may_search || form.hidden) return;
    const [file] = event.dataTransfer.files;
    if (file) take(file);
    else trouble("That is no picture file. Save the picture and drop its file, or copy the picture and paste it.");
  });
  document.addEventListener("paste", (event) => {
    if (state.may_search && !form.hidden && event.clipboardData.files.length) take(event.clipboardData.files[0]);
  });
  byId("file").addEventListener("change", (event) => take(event.target.files[0]));
  byId("preview").addEventListener("error", () => {
    // A TIFF, for example, which the browser cannot show but the search can read.
    byId("preview").hidden = true;
    byId("invite").hidden = false;
    byId("invite").querySelector("span").textContent = `${picture?.name ?? "Chosen"}: no preview`;
  });
  byId("uri").addEventListener("input", () => {
    picture = null;
    trouble("");
    byId("preview").hidden = true;
    byId("invite").hidden = false;
  });
  form.addEventListener("submit", submit);
}

listen();
start()
  .catch((problem) => place.replaceChildren(problemState(problem)))
  .finally(() => place.setAttribute("aria-busy", "false"));
