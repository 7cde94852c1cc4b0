// Serves the built app on a port of its own, with its configuration.

import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

const BUILT = fileURLToPath(new URL("../.cache/app/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".map": "application/json" };

/** `configure` gets the origin and returns the app's configuration: the application must be registered with it. */
export async function serveApp(configure) {
  if (!existsSync(path.join(BUILT, "index.html"))) throw new Error("build the app first: npm run build");
  let config;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname === "/config.json") {
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify(config));
    }
    const file = path.join(BUILT, path.normalize(pathname));
    const found = path.extname(file) !== "" && file.startsWith(BUILT) && existsSync(file) ? file : path.join(BUILT, "index.html");
    response.setHeader("content-type", TYPES[path.extname(found)] ?? "application/octet-stream");
    createReadStream(found).pipe(response);
  });
  server.listen(0, "localhost");
  await once(server, "listening");
  const origin = `http://localhost:${server.address().port}`;
  config = await configure(origin);
  return {
    origin,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
