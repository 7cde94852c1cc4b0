import { auth0 } from "../../../lib/auth0.js";

/** The guide's item 33: something that only MFA may do. */
export async function POST() {
  const session = await auth0.getSession();
  if (!session) return Response.json({ error: "Not logged in" }, { status: 401 });
  if (!session.user.amr?.includes("mfa")) {
    return Response.json({ error: "MFA required", code: "mfa_required" }, { status: 403 });
  }
  return Response.json({ success: true });
}
