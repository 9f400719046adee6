// Groups of images that look nearly the same.
import { get, post } from "./api.js";
import { byId, el, emptyState, problemState } from "./dom.js";
import { gallery } from "./gallery.js";
import { paged } from "./pages.js";
import { count, many } from "./say.js";
import { begin, current, nothingYet } from "./shell.js";

const content = byId("content");
let release = 0;
let mayStart = false;

async function start() {
  const state = await begin();
  const nothing = nothingYet(state);
  if (nothing) return content.replaceChildren(nothing);
  release = current(state).version;
  mayStart = state.may_search;
  listen();
  return look(await get("duplicates", { release }));
}

async function look(state) {
  if (state.state === "ready") return groups();
  if (state.state === "running") {
    wait(state);
    await new Promise((resolve) => setTimeout(resolve, 700));
    return look(await get("duplicates", { release }));
  }
  const failed = state.state === "failed" ? `The last attempt failed: ${state.reason}. ` : "";
  const advice = mayStart
    ? `${failed}All images are compared once for each release; a hundred thousand take some minutes.`
    : `${failed}Nobody has compared the images of this release yet. That takes the right to trigger image_search.`;
  return content.replaceChildren(emptyState("Not compared yet", advice, mayStart ? el("button", { class: "primary", type: "button", onclick: compare }, "Compare all images") : null));
}

async function compare() {
  try {
    await look(await post("duplicates", { release }));
  } catch (problem) {
    content.replaceChildren(problemState(problem));
  }
}

function wait(state) {
  const bar = content.querySelector("progress");
  if (bar) {
    bar.value = state.done;
    return;
  }
  content.replaceChildren(el("div", { class: "empty" }, el("h2", {}, "Comparing all images …"), el("progress", { max: state.images, value: state.done, "aria-label": "Images compared" }), el("p", { class: "muted" }, `${count(state.images)} images of release ${release}`)));
}

function groups() {
  byId("threshold").hidden = false;
  const threshold = byId("least").value;
  content.replaceChildren(
    paged(
      async (offset) => {
        const page = await get("duplicates/groups", { release, threshold, offset, limit: 20 });
        byId("count").textContent = `${many(page.total, "group")}, ${many(page.images, "image")} · release ${release}`;
        return page;
      },
      (page) => ({ elements: page.groups.map(section), length: page.groups.length }),
      emptyState("No near-duplicates", "No two images are that similar. Lower the threshold to see more."),
    ),
  );
}

function section(group) {
  const items = group.names.map((name) => ({ name, release }));
  const rest = group.size - group.names.length;
  return el(
    "section",
    { class: "group" },
    el("h2", {}, many(group.size, "image")),
    gallery(items, `Group of ${group.size} images`),
    rest > 0 ? el("p", { class: "muted" }, `and ${count(rest)} more`) : null,
  );
}

function listen() {
  const least = byId("least");
  least.addEventListener("input", () => (byId("least-shown").textContent = Number(least.value).toFixed(3)));
  least.addEventListener("change", groups);
  byId("threshold").addEventListener("submit", (event) => event.preventDefault());
}

start().catch((problem) => content.replaceChildren(problemState(problem)));
