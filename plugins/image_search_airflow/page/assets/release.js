// The release that search uses, what it changed, and those before it.
import { byId, el, emptyState, problemState } from "./dom.js";
import { changes } from "./changes.js";
import { age, bytes, count, moment } from "./say.js";
import { begin, current, dagButton, nothingYet } from "./shell.js";

/** Returns a figure with what it is. */
export const figure = (term, value, note) => el("div", { class: "card" }, el("dt", {}, term), el("dd", {}, el("strong", {}, value), note ? el("span", { class: "muted" }, note) : null));

async function start() {
  const state = await begin();
  const nothing = nothingYet(state);
  if (nothing) return byId("content").replaceChildren(nothing);
  const wanted = Number(new URLSearchParams(location.search).get("release"));
  const used = current(state);
  const release = wanted ? state.releases.find((one) => one.version === wanted) : used;
  if (!release) return byId("content").replaceChildren(emptyState(`Release ${wanted} is gone`, "Old releases are pruned.", el("a", { class: "button primary", href: "release" }, `Look at release ${used.version}`)));
  return byId("content").replaceChildren(
    el(
      "div",
      { class: "tools" },
      el("h1", {}, `Release ${release.version}`),
      el("p", { class: "muted" }, release === used ? `the one that search uses${state.pinned ? ", pinned" : ""}` : `search uses release ${used.version}`),
      state.may_reindex ? dagButton("image_reindex") : null,
    ),
    el(
      "dl",
      { class: "cards" },
      figure("Made", age(release.created), moment(release.created)),
      figure("Images", count(release.images)),
      figure("Rejected", count(release.rejected)),
      figure("Size", bytes(release.bytes)),
      figure("Model", release.model),
    ),
    el("h2", {}, release.previous ? `Changed since release ${release.previous}` : "Changes: this is the first release"),
    changes(release),
    el("h2", {}, "All releases"),
    table(state, release),
  );
}

function table(state, chosen) {
  const kinds = ["images", "added", "changed", "renamed", "removed", "rejected"];
  const head = ["Release", "Made", ...kinds.map((kind) => kind.charAt(0).toUpperCase() + kind.slice(1))];
  const row = (release) =>
    el(
      "tr",
      { "aria-current": release === chosen ? "true" : null },
      el("th", { scope: "row" }, el("a", { href: `release?release=${release.version}` }, String(release.version))),
      el("td", {}, moment(release.created)),
      kinds.map((kind) => el("td", { class: "number" }, count(release[kind]))),
    );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "All releases" },
    el("table", {}, el("thead", {}, el("tr", {}, head.map((title, index) => el("th", { scope: "col", class: index > 1 ? "number" : null }, title)))), el("tbody", {}, state.releases.map(row))),
  );
}

if (document.body.classList.contains("release")) start().catch((problem) => byId("content").replaceChildren(problemState(problem)));
