// Until when a conversation can sleep, counted from a given moment.

const MORNING = 9;

export function snoozeChoices(now) {
  const day = (days, hour) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
  const toMonday = (8 - now.getDay()) % 7 || 7;
  return [
    { words: 'In 1 hour', until: new Date(now.getTime() + 3_600_000) },
    { words: 'In 3 hours', until: new Date(now.getTime() + 3 * 3_600_000) },
    { words: 'Tomorrow morning', until: day(1, MORNING) },
    { words: 'In 2 days', until: day(2, MORNING) },
    { words: 'Next Monday', until: day(toMonday, MORNING) },
    { words: 'In 2 weeks', until: day(14, MORNING) },
  ];
}
