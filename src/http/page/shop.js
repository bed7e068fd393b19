// What a site does to tell the chat who is signed in: the hash was made on its server, with the inbox's secret.
"use strict";
(() => {
  const { identifier, hash, email, name } = document.currentScript.dataset;
  const known = "shop-signed-in";
  const replyd = (window.replyd = window.replyd || { q: [] });
  if (identifier) replyd.q.push(["setUser", identifier, { email, name, identifier_hash: hash }]);
  else if (localStorage.getItem(known)) replyd.q.push(["reset"]);
  if (identifier) localStorage.setItem(known, "yes");
  else localStorage.removeItem(known);
})();
