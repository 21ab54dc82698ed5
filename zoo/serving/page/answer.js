"use strict";
// The answer in words and pictures, and the same request from a program.

// A class that leads the next one by less is unsure. Of 502 held-out answers of three small models (tumours, irises,
// digits) 64 had a smaller lead, of which 22 were wrong; of the other 438 it was 10.
const LEAD = 0.2;
// Of the classes of pixels, from the second on; as zoo/pictures/overlays.py has them.
const COLOURS = [
  [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167],
];
const FEW = 8; // classes that are shown at once

function answer(model, said) {
  for (const id of ["drawing", "picture", "labels", "more"]) $(id).hidden = true;
  if ([said.probabilities, said.prediction, said.score].flat().includes(null)) { // numbers that overflow in the model
    headline("no answer");
    $("beside").textContent = "The model comes to no finite number for this.";
  } else if (said.probabilities) classes(model, said);
  else if (said.prediction) values(model, said.prediction);
  else if ("is_anomaly" in said) verdict(model, said);
  else if (ofForm(model, "mask")) mask(model, said);
  else if (said.image_bytes) picture(said.image_bytes.b64);
  else others(model, said);
  if (said.is_known === false) $("unsure").textContent = "unknown: it is unlike what the model learnt from";
}

// Values of a task that has no display of its own: each by its name.
function others(model, said) {
  for (const [name, value] of Object.entries(said)) {
    const one = Array.isArray(value) && value.length === 1 ? value[0] : value;
    const text = typeof one === "number" ? short(one) : typeof one === "boolean" ? (one ? "yes" : "no") : JSON.stringify(one);
    const told = made("dd", text);
    if (model.values[name]) told.append(" ", made("small", model.values[name].meaning, "hint"));
    $("values").append(made("dt", name), told);
  }
}

function classes(model, said) {
  const ranked = model.classes.map((name, at) => [name, said.probabilities[at]]).sort((a, b) => b[1] - a[1]);
  const rounded = share => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
  const told = pairs => pairs.map(([name, share]) => `${name} ${rounded(share)}`).join(", ");
  if (model.values.label?.form === "names") {
    headline(ranked.filter(each => each[1] >= 0.5).map(each => each[0]).join(", ") || "none of the labels");
    const near = ranked.filter(each => Math.abs(2 * each[1] - 1) < LEAD); // a label against its absence
    if (near.length) doubt(near, "a label is given from 50 % on");
  } else {
    headline(ranked[0][0], percent(ranked[0][1]));
    if (ranked.length > 1 && ranked[0][1] - ranked[1][1] < LEAD) {
      doubt(ranked.slice(0, 2), `the first leads by less than ${100 * LEAD} points`);
    }
  }
  function doubt(pairs, why) { $("unsure").textContent = `unsure: ${told(pairs)} (${why})`; }
  const rest = ranked.length > FEW + 2 ? ranked.length - FEW : 0;
  const list = count => $("labels").replaceChildren(...ranked.slice(0, count).map(bar));
  list(ranked.length - rest);
  $("labels").hidden = false;
  $("more").hidden = !rest;
  $("more").textContent = `and ${rest} more`;
  $("more").onclick = () => { list(ranked.length); $("more").hidden = true; $("labels").children[FEW].focus(); };
}

const ofForm = (model, form) => Object.keys(model.values).find(name => model.values[name].form === form);

// A photo with its classes in colours, and how much of it each takes.
function mask(model, said) {
  const encoded = `data:image/png;base64,${said[ofForm(model, "mask")].b64}`, image = new Image(), mine = latest;
  const save = Object.assign(made("a", "Save the mask"), {href: encoded, download: "mask.png"});
  const colour = at => at ? COLOURS[(at - 1) % COLOURS.length] : null;
  headline("classes in colours");
  $("beside").append("The mask is a PNG of the size of the photo. ", save);
  image.src = encoded;
  Promise.all([image.decode(), $("photo").decode().catch(() => null)]).then(() => {
    if (mine === latest) overlay(image, model.beside.mask_values, colour);
  });
  const ranked = model.classes.map((name, at) => [name, said.shares[at], colour(at)]).sort((a, b) => b[1] - a[1]);
  $("labels").replaceChildren(...ranked.map(bar));
  $("labels").hidden = false;
}

