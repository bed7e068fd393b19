// Attachments: pictures shown, all else to download. A picture is fetched when it comes into view and decoded as one of
// four formats; whatever its sender called it, the browser never renders it as a page.

import { h } from './dom.js';
import { icon } from './icons.js';
import { fetchBody } from './api.js';
import { dialog } from './float.js';
import { octets } from './words.js';

const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
const SHOWN_MAX = 8 * 1024 * 1024;

export function files(attachments) {
  if (!attachments?.length) return null;
  return h('div', { class: 'files' }, attachments.map((file) => (PICTURES.has(file.type) && file.size <= SHOWN_MAX ? picture(file) : plain(file))));
}

function plain(file) {
  return h('a', { class: 'file', href: file.url, download: file.name, title: file.name }, icon('file'), h('span', { dir: 'auto' }, file.name), h('small', null, octets(file.size)));
}

function picture(file) {
  const image = h('img', { alt: file.name, width: '260', height: '160' });
  const button = h('button', { class: 'shot', type: 'button', title: `${file.name} · ${octets(file.size)}` }, image);
  button.addEventListener('click', () => image.src && enlarge(file, image.src));
  near.observe(button);
  waiting.set(button, () => load(file, image).catch(() => button.replaceWith(plain(file))));
  return button;
}

const waiting = new WeakMap();
const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    waiting.get(target)?.();
  }
}, { rootMargin: '400px' });

async function load(file, image) {
  const blob = await fetchBody(file.url, 'blob');
  image.src = URL.createObjectURL(new Blob([blob], { type: file.type }));
  await image.decode();
  image.removeAttribute('width');
  image.removeAttribute('height');
}

function enlarge(file, source) {
  const node = dialog(file.name, 'picture', h('img', { src: source, alt: file.name }), h('p', null, h('a', { class: 'button small', href: file.url, download: file.name }, `Download, ${octets(file.size)}`)));
  node.querySelector('img').addEventListener('click', () => node.close());
}
