// A list that comes in pages: the first at once, the next when somebody asks for it.
import { el, problemState } from "./dom.js";

/** Returns an element that holds a list; `fetchPage(offset)` gives {total, …}, `show` its elements. */
export function paged(fetchPage, show, empty) {
  const list = el("div", { class: "paged" });
  const more = el("button", { type: "button", class: "quiet" }, "Show more");
  const holder = el("div", { "aria-busy": "true" }, list);
  let shown = 0;
  let failed = null;
  const load = async () => {
    more.disabled = true;
    failed?.remove();
    try {
      const page = await fetchPage(shown);
      const { elements, length } = show(page);
      shown += length;
      list.append(...elements);
      if (!page.total) list.replaceChildren(empty);
      if (shown < page.total) holder.append(more);
      else more.remove();
    } catch (problem) {
      more.remove();
      failed = problemState(problem, load);
      holder.append(failed);
    }
    more.disabled = false;
    holder.setAttribute("aria-busy", "false");
  };
  more.addEventListener("click", load);
  load();
  return holder;
}
