// The form and the list. Text of visitors goes through textContent only, so it is never read as HTML.
const form = document.querySelector("#sign");
const list = document.querySelector("#entries");
const empty = document.querySelector("#empty");
const status = document.querySelector("#status");
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function say(text, wrong = false) {
  status.textContent = text;
  status.classList.toggle("wrong", wrong);
}

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function item(entry) {
  const at = new Date(entry.at * 1000);
  const time = element("time", when.format(at));
  time.dateTime = at.toISOString();
  const footer = element("footer", "", element("strong", entry.name), " · ", time);
  return element("li", "", element("p", entry.message), footer);
}

async function ask(options) {
  const response = await fetch("/api/entries", options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `the server answered ${response.status}`);
  return answer;
}

async function show() {
  const entries = await ask();
  list.replaceChildren(...entries.map(item));
  empty.hidden = entries.length > 0;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    await ask({
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(Object.fromEntries(new FormData(form))),
    });
    form.elements.message.value = "";
    say("Thank you!");
    await show();
  } catch (error) {
    say(`That did not work: ${error.message}.`, true);
  }
  button.disabled = false;
});

show().catch((error) => say(`The entries could not be loaded: ${error.message}.`, true));
