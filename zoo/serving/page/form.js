"use strict";
// What a request is made of: a control for each type of input, and the value in it.

const CONTROLS = {
  image: () => {
    const drop = made("label", "Drop a photo here, paste one, or "), file = made("input"), shown = made("img");
    Object.assign(file, {type: "file", id: "file", accept: "image/*"});
    file.addEventListener("change", () => {
      send(file.files[0]);
      file.value = ""; // the same file can be chosen again
    });
    Object.assign(drop, {id: "drop"}).append(made("u", "choose a file"), file);
    Object.assign(shown, {id: "photo", alt: "Your photo", hidden: true});
    shown.addEventListener("load", () => { shown.hidden = false; sized(shown, shown.naturalWidth); });
    shown.addEventListener("error", () => { shown.hidden = true; }); // a format that the browser does not show
    return wide(drop, shown);
  },
  number: input => {
    const field = made("input");
    Object.assign(field, {type: "number", step: "any", placeholder: "missing", value: input.example ?? ""});
    return labelled(input.column, named(field, input));
  },
  category: input => {
    const known = input.categories ?? [], other = made("input"), value = input.example ?? (input.only ? known[0] : "");
    const select = made("select"), label = `Another value of ${input.column}`;
    const names = known.includes("") || input.only ? known : [...known, ""];
    select.append(...names.map(each => new Option(each || "(missing)", `=${each}`)));
    if (!input.only) select.append(new Option("another value ...", "other"));
    select.value = names.includes(value) ? `=${value}` : "other";
    Object.assign(other, {value: names.includes(value) ? "" : value, ariaLabel: label});
    other.hidden = select.value !== "other";
    select.addEventListener("change", () => {
      other.hidden = select.value !== "other";
      if (!other.hidden) other.focus();
    });
    const box = labelled(input.column, named(select, input));
    if (!input.only) box.append(other);
    return box;
  },
  written: input => {
    const value = input.example ?? "", placeholder = "missing";
    return labelled(`${input.column}, as ${input.pattern}`, named(Object.assign(made("input"), {value, placeholder}), input));
  },
  date: input => {
    const value = input.example ?? "", placeholder = "2024-03-31 18:05";
    return labelled(`${input.column}, a date`, named(Object.assign(made("input"), {value, placeholder}), input));
  },
  text: input => {
    const required = !input.column; // one column of several may be empty
    const field = Object.assign(made("textarea"), {value: input.example ?? "", rows: 5, required});
    return wide(labelled(input.column ?? "Text", named(field, input)));
  },
  sequence: input => {
    const many = input.features.length > 1, steps = [...input.example ?? []];
    while (steps.length && steps.at(-1).every(each => each === null)) steps.pop();
    const rows = steps.map(step => step.map(each => each ?? "nan").join(", "));
    const height = many ? Math.min(Math.max(rows.length, 5), 15) : 4;
    const field = Object.assign(made("textarea"), {value: rows.join(many ? "\n" : ", "), rows: height, required: true});
    const count = input.length ? `${input.shorter ? "up to " : ""}${input.length} steps` : "any number of steps";
    const how = many ? `one step a line, in the order ${listed(input.features)}` : "separated by commas or spaces";
    const hint = made("span", `${count}, ${how}; nan for a missing number`, "hint");
    return wide(labelled(many ? "Sequence" : input.features[0], named(field, input)), hint);
  },
  numbers: input => {
    const value = input.example === undefined ? "" : JSON.stringify(input.example);
    const field = Object.assign(made("textarea"), {value, rows: 5, required: true});
    const size = input.shape.map(each => each ?? "any").join(" × ");
    return wide(labelled(input.name, named(field, input)), made("span", `a list of ${size} numbers, as JSON`, "hint"));
  },
  code: input => {
    const field = Object.assign(made("textarea"), {rows: 4, required: true}), again = made("button", "New code");
    const draw = () => { field.value = Array.from({length: input.length}, normal).join(", "); };
    again.type = "button";
    again.addEventListener("click", draw);
    draw();
    const hint = made("span", `${input.length} numbers, each drawn from a standard normal distribution `, "hint");
    hint.append(again);
    return wide(labelled("Code", named(field, input)), hint);
  },
};

// The value of a control as JSON has it. What the server does not say about it goes into `notes`.
const VALUES = {
  number: (input, field, notes) => {
    if (field.value !== "") return field.valueAsNumber;
    notes.push(`${input.column} is missing: the mean of training stands in for it`);
    return null;
  },
  category: (input, field) => {
    const other = field.closest("div").querySelector("input");
    return field.value === "other" ? other.value : field.value.slice(1);
  },
  written: (input, field, notes) => missing(input, field, notes),
  date: (input, field, notes) => missing(input, field, notes),
  text: (input, field, notes) => {
    if (!input.words) return field.value;
    const words = spaced(field.value), known = new Set(input.words);
    const unseen = [...new Set(words)].filter(each => !known.has(each));
    if (unseen.length) notes.push(`never seen in training: ${listed(unseen, 12)}`);
    if (words.length > input.length) notes.push(`the model reads the first ${input.length} of ${words.length} words`);
    return field.value;
  },
  sequence: (input, field) => {
    const many = input.features.length > 1;
    const lines = field.value.trim().split(many ? /\n/ : /[\s,;]+/);
    const steps = lines.map((line, at) => numbers(line, `step ${at + 1}`));
    if (input.shorter && input.length) while (steps.length < input.length) steps.push(input.features.map(() => null));
    return steps;
  },
  numbers: (input, field) => JSON.parse(field.value),
  code: (input, field) => numbers(field.value.trim(), "code"),
};

function missing(input, field, notes) {
  if (!field.value.trim()) notes.push(`${input.column} is missing`);
  return field.value;
}

function numbers(text, where) {
  return text.split(/\s*[,;\t]\s*|\s+/).map(cell => {
    if (/^(|nan|null)$/i.test(cell)) return null;
    if (Number.isFinite(Number(cell))) return Number(cell);
    throw new Error(`${where}: expected a number, received “${cell}”.`);
  });
}

// Words as the model's preprocessing has them: see zoo.data.preprocessing.spaced_words.
function spaced(text) {
  const parted = text.toLowerCase().replace(/<br\s*\/?>/g, " ").replace(/[\u2018\u2019]/g, "'");
  const words = parted.replace(/[!?\p{So}]/gu, " $& ").split(/[^\p{L}\p{M}\p{N}\p{So}!?']+/u);
  return words.flatMap(each => each.split(/^'+|'+$|''+/)).filter(Boolean);
}

// Of the normal distribution (Box and Muller 1958), with digits enough to tell pictures apart.
const normal = () =>
  Math.round(1000 * Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())) / 1000;
