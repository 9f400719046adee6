// The way from this page, which lives in a frame, to Airflow's other pages, and links to share.

/** Opens one of Airflow's pages, by its path below Airflow's own address. */
export function openInAirflow(path) {
  const target = new URL(`../${path}`, location.href).href;
  // A frame may not lead the window around it elsewhere; a link in that window may.
  const above = window.parent === window ? document : window.parent.document;
  const link = above.createElement("a");
  link.href = target;
  above.body.append(link);
  link.click();
  link.remove();
}

/** Returns the address of this page as it stands in Airflow's UI. */
export function addressToShare() {
  const base = new URL("../", location.href);
  return new URL(`plugin/image-search${location.pathname}${location.search}`, base).href;
}
