// Nodes made from data. Text becomes text nodes and nothing else, so nothing a stranger wrote is ever read as markup.

const PROPERTIES = new Set(['value', 'checked', 'disabled', 'hidden', 'open', 'selected', 'className']);
const ATTRIBUTE = /^(?:aria-[a-z]+|data-[a-z-]+|[a-z]+)$/;
const REFUSED = /^(?:on|style$|srcdoc$)/;

/** `h('a', { href, class: 'row', on: { click } }, 'text', node, null, [nodes])` */
export function h(tag, given, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given ?? {})) set(node, name, value);
  put(node, children);
  return node;
}

function set(node, name, value) {
  if (name === 'on') {
    for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
  } else if (value === null || value === undefined || value === false) {
    return;
  } else if (name === 'class') {
    node.className = value;
  } else if (PROPERTIES.has(name)) {
    node[name] = value;
  } else if (ATTRIBUTE.test(name) && !REFUSED.test(name)) {
    node.setAttribute(name, value === true ? '' : String(value));
  } else {
    throw new Error(`no such attribute: ${name}`);
  }
}

/** Appends; absent children leave nothing. */
export function put(node, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

/** Shows these children in place of all others. */
export function show(node, ...children) {
  node.replaceChildren();
  return put(node, children);
}

const SVG = 'http://www.w3.org/2000/svg';

/** A drawing of ours, hidden from screen readers: what it means stands beside it. */
export function svg(paths, className) {
  const node = document.createElementNS(SVG, 'svg');
  node.setAttribute('viewBox', '0 0 24 24');
  node.setAttribute('class', className);
  node.setAttribute('aria-hidden', 'true');
  for (const d of paths) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    node.append(path);
  }
  return node;
}

/** Whether the person writes somewhere just now. */
export function isWriting(node = document.activeElement) {
  return node instanceof HTMLTextAreaElement || node instanceof HTMLSelectElement || (node instanceof HTMLInputElement && node.type !== 'checkbox');
}

/** Calls it once when no further call came for so long, and under unending calls now and then. */
export function calm(wait, action, most = 6 * wait) {
  let timer = 0;
  let first = 0;
  return (...given) => {
    const now = Date.now();
    first ||= now;
    clearTimeout(timer);
    timer = setTimeout(() => {
      first = 0;
      action(...given);
    }, Math.max(0, Math.min(wait, first + most - now)));
  };
}
