// The twin's virtual keys: what a test presses instead of a security key, a laptop or a passkey provider.

import { decodeEntities } from "./browser.mjs";
import { ready } from "./lockstep.mjs";

async function post(path, body) {
  const response = await fetch(`${ready().issuer}_dev/api/keys${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`the virtual key refused: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

export class VirtualKey {
  /** `kind`: security-key, touch-only, device or synced. */
  static async make(kind) {
    const key = new VirtualKey();
    key.id = (await post("", { kind })).id;
    return key;
  }
  /** `navigator.credentials.create` with the JSON of its options. */
  create(options) {
    return post(`/${this.id}/create`, { options });
  }
  /** `navigator.credentials.get` with the JSON of its options. */
  get(options) {
    return post(`/${this.id}/get`, { options });
  }

  /** Answers a page that asks for a key, as its script does. */
  async answer(browser, page) {
    const [, ceremony, options] = page.html.match(/data-key="(create|get)" data-options="([^"]*)"/) ?? [];
    if (!ceremony) throw new Error(`${page.url} asks for no key: ${page.text.slice(0, 500)}`);
    const response = await this[ceremony](JSON.parse(decodeEntities(options)));
    const presses = (control) => control.tag === "button" && control.value === "default";
    const form = page.forms.find((candidate) => candidate.controls.some(presses));
    form.controls.push({ tag: "input", type: "hidden", name: "response" });
    return browser.submit(page, { response: JSON.stringify(response) });
  }
}
