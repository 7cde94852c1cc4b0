// Comforts for Universal Login. Every page works without this file.
(() => {
  "use strict";
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const say = (text) => all("[data-status]").forEach((place) => { place.textContent = text; });

  // Show and hide a password.
  for (const button of all("[data-reveal]")) {
    const input = document.getElementById(button.dataset.reveal);
    button.hidden = false;
    const set = (visible) => {
      input.type = visible ? "text" : "password";
      button.textContent = visible ? button.dataset.hide : button.dataset.show;
      button.setAttribute("aria-label", visible ? button.dataset.hideLabel : button.dataset.showLabel);
    };
    button.addEventListener("click", () => { set(input.type === "password"); input.focus(); });
    input.form.addEventListener("submit", () => set(false));
  }

  // One submit at a time; a spinner if the answer takes long.
  let sent = false;
  for (const form of all("form")) {
    form.addEventListener("submit", (event) => {
      if (sent) { event.preventDefault(); return; }
      sent = true;
      const button = event.submitter;
      if (!button || !button.classList.contains("button")) return;
      setTimeout(() => {
        if (!sent) return;
        button.classList.add("busy");
        button.setAttribute("aria-label", form.dataset.busy || "");
      }, 400);
    });
  }
  // Coming back with the browser's Back button shows the page as it was left.
  addEventListener("pageshow", () => {
    sent = false;
    all(".busy").forEach((button) => { button.classList.remove("busy"); button.removeAttribute("aria-label"); });
  });

  // A complete code sends itself, unless there is a choice to make first. The short wait lets a press of the button win.
  for (const input of all("input[data-digits]")) {
    let timer;
    const choice = document.getElementById("rememberBrowser");
    input.addEventListener("input", () => {
      clearTimeout(timer);
      const digits = input.value.replace(/[\s-]/g, "");
      if (choice || !/^\d+$/.test(digits) || digits.length !== Number(input.dataset.digits)) return;
      timer = setTimeout(() => {
        if (!sent) input.form.requestSubmit(input.form.querySelector("button[value=default]"));
      }, 400);
    });
  }

  // Copy and print.
  for (const button of all("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    const label = button.querySelector("span");
    const before = label.textContent;
    button.addEventListener("click", () => {
      navigator.clipboard.writeText(button.dataset.copy).then(() => {
        label.textContent = button.dataset.done;
        say(button.dataset.done);
        setTimeout(() => { label.textContent = before; say(""); }, 2500);
      }, () => getSelection().selectAllChildren(document.getElementById("secret")));
    });
  }
  for (const button of all("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }

  // An open list begins at what is chosen. Browsers scroll there before the rows have their height.
  for (const list of all("select[size]")) {
    const row = list.selectedOptions[0];
    if (!row) continue;
    const above = row.getBoundingClientRect().top - list.getBoundingClientRect().top;
    list.scrollTop += above - (list.clientHeight - row.offsetHeight) / 2;
  }

  // Sending again has to wait.
  for (const button of all("[data-wait]")) {
    let left = Number(button.dataset.wait);
    if (!left) continue;
    const ready = button.textContent;
    const form = button.form;
    const hold = (event) => { if (event.submitter === button) { event.preventDefault(); event.stopImmediatePropagation(); } };
    form.addEventListener("submit", hold, true);
    button.setAttribute("aria-disabled", "true");
    const tick = () => {
      if (left > 0) {
        button.textContent = button.dataset.waitText.replace("{s}", left);
        left -= 1;
        setTimeout(tick, 1000);
        return;
      }
      form.removeEventListener("submit", hold, true);
      button.removeAttribute("aria-disabled");
      button.textContent = ready;
      say(button.dataset.readyText);
    };
    tick();
  }

  // The list of what a password needs follows what is typed.
  for (const list of all("[data-rules]")) {
    const input = document.getElementById(list.dataset.rules);
    const needed = Number(list.dataset.kinds);
    const kinds = { lower: /[a-z]/, upper: /[A-Z]/, digit: /\d/, special: /[!@#$%^&*]/ };
    const check = () => {
      const word = input.value;
      let met = 0;
      for (const line of list.querySelectorAll("[data-rule]")) {
        const rule = line.dataset.rule;
        let good = false;
        if (rule === "length") good = [...word].length >= Number(line.dataset.length);
        else if (rule === "repeats") good = word !== "" && !/(.)\1\1/u.test(word);
        else if (kinds[rule]) { good = kinds[rule].test(word); met += good; }
        else continue;
        line.classList.toggle("met", good);
      }
      const group = list.querySelector("[data-rule=kinds]");
      if (group) group.classList.toggle("met", met >= needed);
      for (const line of list.querySelectorAll("[data-rule]")) {
        line.querySelector("span").setAttribute("aria-description", line.classList.contains("met") ? list.dataset.met : "");
      }
    };
    input.addEventListener("input", check);
    check();
  }

  // The language button shows once another language is chosen.
  for (const button of all("[data-language]")) {
    const select = document.getElementById("language");
    const now = select.value;
    const show = () => { button.hidden = select.value === now; };
    select.addEventListener("change", show);
    show();
  }
})();
