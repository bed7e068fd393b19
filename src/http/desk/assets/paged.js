// A page that is a filtered list: a bar of filters, entries that open, more on demand.

import { calm, h, put, show } from './dom.js';
import { get } from './api.js';
import { go, here, to } from './router.js';

const PAGE = 50;

/** `it`: `{ page, title, words, path, controls: [{name, label, options?, placeholder?, type?}], query(params), entry(item, again), empty }` */
export function pagedList(it) {
  const cards = h('div', { class: 'cards' });
  const end = h('p', { class: 'soft', role: 'status' });
  const more = h('button', { class: 'button more-button', type: 'button', hidden: true }, 'More');
  const bar = h('form', { class: 'bar', role: 'search' });
  const fields = new Map();
  let next = null;
  let asked = 0;
  let filtered = null;

  const read = async (cursor) => {
    const mine = ++asked;
    try {
      const page = await get(it.path, { ...it.query(here().params), limit: PAGE, cursor });
      if (mine !== asked) return;
      next = page.next;
      if (!cursor) cards.replaceChildren();
      put(cards, page.items.map((item) => it.entry(item, () => read(null))));
      cards.hidden = !cards.childElementCount;
      end.textContent = cards.childElementCount ? '' : it.empty;
      more.hidden = !next;
    } catch (error) {
      if (mine === asked) end.textContent = error.message;
    }
  };
  const change = calm(250, (name, value) => {
    const { params } = here();
    value ? params.set(name, value) : params.delete(name);
    go(to(it.page, null, params), 'replace');
  });
  /** The address is what the filters say, however one came to it; what is being typed stays. */
  const moved = () => {
    const { params } = here();
    if (params.toString() === filtered) return undefined;
    filtered = params.toString();
    for (const [name, field] of fields) if (field.value.trim() !== (params.get(name) ?? '')) field.value = params.get(name) ?? '';
    return read(null);
  };
  bar.addEventListener('submit', (event) => event.preventDefault());
  put(bar, it.controls.map((control) => controlNode(control, change, fields)));
  more.addEventListener('click', () => read(next));
  const node = pageNode(it.title, it.words, bar, cards, end, more);
  return { node, start: moved, moved, refresh: () => !cards.querySelector('details[open]') && scrolled(node) && read(null) };
}

const scrolled = (node) => node.scrollTop < 200;

function controlNode({ name, label, options, placeholder, type }, change, fields) {
  const value = here().params.get(name) ?? '';
  const field = options
    ? h('select', { class: 'field', 'aria-label': label, value }, options.map(([of, words]) => h('option', { value: of, selected: of === value }, words)))
    : h('input', { class: `field ${type ? '' : 'grow'}`, type: type ?? 'search', 'aria-label': label, title: label, placeholder, value, autocomplete: 'off' });
  fields.set(name, field);
  field.addEventListener(options ? 'change' : 'input', () => change(name, field.value.trim()));
  return type ? h('label', null, label, field) : field;
}

export function pageNode(title, words, ...content) {
  return h('div', { class: 'page', tabindex: '-1' }, h('div', { class: 'page-in' }, h('header', null, h('div', null, h('h1', null, title), words ? h('p', null, words) : null)), content));
}

/** An entry: when, a badge, two lines; what opens below is made when it does. */
export function entryNode({ when, badge, first, second, end }, fill) {
  const more = h('div', { class: 'more' });
  const node = h('details', { class: 'entry' }, h('summary', null,
    h('span', { class: 'when' }, when), h('span', null, badge), h('div', { class: 'what' }, h('p', { dir: 'auto' }, first), second ? h('p', { dir: 'auto' }, second) : null), end ?? h('span')), more);
  node.addEventListener('toggle', () => node.open && !more.firstChild && show(more, fill(more)));
  return node;
}
