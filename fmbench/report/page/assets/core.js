"use strict";
// What all parts share: elements made of text alone, the state in the address, the theme, and the datasets.

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

/** An element; children that are no elements become text, so no name can become markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** A number for people: four digits that count. */
function shown(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en").replaceAll(",", "\u202f");
  if (Math.abs(value) < 1e-3) return Number(value.toPrecision(3)).toExponential();
  return String(Number(value.toPrecision(4)));
}

/** The bytes that base64 spells; a loop, as Uint8Array.from would take a second for plotly. */
function bytesOf(text) {
  const letters = atob(text.trim());
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) bytes[at] = letters.charCodeAt(at);
  return bytes;
}

// The state lives in the address alone: a copied address shows the same, and so does a reloaded page.
let state = new URLSearchParams();

function readState() {
  const text = location.hash.slice(1);
  const anchor = text && !text.includes("=") ? document.getElementById(decodeURIComponent(text)) : null;
  state = new URLSearchParams(text.includes("=") ? text : "");
  if (anchor && anchor.matches("tr[data-row]")) state.set("row", anchor.id);
}

/** Change the state: null takes a key away, a list sets it several times. */
function remember(changes) {
  for (const [key, value] of Object.entries(changes)) {
    state.delete(key);
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== "") state.append(key, one);
  }
  history.replaceState(null, "", `#${state}`);
}

const sections = $$("section.dataset").map((section, index) => {
  let data = null;
  return {
    section,
    index,
    name: section.dataset.name,
    listeners: [],
    get data() {
      data ??= JSON.parse($(`#data-${index}`).textContent);
      return data;
    },
    /** The rows that pass the filters, as a set of places. */
    rows: null,
  };
});

function current() {
  return sections.find((one) => !one.section.hidden);
}

function show(name) {
  const chosen = sections.find((one) => one.name === name) ?? sections[0];
  for (const one of sections) one.section.hidden = one !== chosen;
  for (const link of $$(".tabs a")) {
    if (Number(link.dataset.dataset) === chosen.index) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  return chosen;
}

const THEMES = { "": ["◐ Auto", "as the system's"], light: ["◐ Light", "light"], dark: ["◐ Dark", "dark"] };
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const themeListeners = [];

function theme() {
  return state.get("theme") in THEMES ? state.get("theme") : "";
}

function dark() {
  return theme() ? theme() === "dark" : systemDark.matches;
}

function applyTheme() {
  const [word, spoken] = THEMES[theme()];
  document.documentElement.style.colorScheme = theme() || "light dark";
  document.documentElement.classList.toggle("dark", dark());
  $("#theme").textContent = word;
  $("#theme").setAttribute("aria-label", `Colours: ${spoken}`);
  themeListeners.forEach((listener) => listener());
}

function nextTheme() {
  const names = Object.keys(THEMES);
  remember({ theme: names[(names.indexOf(theme()) + 1) % names.length] });
  applyTheme();
}

/** Call back once, when an element first comes near the visible part of the page. */
function whenSeen(element, callback) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      callback();
    },
    { rootMargin: "100px" },
  );
  observer.observe(element);
}
