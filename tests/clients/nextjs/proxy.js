import { auth0 } from "./lib/auth0.js";

/** Serves /auth/* and keeps the session fresh. */
export const proxy = (request) => auth0.middleware(request);

export const config = { matcher: ["/((?!_next/static|_next/image|favicon.ico).*)"] };
