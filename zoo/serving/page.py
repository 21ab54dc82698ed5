"""The page at ``/``: drop a photo, see labels with bars. It asks the server that it came from, and nothing else."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>zoo serve</title>
<style>
:root { color-scheme: light dark; --ink: #1c2330; --soft: #667085; --line: #d5dae3; --bar: #3b6fd4; --ground: #f7f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebf0; --soft: #98a2b3; --line: #39414e; --bar: #7aa2f0; --ground: #14181f; }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1rem; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--ground); }
header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; }
h1 { font-size: 1.25rem; margin: 0; }
select { font: inherit; padding: .2rem .4rem; }
#facts { color: var(--soft); }
#drop { display: block; margin: 1rem 0; padding: 2.5rem 1rem; border: 2px dashed var(--line); border-radius: .75rem;
  text-align: center; cursor: pointer; }
#drop.over, #drop:focus-within { border-color: var(--bar); }
#drop input { position: absolute; opacity: 0; width: 1px; height: 1px; }
#found { display: grid; grid-template-columns: minmax(8rem, 14rem) 1fr; gap: 1.25rem; }
#found img { width: 100%; border-radius: .5rem; }
@media (max-width: 34rem) { #found { grid-template-columns: 1fr; } }
ol { list-style: none; margin: 0; padding: 0; }
li { margin-bottom: .6rem; }
li div { display: flex; justify-content: space-between; gap: 1rem; }
li i { display: block; height: .5rem; border-radius: .25rem; background: var(--bar); min-width: 2px; }
#wrong { color: #c0392b; }
textarea { width: 100%; height: 9rem; font: 14px/1.4 ui-monospace, monospace; }
pre { overflow: auto; white-space: pre-wrap; }
</style>
</head>
<body>
<header><h1>zoo serve</h1><label>model <select id="model"></select></label><span id="facts"></span></header>
<label id="drop">Drop a photo here, paste one, or <u>choose a file</u>
<input type="file" id="file" accept="image/*"></label>
<form id="other" hidden>
<p><label>One example as JSON<textarea id="json"></textarea></label></p><button>Ask</button></form>
<p id="wrong" role="alert"></p>
<div id="found" hidden><img id="photo" alt="the photo"><div><ol id="labels"></ol><p id="time"></p></div></div>
<pre id="answer"></pre>
<script>
"use strict";
const $ = id => document.getElementById(id);
let models = [], token = sessionStorage.getItem("token");

async function ask(path, options = {}) {
  const headers = {...options.headers, ...(token ? {Authorization: "Bearer " + token} : {})};
  const reply = await fetch(path, {...options, headers});
  if (reply.status === 401) {
    token = prompt("This server wants its token");
    if (token) { sessionStorage.setItem("token", token); return ask(path, options); }
  }
  const found = await reply.json();
  if (!reply.ok) throw new Error(found.error || reply.statusText);
  return found;
}

const chosen = () => models.find(each => each.name === $("model").value);

function show() {
  const model = chosen(), image = model.inputs.length === 1 && model.inputs[0] === "image_bytes";
  const classes = model.classes.length ? `, ${model.classes.length} classes` : "";
  const renamed = Object.entries(model.tensors).map(([column, name]) => `, ${column} is asked as ${name}`);
  const tensors = renamed.slice(0, 3).join("") + (renamed.length > 3 ? ` and ${renamed.length - 3} more` : "");
  $("facts").textContent = `version ${model.version}, ${model.task}${classes}, ${model.runtime}${tensors}`;
  $("drop").hidden = !image;
  $("other").hidden = image;
  $("json").placeholder = JSON.stringify(Object.fromEntries(model.inputs.map(name => [name, null])), null, 1);
  clear();
}

function clear() { $("wrong").textContent = $("answer").textContent = ""; $("found").hidden = true; }

function bar(name, share) {
  const row = document.createElement("li"), text = document.createElement("div"), line = document.createElement("i");
  for (const each of [name, (100 * share).toFixed(1) + " %"]) {
    const part = document.createElement("span");
    part.textContent = each;
    text.append(part);
  }
  line.style.width = 100 * share + "%";
  row.append(text, line);
  return row;
}

async function answer(body, headers, photo) {
  clear();
  const started = performance.now(), model = chosen();
  try {
    const path = `/v1/models/${encodeURIComponent(model.name)}:predict`;
    const found = (await ask(path, {method: "POST", body, headers})).predictions[0];
    $("time").textContent = `${Math.round(performance.now() - started)} ms`;
    if (found.probabilities && model.classes.length) {
      const ranked = model.classes.map((name, at) => [name, found.probabilities[at]]).sort((a, b) => b[1] - a[1]);
      $("labels").replaceChildren(...ranked.slice(0, 8).map(([name, share]) => bar(name, share)));
      $("photo").hidden = !photo;
      if (photo) $("photo").src = photo;
      $("found").hidden = false;
    } else {
      $("answer").textContent = JSON.stringify(found, null, 1).slice(0, 20000);
    }
  } catch (error) {
    $("wrong").textContent = error.message;
  }
}

function photo(file) {
  if (file) answer(file, {"Content-Type": "image/any"}, URL.createObjectURL(file));
}

$("file").addEventListener("change", event => photo(event.target.files[0]));
$("model").addEventListener("change", show);
$("other").addEventListener("submit", event => {
  event.preventDefault();
  answer(`{"instances": [${$("json").value}]}`, {"Content-Type": "application/json"});
});
addEventListener("dragover", event => { event.preventDefault(); $("drop").classList.add("over"); });
addEventListener("dragleave", () => $("drop").classList.remove("over"));
addEventListener("drop", event => {
  event.preventDefault();
  $("drop").classList.remove("over");
  photo(event.dataTransfer.files[0]);
});
addEventListener("paste", event => photo(event.clipboardData.files[0]));
ask("/v1/models").then(found => {
  models = found.models;
  $("model").replaceChildren(...models.map(each => new Option(each.name, each.name)));
  show();
}).catch(error => { $("wrong").textContent = error.message; });
</script>
</body>
</html>
"""
