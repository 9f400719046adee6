// One image, large, with what is known of it.
import { get, moreLike, thumbnail } from "./api.js";
import { el, icon, nameOf, shown } from "./dom.js";
import { bytes, moment } from "./say.js";

const arrows = { "-1": "m14 6-6 6 6 6", 1: "m10 6 6 6-6 6" };
let dialog;

/** Shows one of several images; the arrow keys go to the next. */
export function enlarge(items, index) {
  if (!dialog) {
    dialog = el("dialog", { class: "lightbox", "aria-labelledby": "enlarged" });
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) dialog.querySelector(`[data-step="${step}"]`)?.click();
    });
    document.body.append(dialog);
  }
  show(items, index);
  if (!dialog.open) dialog.showModal();
  dialog.querySelector(".close").focus();
}

function show(items, index) {
  const item = items[index];
  const image = el("img", { src: thumbnail(item.release, item.name, 1280), alt: shown(item.name) });
  image.addEventListener("error", () => image.replaceWith(el("p", { class: "no-picture" }, "No preview")));
  const facts = el("dl", { class: "facts" });
  dialog.replaceChildren(
    el("div", { class: "large" }, image, step(items, index, -1), step(items, index, 1)),
    el(
      "div",
      { class: "about" },
      el("button", { class: "close quiet", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("m6 6 12 12M18 6 6 18")),
      el("h2", { id: "enlarged" }, nameOf(item.name)),
      facts,
      item.unusable ? null : el("a", { class: "button primary", href: moreLike(item.release, item.name) }, "Search for more like it"),
    ),
  );
  fill(facts, item);
}

function step(items, index, by) {
  const there = items[index + by];
  if (!there) return null;
  const label = by < 0 ? "Previous image" : "Next image";
  const go = () => {
    show(items, index + by);
    (dialog.querySelector(`[data-step="${by}"]`) ?? dialog.querySelector(".close")).focus();
  };
  return el("button", { class: `step ${by < 0 ? "back" : "on"}`, type: "button", "data-step": by, "aria-label": label, onclick: go }, icon(arrows[by]));
}

async function fill(facts, item) {
  const add = (term, value) => value && facts.append(el("div", {}, el("dt", {}, term), el("dd", {}, value)));
  if (item.score !== undefined) add("Similarity", item.score.toFixed(4));
  if (item.reason) add("Rejected", item.reason);
  try {
    const about = await get("image", { release: item.release, name: item.name });
    add("Path", nameOf(about.uri));
    add("Picture", about.width && `${about.width} × ${about.height} pixels, ${about.format}`);
    add("File", bytes(about.bytes));
    add("Release", `${about.release}, made ${moment(about.created)}`);
    add("Now", about.gone && !item.reason && about.gone);
  } catch (problem) {
    add("Details", problem.message);
  }
}
