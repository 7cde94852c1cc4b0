// Every method of the official Node SDK's ManagementClient, on the resources that Lockstep has. One file, since the last
// tests ask which methods the others have called; one server, whose tenant's settings each test puts back.

import "./management/guardian.mjs";
import "./management/users.mjs";
import "./management/sessions.mjs";
import "./management/applications.mjs";
import "./management/pages.mjs";
import "./management/tenant.mjs";
import "./management/actions.mjs";
import "./management/operations.mjs";
import "./management/missing.mjs";
