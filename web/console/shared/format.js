// Numbers and times as the browser's language writes them.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const withYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const stamp = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const numbers = new Intl.NumberFormat();

const DAY = 86_400_000;

const dayOf = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
const sameYear = (date) => date.getFullYear() === new Date().getFullYear();

/** 14:03 */
export const time = (text) => clock.format(new Date(text));
/** Everything: for a tooltip. */
export const moment = (text) => full.format(new Date(text));
/** Date and time, short: for tables. */
export const timestamp = (text) => stamp.format(new Date(text));
/** 1,234 */
export const number = (value) => numbers.format(value);
/** `1 message`, `1,234 messages`. */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** Today, Yesterday, Monday 3 March, 3 March 2025. */
export function day(text) {
  const date = new Date(text);
  const ago = Math.round((dayOf(new Date()) - dayOf(date)) / DAY);
  if (ago === 0 || ago === 1) {
    const word = relative.format(-ago, "day");
    return word.charAt(0).toLocaleUpperCase() + word.slice(1);
  }
  return sameYear(date) ? longDay.format(date) : withYear.format(date);
}

/** 14:03 today, else 3 Mar, else 3 March 2025: for lists. */
export function recent(text) {
  const date = new Date(text);
  if (dayOf(date) === dayOf(new Date())) return clock.format(date);
  return sameYear(date) ? shortDay.format(date) : withYear.format(date);
}

/** `3 minutes ago`. */
export function ago(text, now = Date.now()) {
  const seconds = Math.min(0, Math.round((new Date(text).getTime() - now) / 1000));
  for (const [unit, length] of [["day", 86_400], ["hour", 3_600], ["minute", 60]]) {
    if (-seconds >= length) return relative.format(Math.ceil(seconds / length), unit);
  }
  return -seconds < 5 ? "just now" : relative.format(seconds, "second");
}

/** 1.2 MB */
export function bytes(value) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(value, 1)) / 3));
  return new Intl.NumberFormat(undefined, {
    style: "unit", unit: units[step], unitDisplay: step === 0 ? "long" : "short", maximumFractionDigits: 1,
  }).format(value / 1000 ** step);
}

/** 850 ms, 1.4 s */
export function span(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return `${numbers.format(Math.round(milliseconds / 100) / 10)} s`;
}

/** 1:05 */
export function duration(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
