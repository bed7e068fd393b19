// The address after `#` is the only state of where one is: `#/conversations/ID?assignee=me`.

const listeners = new Set();

export function here() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [page, id] = path.split('/');
  return { page: page || 'conversations', id: id ? decoded(id) : null, params: new URLSearchParams(query ?? '') };
}

/** An address that somebody typed or cut need not be well formed. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An address; null and empty parameters are left out. */
export function to(page, id, params) {
  const query = new URLSearchParams();
  for (const [name, value] of params instanceof URLSearchParams ? params : Object.entries(params ?? {})) {
    if (value !== null && value !== undefined && value !== '') query.append(name, value);
  }
  const words = query.toString();
  return `#/${page}${id ? `/${encodeURIComponent(id)}` : ''}${words ? `?${words}` : ''}`;
}

export function go(address, how) {
  if (how === 'replace') {
    history.replaceState(null, '', address);
    tell();
  } else {
    location.hash = address;
  }
}

export function onMove(listener) {
  listeners.add(listener);
}

function tell() {
  for (const listener of listeners) listener(here());
}

addEventListener('hashchange', tell);
