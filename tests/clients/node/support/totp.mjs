// An authenticator app (RFC 6238).

import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function base32(text) {
  let bits = 0;
  let value = 0;
  const bytes = [];
  for (const letter of text.replace(/[\s=-]/g, "").toUpperCase()) {
    const index = ALPHABET.indexOf(letter);
    if (index < 0) throw new Error(`not base32: ${letter}`);
    value = (value << 5) | index;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >>> bits) & 0xff);
      value &= (1 << bits) - 1;
    }
  }
  return Buffer.from(bytes);
}

export class Authenticator {
  #lastStep = 0;

  constructor({ secret, algorithm = "SHA1", digits = 6, period = 30 }) {
    Object.assign(this, { secret, algorithm, digits, period });
  }

  /** From what the QR code says. */
  static fromUri(uri) {
    const query = new URL(uri).searchParams;
    return new Authenticator({
      secret: query.get("secret"),
      algorithm: query.get("algorithm") ?? "SHA1",
      digits: Number(query.get("digits") ?? 6),
      period: Number(query.get("period") ?? 30),
    });
  }

  codeOf(step) {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const hash = createHmac(this.algorithm.toLowerCase(), base32(this.secret)).update(counter).digest();
    const offset = hash[hash.length - 1] & 0x0f;
    const number = (hash.readUInt32BE(offset) & 0x7fffffff) % 10 ** this.digits;
    return String(number).padStart(this.digits, "0");
  }

  /**
   * A code that was not used yet. A code is good once, and the server looks one step back and one ahead: so there are
   * three at any time, taken in their order, and only a fourth login within a step has to wait.
   */
  async code() {
    const now = () => Math.floor(Date.now() / 1000 / this.period);
    // The oldest of the three only while it stays good for long enough to be typed in.
    const left = this.period - ((Date.now() / 1000) % this.period);
    const step = Math.max(left > 10 ? now() - 1 : now(), this.#lastStep + 1);
    while (step > now() + 1) await sleep(500);
    this.#lastStep = step;
    return this.codeOf(step);
  }
}
