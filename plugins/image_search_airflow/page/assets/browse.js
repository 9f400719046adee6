// The catalogue as a grid that has only those tiles which are in sight, however many there are.
import { get } from "./api.js";
import { byId, el, emptyState, problemState } from "./dom.js";
import { tile } from "./gallery.js";
import { count, many } from "./say.js";
import { begin, current, nothingYet } from "./shell.js";

const PAGE = 120;
// A browser lets nothing grow higher than some 33 million pixels.
const HIGHEST = 30_000_000;
const params = new URLSearchParams(location.search);
const grid = byId("grid");
const tiles = byId("tiles");

let release = 0;
let total = 0;
let pages = new Map();
let asked = new AbortController();
let drawn = "";
let focused = null;

async function start() {
  const state = await begin();
  const nothing = nothingYet(state);
  if (nothing) {
    byId("filter").hidden = true;
    byId("trouble").replaceChildren(nothing);
    return;
  }
  release = Number(params.get("release")) || current(state).version;
  byId("wanted").value = params.get("wanted") ?? "";
  byId("match").value = params.get("match") === "prefix" ? "prefix" : "contains";
  listen();
  await filter();
  const { folders } = await get("folders", { release });
  showFolders(folders);
}

function showFolders(folders) {
  const place = byId("folders");
  place.hidden = folders.length < 2;
  place.replaceChildren(
    ...folders.map(({ folder, images }) => {
      const choose = () => {
        const again = byId("match").value === "prefix" && byId("wanted").value === folder;
        byId("match").value = again ? "contains" : "prefix";
        byId("wanted").value = again ? "" : folder;
        filter();
      };
      return el("button", { type: "button", class: "chip", "data-folder": folder, "aria-pressed": "false", onclick: choose }, folder, el("span", { class: "muted" }, ` ${count(images)}`));
    }),
  );
  markFolder();
}

function markFolder() {
  const chosen = byId("match").value === "prefix" ? byId("wanted").value : null;
  for (const chip of byId("folders").children) chip.setAttribute("aria-pressed", String(chip.dataset.folder === chosen));
}

async function filter() {
  asked.abort();
  asked = new AbortController();
  pages = new Map();
  focused = null;
  scrollTo({ top: 0 });
  markFolder();
  try {
    const first = await page(0);
    total = first.total;
    byId("count").textContent = `${many(total, "image")} · release ${release}`;
    byId("trouble").replaceChildren(...(total ? [] : [emptyState("No image of that name", "Change the filter. Case counts outside A to Z.")]));
    drawn = "";
    draw();
  } catch (problem) {
    if (problem.name === "AbortError") return;
    total = 0;
    byId("count").textContent = "";
    tiles.replaceChildren();
    byId("trouble").replaceChildren(problemState(problem, filter));
  }
}

function page(number) {
  if (!pages.has(number)) {
    const given = { release, wanted: byId("wanted").value, match: byId("match").value, offset: number * PAGE, limit: PAGE };
    const coming = get("images", given, asked.signal);
    pages.set(number, coming);
    // What did not come is asked for again.
    coming.catch(() => pages.get(number) === coming && pages.delete(number));
    // Far pages are forgotten: memory does not grow with the way that somebody scrolls.
    if (pages.size > 30) pages.delete(pages.keys().next().value);
  }
  return pages.get(number);
}

function measure() {
  const style = getComputedStyle(grid);
  const gap = parseFloat(style.getPropertyValue("--gap"));
  const least = parseFloat(style.getPropertyValue("--tile"));
  const width = grid.clientWidth;
  const columns = Math.max(1, Math.floor((width + gap) / (least + gap)));
  const side = (width - gap * (columns - 1)) / columns;
  const row = side + parseFloat(style.getPropertyValue("--caption")) + gap;
  return { columns, row };
}

async function draw() {
  const { columns, row } = measure();
  const rows = Math.min(Math.ceil(total / columns), Math.floor(HIGHEST / row));
  grid.style.height = `${rows * row}px`;
  const top = -grid.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / row) - 2);
  const last = Math.min(rows, Math.ceil((top + innerHeight) / row) + 2);
  const wanted = `${first}-${last}-${columns}-${release}-${byId("wanted").value}-${byId("match").value}`;
  if (wanted === drawn) return;
  drawn = wanted;
  const start = first * columns;
  const end = Math.min(total, last * columns);
  let items;
  try {
    items = await range(start, end);
  } catch (problem) {
    drawn = "";
    if (problem.name !== "AbortError") interrupted(problem);
    return;
  }
  byId("interrupted").hidden = true;
  if (drawn !== wanted) return; // somebody has scrolled on meanwhile
  tiles.style.setProperty("--columns", columns);
  tiles.style.transform = `translateY(${first * row}px)`;
  place(items, start);
}

// Said where it can be seen, however far somebody has scrolled.
function interrupted(problem) {
  byId("interrupted").hidden = false;
  byId("interrupted").textContent = `${problem.message}${problem.passes ? " Trying again …" : ""}`;
  if (problem.passes) setTimeout(draw, 3000);
}

async function range(start, end) {
  const items = [];
  for (let number = Math.floor(start / PAGE); number * PAGE < end; number += 1) {
    const { images } = await page(number);
    const from = Math.max(0, start - number * PAGE);
    items.push(...images.slice(from, end - number * PAGE).map((image) => ({ ...image, release })));
  }
  return items;
}

// Tiles that stay in sight stay as they are, so that pictures do not flicker and focus is kept.
function place(items, start) {
  const there = new Map([...tiles.children].map((child) => [child.dataset.at, child]));
  const wanted = items.map((item, index) => {
    const at = String(start + index);
    const old = there.get(at);
    if (old && old.dataset.name === item.name) return old;
    const made = tile(item, items, index);
    made.dataset.at = at;
    made.dataset.name = item.name;
    made.setAttribute("aria-setsize", total);
    made.setAttribute("aria-posinset", start + index + 1);
    return made;
  });
  const had = document.activeElement?.closest(".tile")?.dataset.at;
  tiles.replaceChildren(...wanted);
  const back = focused ?? had;
  if (back !== undefined && back !== null) tiles.querySelector(`[data-at="${back}"] .open`)?.focus({ preventScroll: focused === null });
  focused = null;
}

function move(event) {
  const at = Number(document.activeElement?.closest(".tile")?.dataset.at ?? NaN);
  if (Number.isNaN(at) || !document.activeElement.matches(".open")) return;
  const { columns, row } = measure();
  const screen = columns * Math.max(1, Math.floor(innerHeight / row));
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: screen, PageUp: -screen, Home: -at, End: total - 1 - at }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const next = Math.min(total - 1, Math.max(0, at + step));
  const there = tiles.querySelector(`[data-at="${next}"] .open`);
  if (there) {
    there.focus();
    return;
  }
  focused = String(next);
  scrollTo({ top: scrollY + grid.getBoundingClientRect().top + Math.floor(next / columns) * row - innerHeight / 2 });
}

function listen() {
  let timer;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(filter, 200);
  };
  byId("wanted").addEventListener("input", later);
  byId("match").addEventListener("change", filter);
  byId("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    filter();
  });
  tiles.addEventListener("keydown", move);
  addEventListener("scroll", draw, { passive: true });
  addEventListener("resize", draw);
}

start().catch((problem) => byId("trouble").replaceChildren(problemState(problem)));
