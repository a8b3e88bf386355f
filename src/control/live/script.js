
"use strict";
// Everything that comes from requests is put there as text, never as markup.
const MOST = 500;
const find = (id) => document.getElementById(id);
let last = 0;
let following = null;

function headers() {
  const token = find("token").value;
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function row(entry) {
  const line = document.createElement("tr");
  const cells = [entry.id, entry.at, entry.operation, entry.code || entry.status, entry.elapsed_ms, entry.credential,
    entry.content.join(" "), entry.fault];
  for (const value of cells) {
    line.insertCell().textContent = value === undefined ? "" : String(value);
  }
  line.className = entry.code === "ok" ? "" : "failed";
  line.addEventListener("click", () => show(entry.id));
  find("rows").prepend(line);
  while (find("rows").rows.length > MOST) {
    find("rows").deleteRow(-1);
  }
}

async function show(id) {
  const answer = await fetch(`/_qrstack/v1/journal/${id}`, { headers: headers() });
  find("entry").textContent = JSON.stringify(await answer.json(), null, 2);
}

function take(event) {
  const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
  if (data) {
    const entry = JSON.parse(data);
    last = entry.id;
    row(entry);
  }
}

async function follow(signal) {
  const query = new URLSearchParams();
  for (const name of ["operation", "credential", "code"]) {
    if (find(name).value) {
      query.set(name, find(name).value);
    }
  }
  const answer = await fetch(`/_qrstack/v1/journal/live?${query}`, {
    headers: { ...headers(), "Last-Event-ID": String(last) },
    signal,
  });
  if (!answer.ok) {
    find("secret").hidden = answer.status !== 401;
    const { error } = await answer.json();
    throw new Error(error.message);
  }
  find("state").textContent = "following";
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      throw new Error("the server stopped");
    }
    const events = (text + value).split("\n\n");
    text = events.pop();
    events.forEach(take);
  }
}

function start() {
  following?.abort();
  following = new AbortController();
  const { signal } = following;
  follow(signal).catch((error) => {
    if (!signal.aborted) {
      find("state").textContent = error.message;
    }
  });
}

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  find("rows").replaceChildren();
  last = 0;
  start();
});
start();
