// Serves an empty page with published browser libraries on it, unmodified, for tests that speak to them from outside.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const LIBRARIES = {
  "/auth0.js": "@auth0/auth0-spa-js/dist/auth0-spa-js.production.js",
  "/simplewebauthn.js": "@simplewebauthn/browser/dist/bundle/index.umd.min.js",
};
const scripts = Object.keys(LIBRARIES).map((path) => `<script src="${path}"></script>`).join("");
const PAGE = `<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">${scripts}<main>Shop</main></html>`;

/** An origin on localhost, and how to end it. */
export async function serveScripts() {
  const server = createServer((request, response) => {
    const file = LIBRARIES[request.url];
    response.setHeader("content-type", file ? "text/javascript" : "text/html; charset=utf-8");
    response.end(file ? readFileSync(fileURLToPath(new URL(`../node_modules/${file}`, import.meta.url))) : PAGE);
  });
  server.listen(0, "localhost");
  await once(server, "listening");
  return {
    origin: `http://localhost:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
