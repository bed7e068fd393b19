// A mail's HTML as its author laid it out: in a frame that runs nothing and, until asked, loads nothing from elsewhere.

import { h } from './dom.js';

const HIGHEST = 1400;
const address = (id, images) => `/api/v1/messages/${encodeURIComponent(id)}/html${images ? '?images=allow' : ''}`;

/** A button, and the place where it shows the frame; null for a message without HTML. */
export function htmlView(message, node) {
  if (!message.html || !message.email?.ingress) return null;
  const place = h('div', { class: 'html', hidden: true });
  const button = h('button', { class: 'link', type: 'button', 'aria-expanded': 'false' }, 'As formatted mail');
  button.addEventListener('click', () => {
    const opening = place.hidden;
    place.hidden = !opening;
    node.classList.toggle('wide', opening);
    button.setAttribute('aria-expanded', String(opening));
    button.textContent = opening ? 'Hide formatted mail' : 'As formatted mail';
    if (opening && !place.firstChild) fill(place, message);
  });
  return { place, button };
}

function fill(place, message) {
  const frame = h('iframe', { title: `Formatted mail of ${message.author.name ?? message.author.email ?? 'this author'}`, sandbox: 'allow-same-origin allow-popups allow-popups-to-escape-sandbox', src: address(message.id), loading: 'lazy', referrerpolicy: 'no-referrer' });
  frame.addEventListener('load', () => fit(frame));
  if (message.html.includes('data-remote-src')) place.append(blocked(frame, message));
  place.append(frame);
}

function blocked(frame, message) {
  const bar = h('div', { class: 'blocked' }, h('span', null, 'Images from elsewhere are blocked: they tell the sender that you read this.'));
  const allow = () => {
    frame.src = address(message.id, true);
    bar.remove();
  };
  bar.append(h('button', { class: 'button small', type: 'button', on: { click: allow } }, 'Show images'));
  return bar;
}

/** A frame without scripts may be measured; one that may not keeps its height and scrolls. */
export function fit(frame) {
  const page = frame.contentDocument?.documentElement;
  const height = page ? Math.max(page.scrollHeight, frame.contentDocument.body?.scrollHeight ?? 0) : 420;
  frame.style.height = `${Math.min(HIGHEST, Math.max(60, height + 4))}px`;
}
