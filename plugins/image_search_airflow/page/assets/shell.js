// What all pages have: who is here, what she may do, and which release there is.
import { get } from "./api.js";
import { byId, el, emptyState } from "./dom.js";
import { openInAirflow } from "./airflow.js";
import { age, many } from "./say.js";

/** Fetches the state and shows it at the top; returns it. */
export async function begin() {
  const state = await get("state");
  const release = current(state);
  const chip = byId("chip");
  if (release && chip) {
    chip.hidden = false;
    chip.replaceChildren(
      el("b", {}, `Release ${release.version}`),
      ` · ${many(release.images, "image")} · ${age(release.created)}${state.pinned ? " · pinned" : ""}`,
    );
  }
  return state;
}

/** Returns the release that search uses, of what `begin` returned. */
export const current = (state) => state.releases?.find((release) => release.version === state.current);

/** Returns what to show where there is no release to look at, or null if there is one. */
export function nothingYet(state) {
  if (state.problem) return emptyState("The catalogue cannot be reached", sentence(state.problem));
  if (state.current) return null;
  const advice = "Trigger image_reindex: it looks through the bucket and makes the first release.";
  return emptyState("No release yet", advice, dagButton("image_reindex"));
}

/** Returns a button that leads to a DAG in Airflow. */
export const dagButton = (dag) =>
  el("button", { class: "primary", type: "button", onclick: () => openInAirflow(`dags/${dag}`) }, `Open ${dag}`);

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + ".";
