// The list of topics, and the topic that is chosen.

let chosen = -1;

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
          el(
            "span",
            { class: "words", lang: language },
            topics[k].name ? `${topics[k].name} · ${firstWords(k, 3)}` : label(k, 5),
          ),
          el("span", { class: "share" }, percent(topics[k].share)),
          bar(topics[k].share / most, k),
        ),
      ),
    ),
  );
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

function detail(k) {
  const topic = topics[k],
    most = topic.p[0];
  const blocks = [
    el("h2", {}, dot(k), `Topic ${k}`, el("span", { lang: language }, label(k))),
    el(
      "p",
      { class: "facts" },
      `${percent(topic.share)} of the words · NPMI ${topic.npmi.toFixed(3)} · ${ordinal(byShare.indexOf(k) + 1)} by share`,
    ),
  ];
  const columns = el("div", { class: "columns" });
  columns.append(
    el(
      "div",
      {},
      el("h3", {}, "Most probable words"),
      el(
        "div",
        { class: "bars" },
        topic.words.flatMap((j, i) => [
          el("button", { type: "button", lang: language, on: { click: () => word(j) } }, words.text[j]),
          bar(topic.p[i] / most, k),
          el("span", {}, percent(topic.p[i], 2)),
        ]),
      ),
    ),
  );
  const side = el("div", {});
  if (topic.near)
    side.append(
      el("h3", {}, "Nearest words in the embedding space"),
      el(
        "ul",
        { class: "chips" },
        topic.near.map(([j, cosine]) => chip(words.text[j], cosine.toFixed(2), () => word(j))),
      ),
    );
  if (topic.similar.length)
    side.append(
      el("h3", {}, "Similar topics"),
      el(
        "ul",
        { class: "chips" },
        topic.similar.map(([j, shared]) => chip(label(j), percent(shared, 0), () => choose(j, true))),
      ),
    );
  if (data.time)
    side.append(
      el("h3", {}, `Share by ${data.time.unit}`),
      panelChart(
        data.time.bins,
        [{ values: data.time.shares[k], colour: colour(k) }],
        (v) => percent(v, v < 0.1 ? 1 : 0),
        true,
      ),
    );
  columns.append(side);
  blocks.push(
    columns,
    el("h3", {}, "Representative documents"),
    el("ul", { class: "texts" }, topic.documents.map(text)),
  );
  if (data.texts_missing) blocks.push(el("p", { class: "note" }, `Only first words are shown: ${data.texts_missing}.`));
  blocks.push(more(k));
  $("detail").replaceChildren(...blocks);
}

const ordinal = (n) => `${n}${n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] || "th"}`;

function text(document) {
  const share = document.topics.map((x, i) => (i % 2 ? `${x}%` : `topic ${x}`));
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
      ? ` of ${count(data.documents.id.length)} drawn from ${count(data.documents.of)}`
      : "";
  const box = el("ul", { class: "listed" });
  const button = el("button", { type: "button", class: "plain more", on: { click: () => add(25) } }, "Show more");
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
    el("h3", {}, `${count(rows.length)} documents${drawn} with the topic among their three largest`),
    box,
    button,
  );
}
