// What all parts of the page use: its data, and functions that make elements.

const data = JSON.parse(document.getElementById("data").textContent);
const { run, topics, words } = data;
const byShare = topics.map((_, k) => k).sort((a, b) => topics[b].share - topics[a].share || a - b);
const placeOf = new Map(words.text.map((word, i) => [word, i]));
const $ = (id) => document.getElementById(id);
const part = (id, selector) => $(id).querySelector(selector);
const count = (n) => n.toLocaleString("en-US");
const percent = (p, digits = 1) => `${(100 * p).toFixed(digits)}%`;
const colour = (k) => `var(--f${topics[k].family})`;
// The colour of a topic beside others in a bar, where those of one family would look alike.
const beside = (k) => `var(--s${topics[k].beside})`;
const firstWords = (k, n) =>
  topics[k].words
    .slice(0, n)
    .map((j) => words.text[j])
    .join(" ");
// The first n of a topic's words that its name does not have: as a word of its own where letters are Latin.
const inLetters = /[\p{Script=Latin}\p{N}_]/u;
function unsaid(name, all, n) {
  const text = name.toLowerCase();
  const has = (word) => {
    const cut = (i, letter) => inLetters.test(text[i] || "") && inLetters.test(letter);
    for (let at = text.indexOf(word); at >= 0 && word; at = text.indexOf(word, at + 1)) {
      if (!cut(at - 1, word[0]) && !cut(at + word.length, word.at(-1))) return true;
    }
    return false;
  };
  return all
    .filter((word) => !has(word.toLowerCase()))
    .slice(0, n)
    .join(" ");
}
const label = (k, n = 3) => topics[k].name || firstWords(k, n);
const say = (key, values = {}) => data.strings[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
// A text with its abbreviations explained; those that were met are listed at the end of the page.
const terms = Object.keys(data.strings)
  .filter((key) => key.startsWith("term."))
  .map((key) => key.slice(5));
const met = new Set();
const term = new RegExp(
  `(?<![\\p{Script=Latin}\\p{Script=Greek}_])(${[...terms].sort((a, b) => b.length - a.length).join("|")})(?![\\p{Script=Latin}\\p{Script=Greek}_])`,
  "u",
);
const explained = (text) =>
  text.split(term).map((piece, i) => {
    if (i % 2 === 0) return piece;
    met.add(piece);
    return el("abbr", { title: say(`term.${piece}`) }, piece);
  });
const unitOf = (unit) => say(`unit.${unit}`);
const language = run.lang === "zh" ? "zh-Hans" : run.lang;

// Text of the corpus is always set as text, so that nothing in it can become markup.
function make(namespace, tag, attributes, children) {
  const node = namespace ? document.createElementNS(namespace, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
}
const el = (tag, attributes, ...children) => make(null, tag, attributes, children);
const svg = (tag, attributes, ...children) => make("http://www.w3.org/2000/svg", tag, attributes, children);
const dot = (k) => el("i", { class: "dot", style: `background:${colour(k)}` });
const bar = (share, k) =>
  el(
    "span",
    { class: "track", style: `color:${colour(k)}` },
    el("i", { style: `width:${Math.max(0, Math.min(100, 100 * share)).toFixed(2)}%` }),
  );
const chip = (text, more, act, colour) =>
  el(
    "li",
    {},
    el(
      "button",
      { type: "button", on: { click: act } },
      colour ? el("i", { class: "dot", style: `background:${colour}` }) : null,
      el("span", { lang: language }, text),
      more ? el("small", {}, more) : null,
    ),
  );
