// Figures and times as people say them.

const ages = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const steps = [["day", 86400], ["hour", 3600], ["minute", 60]];

/** Returns how long ago a time was. */
export function age(time) {
  const seconds = (Date.now() - new Date(time).getTime()) / 1000;
  for (const [unit, length] of steps) {
    if (seconds >= length) return ages.format(-Math.floor(seconds / length), unit);
  }
  return "just now";
}

/** Returns a time in the reader's own zone. */
export const moment = (time) => new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

/** Returns a number with its thousands apart. */
export const count = (number) => number.toLocaleString("en");

/** Returns a number of things: 1 image, 2 images. */
export const many = (number, thing) => `${count(number)} ${thing}${number === 1 ? "" : "s"}`;

/** Returns a size in bytes as people read it. */
export function bytes(size) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = size < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(size) / 3));
  return `${(size / 1000 ** power).toLocaleString("en", { maximumFractionDigits: power ? 1 : 0 })} ${units[power]}`;
}

/** Returns seconds as people read them. */
export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
