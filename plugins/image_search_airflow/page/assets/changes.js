// What a release has changed, as tabs: added, changed, renamed, removed, rejected.
import { get } from "./api.js";
import { el, nameOf } from "./dom.js";
import { gallery, picture } from "./gallery.js";
import { paged } from "./pages.js";
import { bytes, count } from "./say.js";
import { thumbnail } from "./api.js";

const kinds = ["added", "changed", "renamed", "removed", "rejected"];
const none = {
  added: "No image was added.",
  changed: "No image was changed.",
  renamed: "No image was renamed.",
  removed: "No image was removed.",
  rejected: "Every image could be used.",
};

/** Returns the changes of a release: {version, previous, added, …}. */
export function changes(release) {
  const panel = el("div", { id: "changes-panel", role: "tabpanel", tabindex: "0" });
  const tabs = kinds.map((kind) =>
    el("button", { type: "button", role: "tab", id: `tab-${kind}`, "aria-controls": "changes-panel", onclick: () => choose(kind) }, `${kind.charAt(0).toUpperCase()}${kind.slice(1)} `, el("span", { class: "figure" }, count(release[kind]))),
  );
  const list = el("div", { role: "tablist", class: "tabs", "aria-label": "What changed" }, tabs);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
  function choose(kind) {
    for (const tab of tabs) {
      const is = tab.id === `tab-${kind}`;
      tab.setAttribute("aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", `tab-${kind}`);
    panel.replaceChildren(paged((offset) => get(`changes/${kind}`, { release: release.version, offset, limit: 48 }), (page) => entries(kind, page), el("p", { class: "muted" }, none[kind])));
  }
  choose(kinds.find((kind) => release[kind]) ?? "added");
  return el("div", {}, list, panel);
}

function entries(kind, page) {
  // What is gone, is in the release before.
  const release = kind === "removed" ? page.previous : page.release;
  const items = page.images.map((image) => ({
    ...image,
    release,
    note: image.reason ?? (image.was ? "was " + image.was : undefined),
    unusable: kind === "rejected" || kind === "removed",
  }));
  if (!items.length) return { elements: [], length: 0 };
  if (kind === "rejected") return { elements: [rejectedList(items)], length: items.length };
  return { elements: [gallery(items, `Images ${kind}`)], length: items.length };
}

/** Returns images that were rejected, with the reason and a thumbnail where there is one. */
function rejectedList(items) {
  return el(
    "ul",
    { class: "rejected" },
    items.map((item) =>
      el("li", {}, picture(thumbnail(item.release, item.name), item.name), el("div", {}, el("p", { class: "name" }, nameOf(item.name)), el("p", { class: "reason" }, nameOf(item.reason)), item.bytes === undefined ? null : el("p", { class: "muted" }, bytes(item.bytes)))),
    ),
  );
}