function overlay(image, values, colour) {
  const width = image.naturalWidth, height = image.naturalHeight, canvas = $("drawing"), photo = $("photo");
  Object.assign(canvas, {width, height, hidden: false});
  canvas.setAttribute("aria-label", "The photo with its classes");
  sized(canvas, width);
  const sheet = canvas.getContext("2d", {willReadFrequently: true});
  sheet.drawImage(image, 0, 0);
  const greys = sheet.getImageData(0, 0, width, height).data, colours = new Map(values.map((grey, at) => [grey, colour(at)]));
  sheet.fillStyle = "white"; // what a browser can't show, as TIFF, has its colours alone
  sheet.fillRect(0, 0, width, height);
  if (photo.naturalWidth) sheet.drawImage(photo, 0, 0, width, height);
  const shown = sheet.getImageData(0, 0, width, height);
  for (let at = 0; at < greys.length; at += 4) {
    const rgb = colours.get(greys[at]);
    for (let channel = 0; rgb && channel < 3; channel++) {
      shown.data[at + channel] = (shown.data[at + channel] + rgb[channel]) / 2;
    }
  }
  sheet.putImageData(shown, 0, 0);
}

function bar([name, share, colour]) {
  const row = made("li"), text = made("div"), line = made("i");
  text.append(made("span", name), made("span", percent(share)));
  line.style.width = `${100 * share}%`;
  if (colour) Object.assign(line, {className: "colour"}).style.background = `rgb(${colour})`;
  row.tabIndex = -1;
  row.append(text, line);
  return row;
}

function values(model, prediction) {
  const off = model.classes.map(name => model.errors[name] === undefined ? "" : `off by ${short(model.errors[name])}`);
  if (prediction.length === 1) {
    headline(short(prediction[0]), model.classes[0]);
    if (off[0]) $("beside").textContent = `On held-out examples it was ${off[0]} on average.`;
    return;
  }
  for (const [at, value] of prediction.entries()) {
    const told = made("dd", short(value));
    if (off[at]) told.append(" ", made("small", off[at], "hint"));
    $("values").append(made("dt", model.classes[at] ?? `value ${at + 1}`), told);
  }
  if (off.some(Boolean)) $("beside").textContent = "Off by so much on average, on held-out examples.";
}

function verdict(model, said) {
  headline(said.is_anomaly ? "anomaly" : "normal");
  $("beside").textContent = `Score ${short(said.score)}; over ${short(model.threshold)} it is an anomaly.`;
  if (said.map_bytes) {
    $("beside").append(" The lighter the map, the odder the photo is there:");
    shown(said.map_bytes.b64, "The map of what is odd");
    return;
  }
  if (model.kind !== "images") return;
  $("beside").append(" This is what the model makes of your photo:");
  $("drawing").setAttribute("aria-label", "The reconstruction");
  const rows = said.reconstruction, height = rows.length, width = rows[0].length, canvas = $("drawing");
  Object.assign(canvas, {width, height, hidden: false});
  sized(canvas, width);
  const pixels = rows.flat().flatMap(each => each.length === 1 ? [each[0], each[0], each[0], 255] : [...each, 255]);
  canvas.getContext("2d").putImageData(new ImageData(Uint8ClampedArray.from(pixels), width, height), 0, 0);
}

function picture(b64) {
  headline("a new picture");
  shown(b64, "The new picture");
}

function shown(b64, alt) {
  const place = $("picture");
  place.onload = () => sized(place, place.naturalWidth);
  place.src = `data:image/png;base64,${b64}`;
  place.alt = alt;
  place.hidden = false;
}

function headline(text, beside = "") {
  $("headline").textContent = text;
  if (beside) $("headline").append(" ", made("small", beside));
}

function copies(headers, {body, file}) {
  const url = `${location.origin}${path()}:predict`, type = headers["Content-Type"];
  const bearer = token ? ' -H "Authorization: Bearer $ZOO_TOKEN"' : "";
  const content = file ? `--data-binary ${quoted(`@${file}`)}` : `-d ${quoted(JSON.stringify(body))}`;
  $("curl").textContent = `curl -sS ${content} -H ${quoted(`Content-Type: ${type}`)}${bearer} ${quoted(url)}`;
  const secret = token ? ', "Authorization": "Bearer " + os.environ["ZOO_TOKEN"]' : "";
  $("python").textContent = [
    `import json, ${token ? "os, " : ""}urllib.request`,
    `body = ${file ? `open(${JSON.stringify(file)}, "rb").read()` : `json.dumps(${literal(body)}).encode()`}`,
    `headers = {"Content-Type": ${JSON.stringify(type)}${secret}}`,
    `request = urllib.request.Request(${JSON.stringify(url)}, body, headers)`,
    "print(json.dumps(json.load(urllib.request.urlopen(request))))",
  ].join("\n");
  $("secret").hidden = !token;
}

// For a shell of Unix.
const quoted = text => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

// JSON as Python writes it.
function literal(value) {
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${literal(each)}`).join(", ")}}`;
}

function copy(event) {
  const id = event.target.dataset.copy;
  if (!id) return;
  getSelection().selectAllChildren($(id));
  document.execCommand("copy"); // there is no navigator.clipboard over plain HTTP
  event.target.textContent = "Copied";
  setTimeout(() => { event.target.textContent = "Copy"; }, 2000);
}
