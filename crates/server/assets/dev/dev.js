// Keeps the shown codes and the clock current. Without script, reload the page.
"use strict";
(() => {
  const codes = document.querySelector("[data-codes]");
  const clock = document.querySelector("[data-now]");
  const ask = async (path) => {
    const answer = await fetch(path, { headers: { accept: "application/json" } });
    return answer.ok ? answer.json() : null;
  };
  const turn = async () => {
    if (document.hidden) return;
    try {
      if (codes) {
        for (const entry of (await ask("/_dev/api/authenticators")) ?? []) {
          const row = codes.querySelector(`[data-id="${CSS.escape(entry.id)}"]`);
          if (!row) continue;
          row.querySelector("[data-code]").textContent = entry.code;
          row.querySelector("[data-left]").textContent = `${entry.seconds_left} s`;
        }
      }
      if (clock) {
        const shown = await ask("/_dev/api/clock");
        if (shown) clock.textContent = shown.now.replace("T", " ").replace(/\.\d+Z$/, " UTC");
      }
    } catch {
      // The twin was stopped; the next turn tries again.
    }
  };
  if (codes || clock) setInterval(turn, 1000);
})();
