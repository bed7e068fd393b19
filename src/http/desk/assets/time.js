// Times as people say them, in the browser's language of dates.

const DAY = 86_400_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const longDate = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

const midnight = (at) => new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
const daysAgo = (at) => Math.round((midnight(new Date()) - midnight(at)) / DAY);

/** `14:05`, `Tue`, `3 Nov`, `3 Nov 2024`: as short as it is clear. */
export function brief(text) {
  if (!text) return '';
  const at = new Date(text);
  const ago = daysAgo(at);
  if (ago === 0) return clock.format(at);
  if (ago > 0 && ago < 7) return weekday.format(at);
  return at.getFullYear() === new Date().getFullYear() ? date.format(at) : `${date.format(at)} ${at.getFullYear()}`;
}

export const hour = (text) => (text ? clock.format(new Date(text)) : '');
export const exact = (text) => (text ? full.format(new Date(text)) : '');

/** `3 Nov, 14:05`; only the hour if it is today. */
export function moment(text) {
  if (!text) return '';
  const at = new Date(text);
  return daysAgo(at) === 0 ? clock.format(at) : `${brief(text)}, ${clock.format(at)}`;
}

export function dayName(text) {
  const at = new Date(text);
  const ago = daysAgo(at);
  if (ago === 0) return 'Today';
  if (ago === 1) return 'Yesterday';
  return at.getFullYear() === new Date().getFullYear() ? longDate.format(at) : full.format(at).split(',').slice(0, 2).join(',');
}

export const dayKey = (text) => midnight(new Date(text));

/** `1:40`, `0:08`, `2 h 05 m`, `3 d`. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')} m`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** `just now`, `4 m ago`, `2 h ago`, `3 d ago`. */
export function since(text) {
  const minutes = Math.floor((Date.now() - new Date(text)) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} m ago`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h ago` : `${Math.floor(minutes / 1440)} d ago`;
}

/** Reads `10 s`, `2 m`, as the config writes them; milliseconds. */
export function duration(text) {
  const found = /^\s*(\d+)\s*(ms|s|m|h|d)\s*$/.exec(text ?? '');
  return found ? Number(found[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: DAY }[found[2]] : null;
}
