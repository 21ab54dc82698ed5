"use strict";
let models = [], inputs = [], token = sessionStorage.getItem("token"), latest = 0, photo = "";

const REMEDIES = {
  400: "The server does not take this.",
  401: "This server wants its token. Enter it above.",
  403: "The server is not known under this name.",
  404: "The server no longer has this. Reload the page.",
  408: "The request took too long to arrive. Ask again, or send less.",
  413: "This is too large for the server. Send less, or start it with a larger --max-request or --max-pixels.",
  429: "The server is busy. Ask again in a moment.",
  500: "The server failed. Its log says why.",
  503: "The server is stopping. Start it again, then ask again.",
};

async function ask(path, options = {}) {
  const headers = {...options.headers, ...(token ? {Authorization: `Bearer ${token}`} : {})};
  const reply = await fetch(path, {...options, headers}).catch(() => null);
  if (!reply) throw new Error("The server can't be reached. See whether zoo serve still runs, then ask again.");
  const said = await reply.json().catch(() => ({}));
  if (reply.ok) return said;
  if (reply.status === 401) {
    const wrong = token !== null;
    sessionStorage.removeItem("token");
    token = null;
    $("access").hidden = false;
    $("token").focus();
    throw new Error(wrong ? "This is not the token of the server. Enter it again." : REMEDIES[401]);
  }
  const picture = reply.status === 400 && inputs[0]?.type === "image";
  const remedy = picture ? "This is no picture that can be read. Choose a PNG or JPEG file." : REMEDIES[reply.status];
  throw new Error([remedy, said.error && `It says: ${said.error}`].filter(Boolean).join("\n") || reply.statusText);
}

const chosen = () => models.find(each => each.name === $("model").value);
const path = () => `/v1/models/${encodeURIComponent(chosen().name)}`;

async function start() {
  try {
    models = (await ask("/v1/models")).models;
    $("access").hidden = true;
    $("model").replaceChildren(...models.map(each => new Option(each.name)));
    await show();
  } catch (error) {
    fail(error);
  }
}

async function predict(body, headers, source, notes = []) {
  const mine = ++latest, model = chosen(), started = performance.now();
  clear();
  $("answer").setAttribute("aria-busy", "true");
  try {
    const said = await ask(`${path()}:predict`, {method: "POST", body, headers}), prediction = said.predictions[0];
    if (mine !== latest) return; // another request was made meanwhile
    answer(model, Array.isArray(prediction) ? {prediction} : prediction);
    $("notes").replaceChildren(...[...notes, ...said.notes ?? []].map(each => made("li", each)));
    $("time").textContent = `${Math.round(performance.now() - started)} ms`;
    $("json").textContent = cut(JSON.stringify(prediction, null, 1));
    copies(headers, source);
    $("found").hidden = $("again").hidden = false;
    $("said").scrollIntoView({block: "nearest"});
  } catch (error) {
    if (mine === latest) fail(error);
  } finally {
    $("answer").setAttribute("aria-busy", "false");
  }
}

function fail(error) {
  $("wrong").textContent = error.message;
  $("wrong").scrollIntoView({block: "nearest"});
}

function clear() {
  for (const id of ["wrong", "headline", "unsure", "beside", "values", "notes"]) $(id).replaceChildren();
  $("found").hidden = $("again").hidden = true;
}

async function show() {
  const model = chosen(), mine = ++latest;
  const forms = Object.values(model.values).map(each => each.form);
  const named = ["name", "names", "image", "mask"].some(form => forms.includes(form)) && model.classes.length;
  const count = named ? `, ${named} classes` : "";
  $("facts").textContent = `version ${model.version}, ${model.task.replace("_", "-")}${count}, ${model.runtime}`;
  clear();
  $("request").hidden = true;
  inputs = [];
  $("fields").replaceChildren();
  const described = (await ask(`${path()}/inputs`)).inputs;
  if (mine !== latest) return;
  inputs = described;
  $("fields").replaceChildren(...inputs.map(input => CONTROLS[input.type](input)));
  $("request").hidden = false;
  $("ask").hidden = inputs[0].type === "image";
}

function submit(event) {
  event.preventDefault();
  const notes = [], instance = {};
  try {
    for (const input of inputs) {
      instance[input.name] = VALUES[input.type](input, $("request").elements[`=${input.name}`], notes);
    }
  } catch (error) {
    clear();
    return fail(error);
  }
  const body = {instances: [instance]};
  predict(JSON.stringify(body), {"Content-Type": "application/json"}, {body}, notes);
}

async function send(file) {
  if (!file || inputs[0]?.type !== "image") return;
  const body = await file.arrayBuffer().catch(() => null);
  if (!body) return fail(new Error("The file can't be read. Choose it again."));
  URL.revokeObjectURL(photo);
  $("photo").src = photo = URL.createObjectURL(file);
  predict(body, {"Content-Type": file.type.startsWith("image/") ? file.type : "image/any"}, {file: file.name});
}

$("model").addEventListener("change", () => show().catch(fail));
$("request").addEventListener("submit", submit);
$("again").addEventListener("click", copy);
$("access").addEventListener("submit", event => {
  event.preventDefault();
  token = $("token").value;
  sessionStorage.setItem("token", token);
  $("wrong").textContent = $("token").value = "";
  $("access").hidden = true;
  start();
});
addEventListener("dragover", event => { event.preventDefault(); $("drop")?.classList.add("over"); });
addEventListener("dragleave", () => $("drop")?.classList.remove("over"));
addEventListener("drop", event => {
  event.preventDefault();
  $("drop")?.classList.remove("over");
  send(event.dataTransfer.files[0]);
});
addEventListener("paste", event => send(event.clipboardData.files[0]));
start();
