// Tiles: a picture, its name, its score; a click enlarges it, and it leads to more like it.
import { moreLike, thumbnail } from "./api.js";
import { el, icon, nameOf, shown } from "./dom.js";
import { enlarge } from "./lightbox.js";

const similar = "M15.5 15.5 20 20M17 10.500a6.500 6.500 0 1 1-13 0 6.500 6.500 0 0 1 13 0";

/** Returns a picture in a square; where it cannot be shown, words stand in for it. */
export function picture(source, name, lazy = true) {
  const image = el("img", { src: source, alt: "", loading: lazy ? "lazy" : "eager", decoding: "async", draggable: "false" });
  image.addEventListener("error", () => image.replaceWith(el("span", { class: "no-picture" }, "No preview")));
  return el("span", { class: "mat" }, image);
}

/** Returns a tile of an image: {release, name, score, rank, note}. */
export function tile(item, items, index) {
  const score = item.score === undefined ? null : item.score.toFixed(4);
  const label = `${item.rank ? `${item.rank}. ` : ""}${shown(item.name)}${score ? `, similarity ${score}` : ""}. Enlarge`;
  const bar = score ? el("meter", { class: "score", min: 0, max: 1, value: Math.max(0, item.score), "aria-label": `Similarity ${score}` }) : null;
  return el(
    "li",
    { class: "tile" },
    el("button", { class: "open", type: "button", "aria-label": label, onclick: () => enlarge(items, index) }, picture(thumbnail(item.release, item.name), item.name)),
    item.unusable ? null : el("a", { class: "more", href: moreLike(item.release, item.name), "aria-label": `More like ${shown(item.name)}`, title: "More like this" }, icon(similar)),
    bar,
    el(
      "div",
      { class: "caption" },
      item.rank ? el("span", { class: "rank" }, String(item.rank)) : null,
      el("span", { class: "name" }, nameOf(item.name)),
      score ? el("span", { class: "figure" }, score) : null,
    ),
    item.note ? el("p", { class: "note" }, item.note) : null,
  );
}

/** Returns a list of tiles; the arrow keys move in it. */
export function gallery(items, label) {
  const list = el("ul", { class: "gallery", "aria-label": label }, items.map((item, index) => tile(item, items, index)));
  list.addEventListener("keydown", (event) => moveFocus(event, list));
  return list;
}

/** Moves the focus from tile to tile with the arrow keys. */
export function moveFocus(event, list) {
  const tiles = [...list.querySelectorAll(".open")];
  const at = tiles.indexOf(document.activeElement);
  if (at < 0) return;
  const top = tiles[0].getBoundingClientRect().top;
  const columns = Math.max(1, tiles.filter((one) => Math.abs(one.getBoundingClientRect().top - top) < 2).length);
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  const next = step && tiles[at + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
