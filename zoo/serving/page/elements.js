"use strict";
// Elements of the page, and texts in them.

const $ = id => document.getElementById(id);

function made(tag, text = "", name = "") {
  return Object.assign(document.createElement(tag), {textContent: text, className: name});
}

function wide(...parts) {
  const box = made("div", "", "wide");
  box.append(...parts);
  return box;
}

function labelled(text, control) {
  const box = made("div"), label = made("label", text);
  label.append(control);
  box.append(label);
  return box;
}

const named = (control, input) => Object.assign(control, {name: `=${input.name}`});
const percent = share => `${(100 * share).toFixed(1)} %`;
const sized = (element, width) => element.classList.toggle("small", width < 192);
const cut = text => text.length > 20000 ? `${text.slice(0, 20000)}\n... ${text.length - 20000} characters more` : text;
const listed = (names, most = 20) =>
  names.slice(0, most).join(", ") + (names.length > most ? ` and ${names.length - most} more` : "");

function short(value) {
  const size = Math.abs(value);
  if (size && (size < 1e-4 || size >= 1e9)) return value.toPrecision(4);
  const whole = size < 1 ? 1 : Math.floor(Math.log10(size)) + 1; // digits before the point, none of which is rounded
  return value.toLocaleString("en", {maximumSignificantDigits: Math.max(4, whole)});
}
