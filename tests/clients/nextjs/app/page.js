import { auth0 } from "../lib/auth0.js";

export default async function Page() {
  const session = await auth0.getSession();
  return <p id="state">{session ? `Hello ${session.user.email}` : "Nobody is here"}</p>;
}
