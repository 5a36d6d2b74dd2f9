// The list of topics, and the topic that is chosen.

let chosen = -1;
// Where the slider of relevance stands, among its weights.
const { weights } = data.relevance;
let position = data.relevance.start;

function list() {
  const most = topics[byShare[0]].share;
  $("list").append(
    ...byShare.map((k) =>
      el(
        "li",
        {},
        el(
          "button",
          { type: "button", id: `item-${k}`, on: { click: () => choose(k, true), keydown: (e) => walk(e, k) } },
          el("span", { class: "number" }, String(k)),
          el("span", { class: "words", lang: language }, line(k)),
          el("span", { class: "share" }, percent(topics[k].share)),
          bar(topics[k].share / most, k),
        ),
      ),
    ),
  );
}

// The words of a topic at the slider's position, with their probabilities, best first.
const chosenWords = (k) => {
  const { words: every, p, orders } = topics[k].choices;
  return orders[position].map((i) => [every[i], p[i]]);
};

// A topic in the list: its words, or its name and words that the name does not have.
function line(k) {
  const shown = chosenWords(k).map(([j]) => words.text[j]);
  const { name } = topics[k];
  if (!name) return [shown.slice(0, 5).join(" ")];
  const others = unsaid(name, shown, 3);
  return [el("span", { class: "name" }, name), others ? el("small", {}, ` · ${others}`) : null];
}

function weigh() {
  const slider = $("weight"),
    output = part("topics", ".weight output");
  part("topics", ".weight").hidden = false;
  const tell = () => {
    output.textContent = weights[position].toFixed(1);
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  slider.value = weights[position];
  tell();
  slider.addEventListener("input", () => {
    position = Math.round(slider.value * (weights.length - 1));
    tell();
    for (const k of byShare) part(`item-${k}`, ".words").replaceChildren(...line(k).filter(Boolean));
    part("detail", ".weighed").replaceWith(weighed(chosen));
  });
}

function walk(event, k) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const next = step && byShare[byShare.indexOf(k) + step];
  if (next === undefined) return;
  event.preventDefault();
  $(`item-${next}`).focus();
  choose(next, false);
}

function choose(k, show) {
  if (chosen >= 0) $(`item-${chosen}`).removeAttribute("aria-current");
  chosen = k;
  const item = $(`item-${k}`);
  item.setAttribute("aria-current", "true");
  const box = $("list");
  if (item.offsetTop < box.scrollTop || item.offsetTop + item.offsetHeight > box.scrollTop + box.clientHeight)
    box.scrollTop = item.offsetTop - box.clientHeight / 3;
  detail(k);
  if (show) {
    history.replaceState(null, "", `#topic-${k}`);
    const top = $("detail").getBoundingClientRect().top;
    if (top < 60 || top > innerHeight * 0.6) $("detail").scrollIntoView({ block: "start" });
  }
  for (const disc of document.querySelectorAll("#map .disc"))
    disc.classList.toggle("chosen", disc.dataset.topic === String(k));
}

// The words of a topic as bars. The slider tells its value itself; fifteen words at each step would drown it.
function weighed(k) {
  const shown = chosenWords(k),
    most = Math.max(...shown.map(([, p]) => p)),
    weight = weights[position];
  return el(
    "div",
    { class: "weighed", "aria-live": "off" },
    el("h3", {}, explained(weight < 1 ? say("topics.relevant", { weight: weight.toFixed(1) }) : say("topics.words"))),
    el(
      "div",
      { class: "bars" },
      shown.flatMap(([j, p]) => [
        el("button", { type: "button", lang: language, on: { click: () => word(j) } }, words.text[j]),
        bar(p / most, k),
        el("span", {}, percent(p, p < 0.001 ? 3 : 2)),
      ]),
    ),
  );
}

