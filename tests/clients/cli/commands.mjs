// The commands of the official tool that contract tools-needs.md 1.5 and 7 name, as a story: each may keep what a later one needs.
//
// `keep` names the members of the JSON that a command prints; `$name` in the arguments of a later one stands for what was kept.

const SMTP = '{"smtp_host":"mail.acme.test","smtp_port":25,"smtp_user":"acme","smtp_pass":"secret"}';
const CODE = "exports.onExecutePostLogin = async (event, api) => {};";

export const COMMANDS = [
  { run: ["apps", "create", "--name", "Shop", "--type", "regular", "--callbacks", "https://shop.acme.test/callback", "--description", "The shop"], keep: { app: "client_id" } },
  { run: ["apps", "list"] },
  { run: ["apps", "show", "$app"] },
  { run: ["apps", "update", "$app", "--name", "Shop 2", "--logout-urls", "https://shop.acme.test"] },
  { run: ["apis", "create", "--name", "Orders", "--identifier", "https://orders.acme.test/", "--scopes", "read:orders,write:orders"], keep: { api: "id" } },
  { run: ["apis", "list"] },
  { run: ["apis", "show", "https://orders.acme.test/"] },
  { run: ["apis", "scopes", "list", "https://orders.acme.test/"] },
  { run: ["apis", "update", "$api", "--name", "Orders 2", "--token-lifetime", "3600"] },
  { run: ["apps", "create", "--name", "Nightly", "--type", "m2m"], keep: { machine: "client_id" } },
  { run: ["client-grants", "create", "--client-id", "$machine", "--audience", "https://orders.acme.test/", "--scopes", "read:orders"], keep: { grant: "id" } },
  { run: ["client-grants", "list"] },
  { run: ["client-grants", "show", "$grant"] },
  { run: ["client-grants", "update", "$grant", "--scopes", "read:orders,write:orders"] },
  { run: ["test", "token", "$machine", "--audience", "https://orders.acme.test/"] },
  { run: ["users", "create", "--name", "Eve", "--email", "eve@acme.test", "--password", "a-long-Passw0rd!", "--connection-name", "Username-Password-Authentication"], keep: { user: "user_id" } },
  { run: ["users", "search", "--query", "email:eve@acme.test"] },
  { run: ["users", "search-by-email", "eve@acme.test"] },
  { run: ["users", "show", "$user"] },
  { run: ["users", "update", "$user", "--name", "Eva"] },
  { run: ["roles", "create", "--name", "clerk", "--description", "Takes orders"], keep: { role: "id" } },
  { run: ["roles", "list"] },
  { run: ["roles", "show", "$role"] },
  { run: ["roles", "update", "$role", "--description", "Takes orders and gives change"] },
  { run: ["roles", "permissions", "add", "$role", "--api-id", "https://orders.acme.test/", "--permissions", "read:orders"], plain: true },
  { run: ["roles", "permissions", "list", "$role"] },
  { run: ["users", "roles", "assign", "$user", "--roles", "$role"] },
  { run: ["users", "roles", "show", "$user"] },
  { run: ["users", "roles", "remove", "$user", "--roles", "$role"] },
  { run: ["roles", "permissions", "remove", "$role", "--api-id", "https://orders.acme.test/", "--permissions", "read:orders"], plain: true },
  { run: ["users", "blocks", "list", "$user"], plain: true },
  { run: ["users", "blocks", "unblock", "$user"], plain: true },
  { run: ["users", "sessions", "list", "$user"] },
  { run: ["users", "refresh-tokens", "list", "$user"] },
  { run: ["users", "import", "--connection-name", "Username-Password-Authentication", "--users", '[{"email":"imported@acme.test"}]', "--upsert=false", "--email-results=false"], plain: true },
  { run: ["actions", "create", "--name", "Conditional MFA", "--trigger", "post-login", "--code", CODE, "--secret", "KEY=value"], keep: { action: "id" } },
  { run: ["actions", "list"] },
  { run: ["actions", "show", "$action"] },
  { run: ["actions", "deploy", "$action"] },
  { run: ["actions", "update", "$action", "--name", "Conditional MFA", "--code", `${CODE}\n`, "--force"] },
  { run: ["actions", "deploy", "$action"] },
  { run: ["actions", "delete", "$action", "--force"], plain: true },
  { run: ["logs", "list", "--number", "5"] },
  { run: ["logs", "list", "--filter", "type:sapi", "--number", "3"] },
  { run: ["logs", "streams", "create", "http", "--name", "siem", "--endpoint", "https://siem.acme.test/in", "--type", "application/json", "--format", "JSONLINES", "--authorization", "Bearer x"], keep: { stream: "id" } },
  { run: ["logs", "streams", "list"] },
  { run: ["logs", "streams", "show", "$stream"] },
  { run: ["logs", "streams", "update", "http", "$stream", "--name", "siem 2"] },
  { run: ["logs", "streams", "delete", "$stream", "--force"], plain: true },
  { run: ["tenant-settings", "show"] },
  { run: ["tenant-settings", "update", "set", "customize_mfa_in_postlogin_action"], plain: true },
  { run: ["tenant-settings", "update", "unset", "customize_mfa_in_postlogin_action"], plain: true },
  { run: ["universal-login", "show"] },
  { run: ["universal-login", "update", "--accent", "#0059d6", "--background", "#ffffff"] },
  { run: ["universal-login", "templates", "show"], plain: true },
  { run: ["universal-login", "prompts", "show", "login"], plain: true },
  { run: ["protection", "brute-force-protection", "show"] },
  { run: ["protection", "brute-force-protection", "update", "--enabled=true", "--max-attempts", "7"] },
  { run: ["protection", "breached-password-detection", "show"] },
  { run: ["protection", "breached-password-detection", "update", "--enabled=true", "--method", "standard", "--shields", "block"] },
  { run: ["protection", "suspicious-ip-throttling", "show"] },
  { run: ["protection", "suspicious-ip-throttling", "update", "--enabled=true", "--shields", "block"] },
  { run: ["protection", "suspicious-ip-throttling", "ips", "check", "192.0.2.1"], plain: true },
  { run: ["protection", "suspicious-ip-throttling", "ips", "unblock", "192.0.2.1"], plain: true },
  { run: ["protection", "bot-detection", "show"] },
  { run: ["protection", "bot-detection", "update", "--bot-detection-level", "high"] },
  { run: ["email", "provider", "create", "--provider", "smtp", "--enabled=true", "--default-from-address", "a@acme.test", "--credentials", SMTP] },
  { run: ["email", "provider", "show"] },
  { run: ["email", "provider", "update", "--default-from-address", "b@acme.test"] },
  { run: ["email", "templates", "update", "welcome", "--body", "<p>Welcome</p>", "--subject", "Welcome", "--from", "a@acme.test", "--enabled=true", "--force"] },
  { run: ["email", "templates", "show", "welcome"] },
  { run: ["email", "provider", "delete", "--force"], plain: true },
  { run: ["phone", "provider", "create", "--provider", "twilio", "--disabled=false", "--credentials", '{"auth_token":"t"}', "--configuration", '{"sid":"AC1","default_from":"+15005550006","delivery_methods":["text"]}'], keep: { phone: "id" } },
  { run: ["phone", "provider", "list"] },
  { run: ["phone", "provider", "show", "$phone"] },
  { run: ["phone", "provider", "delete", "$phone", "--force"], plain: true },
  { run: ["domains", "list"], plain: true },
  { run: ["orgs", "list"], plain: true },
  { run: ["event-streams", "list"], plain: true },
  { run: ["network-acl", "list"], plain: true },
  { run: ["token-exchange", "list"], plain: true },
  { run: ["users", "delete", "$user", "--force"], plain: true },
  { run: ["roles", "delete", "$role", "--force"], plain: true },
  { run: ["client-grants", "delete", "$grant", "--force"], plain: true },
  { run: ["apis", "delete", "https://orders.acme.test/", "--force"], plain: true },
  { run: ["apps", "delete", "$app", "--force"], plain: true },
  { run: ["apps", "delete", "$machine", "--force"], plain: true },
];

/** Runs the story with a function that runs one command and returns `{status, stdout, stderr}`; calls back before each. */
export async function tell(runOne, before = () => {}) {
  const kept = {};
  for (const { run, keep = {}, plain } of COMMANDS) {
    const args = run.map((word) => (word.startsWith("$") ? kept[word.slice(1)] : word));
    before(run);
    const ran = await runOne([...args, ...(plain ? [] : ["--json"]), "--no-input"]);
    const told = `auth0 ${args.join(" ")}\n${ran.stdout}\n${ran.stderr}`;
    if (ran.status !== 0) throw new Error(`exit ${ran.status}: ${told}`);
    if (Object.keys(keep).length === 0) continue;
    // Some commands print hints after the object.
    const printed = JSON.parse(ran.stdout.slice(ran.stdout.indexOf("{"), ran.stdout.lastIndexOf("}") + 1));
    for (const [name, member] of Object.entries(keep)) {
      if (typeof printed[member] !== "string") throw new Error(`${member} is not in: ${told}`);
      kept[name] = printed[member];
    }
  }
}
