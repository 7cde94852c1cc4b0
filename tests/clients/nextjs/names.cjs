// The SDK takes a domain without a port only, so the server stands on port 443 of a loopback address of its own, by a name that no
// resolver knows: loaded into every process that calls it.

const dns = require("node:dns");

const NAME = "login.lockstep.test";
const address = process.env.NEXTJS_TEST_ADDRESS;
const { lookup } = dns;

dns.lookup = (name, options, done) => {
  if (name !== NAME) return lookup(name, options, done);
  const answer = done ?? options;
  if (typeof options === "object" && options.all) return process.nextTick(answer, null, [{ address, family: 4 }]);
  return process.nextTick(answer, null, address, 4);
};