function detail(k) {
  const topic = topics[k];
  const blocks = [
    el("h2", {}, dot(k), say("topics.topic", { k }), el("span", { lang: language }, label(k))),
    el(
      "p",
      { class: "facts" },
      explained(say("topics.facts", {
        share: percent(topic.share),
        npmi: topic.npmi.toFixed(3).replace("-", "−"),
        rank: run.page_lang === "en" ? ordinal(byShare.indexOf(k) + 1) : byShare.indexOf(k) + 1,
      })),
    ),
  ];
  const columns = el("div", { class: "columns" });
  columns.append(weighed(k));
  const side = el("div", {});
  if (topic.near)
    side.append(
      el("h3", {}, say("topics.nearest")),
      el(
        "ul",
        { class: "chips" },
        topic.near.map(([j, cosine]) => chip(words.text[j], cosine.toFixed(2), () => word(j))),
      ),
    );
  if (topic.similar.length)
    side.append(
      el("h3", {}, say("topics.similar")),
      el(
        "ul",
        { class: "chips" },
        topic.similar.map(([j, shared]) => chip(label(j), percent(shared, 0), () => choose(j, true))),
      ),
    );
  if (data.time && !data.moving)
    side.append(
      el("h3", {}, say("topics.time", { unit: unitOf(data.time.unit) })),
      panelChart(
        data.time.bins,
        [{ values: data.time.shares[k], colour: colour(k) }],
        (v) => percent(v, v < 0.1 ? 1 : 0),
        true,
        data.time.documents,
      ),
    );
  columns.append(side);
  blocks.push(columns);
  if (data.moving) blocks.push(moving(k));
  blocks.push(
    ...(data.content ? byGroup(topic.by_group) : []),
    el("h3", {}, say("topics.documents")),
    el("ul", { class: "texts" }, topic.documents.map(text)),
  );
  if (data.texts_missing) blocks.push(el("p", { class: "note" }, say("topics.missing", { reason: data.texts_missing })));
  blocks.push(more(k));
  $("detail").replaceChildren(...blocks);
}

// A topic's words in each group of documents, below each other: what all say, what one says more, and less.
function byGroup(rows) {
  const { field, levels } = data.content;
  const cell = (places) =>
    el(
      "td",
      {},
      places.map((j) =>
        el("button", { type: "button", lang: language, on: { click: () => word(j) } }, words.text[j]),
      ),
    );
  return [
    el("h3", {}, say("content.title", { field })),
    el("p", { class: "note" }, say("content.note")),
    el(
      "div",
      { class: "by-group", role: "region", "aria-label": say("content.title", { field }), tabindex: "0" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, field),
            el("th", { scope: "col" }, say("content.words")),
            el("th", { scope: "col" }, say("content.more")),
            el("th", { scope: "col" }, say("content.less")),
          ),
        ),
        el(
          "tbody",
          {},
          rows.map((row, g) => el("tr", {}, el("th", { scope: "row", lang: language }, levels[g]), row.map(cell))),
        ),
      ),
    ),
  ];
}

const ordinal = (n) => `${n}${n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] || "th"}`;

function text(document) {
  const share = document.topics.map((x, i) => (i % 2 ? `${x}%` : say("topics.small", { k: x })));
  return el(
    "li",
    {},
    el(
      "p",
      { class: "id" },
      el("span", {}, document.id),
      el(
        "span",
        {},
        share.slice(0, 4).reduce((out, x, i) => out + (i ? (i % 2 ? " " : ", ") : "") + x, ""),
      ),
    ),
    document.title ? el("p", { class: "title", lang: language }, document.title) : null,
    el(
      "p",
      { lang: language },
      document.parts.map((x, i) => (i % 2 ? el("mark", {}, x) : x)),
    ),
  );
}

function more(k) {
  const rows = [];
  data.documents.topics.forEach((pairs, i) => {
    for (let j = 0; j < pairs.length; j += 2) if (pairs[j] === k) rows.push([pairs[j + 1], i]);
  });
  rows.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  const drawn =
    data.documents.id.length < data.documents.of
      ? say("topics.drawn", { some: count(data.documents.id.length), all: count(data.documents.of) })
      : "";
  const box = el("ul", { class: "listed" });
  const button = el("button", { type: "button", class: "plain more", on: { click: () => add(25) } }, say("topics.more"));
  let shown = 0;
  function add(n) {
    for (const [share, i] of rows.slice(shown, shown + n))
      box.append(
        el(
          "li",
          {},
          el("span", { class: "share" }, `${share}%`),
          el("span", { class: "id" }, data.documents.id[i]),
          el("span", { lang: language }, data.documents.text[i]),
        ),
      );
    shown += n;
    button.hidden = shown >= rows.length;
  }
  add(8);
  return el(
    "div",
    {},
    el("h3", {}, say("topics.listed", { count: count(rows.length), drawn })),
    box,
    button,
  );
}
