// Elements from data. Text is only ever set as text, so nothing in a name can become markup.

/** Returns an element with properties, attributes, listeners (onclick: …) and children. */
export function el(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Returns the element of an id. */
export const byId = (id) => document.getElementById(id);

/** Returns a name as it can be shown: control characters and direction overrides are made visible. */
export function shown(name) {
  // eslint-disable-next-line no-control-regex
  return String(name).replace(/[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, "\ufffd");
}

/** Returns a name as an element that does not mix its direction with what stands around it. */
export const nameOf = (name) => el("bdi", { title: shown(name) }, shown(name));

/** Returns a name or URI with its last part first: of a long one that tells most. */
export function placed(name) {
  const cut = name.lastIndexOf("/") + 1;
  const folder = cut ? el("span", { class: "folder" }, el("bdi", {}, shown(name.slice(0, cut)))) : null;
  return el("span", {}, el("bdi", {}, shown(name.slice(cut) || name)), folder);
}

/** Returns a small drawing from a path of 24 by 24. */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}

/** Returns what stands where there is nothing to show: what is the matter, and what to do. */
export function emptyState(title, advice, ...more) {
  return el("div", { class: "empty" }, el("h2", {}, title), el("p", {}, advice), ...more);
}

/** Returns what says that something has gone wrong; `again` does it once more, if that may help. */
export function problemState(problem, again = () => location.reload()) {
  const button = el("button", { type: "button", onclick: again }, "Try again");
  return el("div", { class: "empty bad", role: "alert" }, el("h2", {}, "That did not work"), el("p", {}, problem.message), problem.passes ? button : null);
}
