"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { run, topics, words } = data;
  const byShare = topics.map((_, k) => k).sort((a, b) => topics[b].share - topics[a].share || a - b);
  const placeOf = new Map(words.text.map((word, i) => [word, i]));
  const $ = (id) => document.getElementById(id);
  const part = (id, selector) => $(id).querySelector(selector);
  const count = (n) => n.toLocaleString("en-US");
  const percent = (p, digits = 1) => `${(100 * p).toFixed(digits)}%`;
  const colour = (k) => `var(--f${topics[k].family})`;
  const firstWords = (k, n) => topics[k].words.slice(0, n).map((j) => words.text[j]).join(" ");
  const label = (k, n = 3) => topics[k].name || firstWords(k, n);
  const language = run.lang === "zh" ? "zh-Hans" : run.lang;

  // Text of the corpus is only ever set as text: nothing in it can become markup.
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
  const bar = (share, k) => el("span", { class: "track", style: `color:${colour(k)}` },
    el("i", { style: `width:${Math.max(0, Math.min(100, 100 * share)).toFixed(2)}%` }));
  const chip = (text, more, act) => el("li", {}, el("button", { type: "button", on: { click: act } },
    el("span", { lang: language }, text), more ? el("small", {}, more) : null));

  // The head of the page

  function head() {
    const kind = { etm: "ETM", gsm: "NVDM-GSM", lda: "LDA" }[run.kind] || run.kind;
    $("name").textContent = run.name;
    const documents = run.train + run.valid + run.test;
    const trained = run.seconds ? `, trained in ${run.seconds.toFixed(run.seconds < 10 ? 1 : 0)} s (${run.epochs} epochs)` : "";
    $("lead").textContent = `${topics.length} topics of ${count(documents)} documents of ${run.corpus}: ${kind}`
      + (run.kind === "etm" ? `, ${run.variant} variant` : "") + `${trained}.`;
    const cards = [
      ["documents", count(run.train), `to train, ${count(run.valid)} to validate, ${count(run.test)} to test`],
      ["vocabulary", count(run.vocabulary), `words; ${count(run.tokens)} tokens to train on`],
    ];
    for (const [title, name, said] of [
      ["coherence", "NPMI", "NPMI of the top 10 words, in training documents"],
      ["held-out coherence", "NPMI, held out", "the same, in test documents"],
      ["diversity", "diversity", "unique share of the top 25 words"],
      ["perplexity", "perplexity", "by document, of held-out halves"],
    ]) {
      const row = data.figures.filter((one) => one[0] === name).at(name === "diversity" ? -1 : 0);
      if (row) cards.push([title, row[1].replace("-", "−"), said]);
    }
    $("cards").append(...cards.map(([title, value, said]) =>
      el("div", {}, el("dt", {}, title), el("dd", {}, value, el("small", {}, said)))));
    const names = { topics: "Topics", map: "Map", similarity: "Similarity", time: "Over time", training: "Training",
      documents: "Documents", run: "Run" };
    for (const [id, name] of Object.entries(names))
      if (!$(id).hidden) $("links").append(el("a", { href: `#${id}` }, name));
    document.querySelector("footer").textContent =
      `Made by etm_jax on ${run.made}. This file holds all that it shows and asks the net for nothing.`;
  }

  // Topics

  let chosen = -1;

  function list() {
    const most = topics[byShare[0]].share;
    $("list").append(...byShare.map((k) => el("li", {}, el("button",
      { type: "button", id: `item-${k}`, on: { click: () => choose(k, true), keydown: (e) => walk(e, k) } },
      el("span", { class: "number" }, String(k)),
      el("span", { class: "words", lang: language }, topics[k].name ? `${topics[k].name} · ${firstWords(k, 3)}` : label(k, 5)),
      el("span", { class: "share" }, percent(topics[k].share)),
      bar(topics[k].share / most, k)))));
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
    for (const disc of document.querySelectorAll("#map .disc")) disc.classList.toggle("chosen", disc.dataset.topic === String(k));
  }

  function detail(k) {
    const topic = topics[k], most = topic.p[0];
    const blocks = [
      el("h2", {}, dot(k), `Topic ${k}`, el("span", { lang: language }, label(k))),
      el("p", { class: "facts" }, `${percent(topic.share)} of the words · NPMI ${topic.npmi.toFixed(3)} · ${ordinal(byShare.indexOf(k) + 1)} by share`),
    ];
    const columns = el("div", { class: "columns" });
    columns.append(el("div", {}, el("h3", {}, "Most probable words"), el("div", { class: "bars" },
      topic.words.flatMap((j, i) => [
        el("button", { type: "button", lang: language, on: { click: () => word(j) } }, words.text[j]),
        bar(topic.p[i] / most, k), el("span", {}, percent(topic.p[i], 2))]))));
    const side = el("div", {});
    if (topic.near) side.append(el("h3", {}, "Nearest words in the embedding space"),
      el("ul", { class: "chips" }, topic.near.map(([j, cosine]) => chip(words.text[j], cosine.toFixed(2), () => word(j)))));
    if (topic.similar.length) side.append(el("h3", {}, "Similar topics"),
      el("ul", { class: "chips" }, topic.similar.map(([j, shared]) => chip(label(j), percent(shared, 0), () => choose(j, true)))));
    if (data.time) side.append(el("h3", {}, `Share by ${data.time.unit}`),
      panelChart(data.time.bins, [{ values: data.time.shares[k], colour: colour(k) }], (v) => percent(v, v < 0.1 ? 1 : 0), true));
    columns.append(side);
    blocks.push(columns, el("h3", {}, "Representative documents"), el("ul", { class: "texts" }, topic.documents.map(text)));
    if (data.texts_missing) blocks.push(el("p", { class: "note" }, `Only first words are shown: ${data.texts_missing}.`));
    blocks.push(more(k));
    $("detail").replaceChildren(...blocks);
  }

  const ordinal = (n) => `${n}${n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] || "th"}`;

  function text(document) {
    const share = document.topics.map((x, i) => (i % 2 ? `${x}%` : `topic ${x}`));
    return el("li", {}, el("p", { class: "id" }, el("span", {}, document.id),
      el("span", {}, share.slice(0, 4).reduce((out, x, i) => out + (i ? (i % 2 ? " " : ", ") : "") + x, ""))),
      el("p", { lang: language }, document.parts.map((x, i) => (i % 2 ? el("mark", {}, x) : x))));
  }

  function more(k) {
    const rows = [];
    data.documents.topics.forEach((pairs, i) => {
      for (let j = 0; j < pairs.length; j += 2) if (pairs[j] === k) rows.push([pairs[j + 1], i]);
    });
    rows.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    const drawn = data.documents.id.length < data.documents.of ? ` of ${count(data.documents.id.length)} drawn from ${count(data.documents.of)}` : "";
    const box = el("ul", { class: "listed" });
    const button = el("button", { type: "button", class: "plain more", on: { click: () => add(25) } }, "Show more");
    let shown = 0;
    function add(n) {
      for (const [share, i] of rows.slice(shown, shown + n)) box.append(el("li", {},
        el("span", { class: "share" }, `${share}%`), el("span", { class: "id" }, data.documents.id[i]),
        el("span", { lang: language }, data.documents.text[i])));
      shown += n;
      button.hidden = shown >= rows.length;
    }
    add(8);
    return el("div", {}, el("h3", {}, `${count(rows.length)} documents${drawn} with the topic among their first three`), box, button);
  }

  // A word

  function word(j) {
    const pairs = words.topics[j], box = $("word");
    const rows = [];
    for (let i = 0; i < pairs.length; i += 2) rows.push([pairs[i], pairs[i + 1] / 100]);
    const close = el("button", { type: "button", class: "plain", on: { click: () => { box.hidden = true; $("search").focus(); } } }, "Close");
    box.replaceChildren(
      el("header", {}, el("h2", { lang: language }, words.text[j]), close),
      el("div", { class: "two" },
        el("div", {}, el("h3", {}, "Its topics: where the word comes from"), el("div", { class: "bars" }, rows.flatMap(([k, p]) => [
          el("button", { type: "button", on: { click: () => choose(k, true) } }, `${k}  `, el("span", { lang: language }, label(k))),
          bar(p, k), el("span", {}, percent(p, 0))]))),
        words.near.length ? el("div", {}, el("h3", {}, "Its neighbours in the embedding space"),
          el("ul", { class: "chips" }, words.near[j].map((i) => chip(words.text[i], "", () => word(i))))) : null));
    box.hidden = false;
    history.replaceState(null, "", `#word-${encodeURIComponent(words.text[j])}`);
    box.scrollIntoView({ block: "start" });
  }

  // Search

  function search() {
    const input = $("search"), found = $("found");
    let options = [], active = -1;
    const close = () => { found.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
    function mark(i) {
      active = i;
      [...found.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === i)));
      if (options[i]) { input.setAttribute("aria-activedescendant", found.children[i].id); found.children[i].scrollIntoView({ block: "nearest" }); }
    }
    function take(i) {
      if (!options[i]) return;
      options[i].act();
      close();
    }
    function look() {
      const asked = input.value.trim().toLowerCase();
      options = [];
      if (!asked) return close();
      const number = /^\d+$/.test(asked) && topics[Number(asked)] ? Number(asked) : -1;
      if (number >= 0) options.push({ name: `Topic ${number}`, said: label(number), act: () => choose(number, true) });
      topics.forEach((topic, k) => {
        if (topic.name.toLowerCase().includes(asked)) options.push({ name: topic.name, said: `topic ${k}`, act: () => choose(k, true) });
      });
      const begins = [], holds = [];
      words.text.forEach((name, j) => {
        const at = name.toLowerCase().indexOf(asked);
        if (at === 0) begins.push(j); else if (at > 0) holds.push(j);
      });
      const exact = placeOf.get(asked);
      const first = exact === undefined ? begins : [exact, ...begins.filter((j) => j !== exact)];
      for (const j of [...first, ...holds].slice(0, 12))
        options.push({ name: words.text[j], said: `topic ${words.topics[j][0]}`, act: () => word(j) });
      const none = words.of > words.text.length ? `Not among the ${count(words.text.length)} words that this page knows of ${count(words.of)}`
        : "Not a word of the model";
      found.replaceChildren(...(options.length ? options.map((option, i) => el("li",
        { role: "option", id: `option-${i}`, on: { mousedown: (e) => { e.preventDefault(); take(i); } } },
        el("span", { lang: language }, option.name), el("small", { lang: language }, option.said)))
        : [el("li", { class: "none" }, none)]));
      found.hidden = false;
      input.setAttribute("aria-expanded", "true");
      mark(options.length ? 0 : -1);
    }
    input.addEventListener("input", look);
    input.addEventListener("focus", look);
    input.addEventListener("blur", close);
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return; // Enter ends the spelling of a Chinese word
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && options.length) { event.preventDefault(); mark((active + step + options.length) % options.length); }
      else if (event.key === "Enter") { event.preventDefault(); take(active); }
      else if (event.key === "Escape") { input.value = ""; close(); }
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/input|textarea/i.test(document.activeElement.tagName)) { event.preventDefault(); input.focus(); input.select(); }
    });
  }

  // The map

  function drawMap() {
    if (!data.map) { $("map").hidden = true; return; }
    // A phone has a square that its labels fit in.
    const narrow = innerWidth < 700, W = narrow ? 620 : 1140, H = narrow ? 620 : 700, edge = narrow ? 40 : 60;
    const view = { x: 0, y: 0, zoom: 1 };
    const most = Math.max(...topics.map((topic) => topic.share));
    const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "group", "aria-label": "Map of topics and words" });
    const pen = document.createElement("canvas").getContext("2d");
    const family = getComputedStyle(document.body).fontFamily;
    // Each side is filled: t-SNE's distances far apart mean nothing that this could distort.
    const every = [...data.map.topics, ...data.map.words.map((word) => word.slice(2))];
    const [left, top] = [0, 1].map((i) => Math.min(...every.map((point) => point[i])));
    const [wide, high] = [0, 1].map((i) => Math.max(...every.map((point) => point[i])) - [left, top][i] || 1);
    const at = ([x, y]) => [(edge + (x - left) / wide * (W - 2 * edge) - view.x) * view.zoom, (edge + (y - top) / high * (H - 2 * edge) - view.y) * view.zoom];
    function draw() {
      const focused = document.activeElement?.dataset?.topic;
      const taken = [], shapes = [], labels = [], marks = [];
      const free = (box) => box[0] >= 2 && box[2] <= W - 2 && taken.every((other) => box[2] < other[0] || box[0] > other[2] || box[3] < other[1] || box[1] > other[3]);
      function write(name, x, y, size, weight, fill, offset) {
        pen.font = `${weight} ${size}px ${family}`;
        const wide = pen.measureText(name).width, spots = [[0, -offset], [0, offset + size], [wide / 2 + offset, size / 3], [-wide / 2 - offset, size / 3]];
        for (const [dx, dy] of spots) {
          const box = [x + dx - wide / 2, y + dy - size, x + dx + wide / 2, y + dy + 3];
          if (!free(box)) continue;
          taken.push(box);
          labels.push(svg("text", { x: x + dx, y: y + dy, "text-anchor": "middle", "font-size": size, "font-weight": weight,
            style: `fill:${fill};paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round;pointer-events:none`, lang: language }, name));
          return;
        }
      }
      const scale = narrow ? 1.3 : 1;
      const discs = byShare.map((k) => ({ k, xy: at(data.map.topics[k]), r: (6 + 15 * Math.sqrt(topics[k].share / most)) * Math.min(1.6, Math.sqrt(view.zoom)) }));
      for (const { xy: [x, y], r } of discs) taken.push([x - r, y - r, x + r, y + r]);
      for (const { k, xy: [x, y], r } of discs) {
        shapes.push(svg("g", { class: `disc${k === chosen ? " chosen" : ""}`, tabindex: 0, role: "button", "data-topic": k, "aria-label": `Topic ${k}: ${label(k)}`,
          on: { click: () => choose(k, true), keydown: (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); choose(k, true); } } } },
          svg("title", {}, `Topic ${k}, ${percent(topics[k].share)}: ${topics[k].name ? `${topics[k].name}: ` : ""}${firstWords(k, 8)}`),
          svg("circle", { cx: x, cy: y, r, style: `fill:${colour(k)};fill-opacity:.86` }),
          svg("text", { x, y: y + 4 * scale, "text-anchor": "middle", "font-size": 11 * scale, "font-weight": 600, style: "fill:var(--card);pointer-events:none" }, k)));
        write(label(k, 2), x, y, 13 * scale, 600, "var(--ink)", r + 4);
      }
      for (const [j, k, ...point] of data.map.words) {
        const [x, y] = at(point);
        if (x < 0 || y < 0 || x > W || y > H) continue;
        marks.push(svg("circle", { cx: x, cy: y, r: 2.2, style: `fill:${colour(k)};fill-opacity:.6` },
          svg("title", {}, words.text[j])));
        write(words.text[j], x, y, 11 * scale, 400, "var(--soft)", 5);
      }
      picture.replaceChildren(...marks, ...shapes, ...labels);
      if (focused !== undefined) picture.querySelector(`[data-topic="${focused}"]`)?.focus({ preventScroll: true });
    }
    function zoom(factor, x = W / 2, y = H / 2) {
      const next = Math.max(1, Math.min(12, view.zoom * factor));
      view.x += x / view.zoom - x / next;
      view.y += y / view.zoom - y / next;
      view.zoom = next;
      bound();
    }
    function bound() {
      view.x = Math.max(0, Math.min(W - W / view.zoom, view.x));
      view.y = Math.max(0, Math.min(H - H / view.zoom, view.y));
      draw();
    }
    const button = (name, said, act) => el("button", { type: "button", "aria-label": said, title: said, on: { click: act } }, name);
    let from = null;
    picture.addEventListener("pointerdown", (e) => { if (view.zoom > 1) from = [e.clientX, e.clientY]; });
    addEventListener("pointerup", () => { from = null; });
    picture.addEventListener("pointermove", (e) => {
      if (!from) return;
      const size = picture.getBoundingClientRect().width / W * view.zoom;
      view.x -= (e.clientX - from[0]) / size;
      view.y -= (e.clientY - from[1]) / size;
      from = [e.clientX, e.clientY];
      bound();
    });
    picture.addEventListener("wheel", (e) => {
      if (!e.ctrlKey && !e.metaKey) return; // The page itself scrolls with the wheel.
      e.preventDefault();
      const box = picture.getBoundingClientRect();
      zoom(Math.exp(-e.deltaY / 300), (e.clientX - box.left) * W / box.width, (e.clientY - box.top) * H / box.height);
    }, { passive: false });
    part("map", "figure").append(picture, el("div", { class: "zoom" }, button("+", "Closer", () => zoom(1.5)),
      button("−", "Further", () => zoom(1 / 1.5)), button("⤢", "All of it", () => zoom(0))));
    draw();
  }

  // Similarity

  function drawSimilarity() {
    const { order, joints, overlap } = data.similarity, K = order.length;
    if (K < 2) { $("similarity").hidden = true; return; }
    const cell = Math.max(9, Math.min(20, 760 / K)), tree = 150, names = 190, side = cell * K, W = tree + side + names, H = side;
    const furthest = Math.max(...joints.flatMap((joint) => joint.slice(4)), 1e-9);
    const x = (distance) => tree - 4 - (tree - 10) * distance / furthest, y = (leaf) => (leaf + 0.5) * cell;
    const lines = joints.map((joint) => svg("path", { d: `M${[0, 1, 2, 3].map((i) => `${x(joint[4 + i]).toFixed(1)} ${y(joint[i]).toFixed(1)}`).join("L")}`,
      style: "fill:none;stroke:var(--faint);stroke-width:1" }));
    const others = overlap.flatMap((row, i) => row.filter((_, j) => i !== j));
    const most = Math.max(...others), least = Math.min(...others);
    const rows = overlap.map((row, i) => svg("g", {}, row.map((value, j) => svg("rect", { x: (tree + j * cell).toFixed(1), y: (i * cell).toFixed(1), width: (cell - .6).toFixed(1), height: (cell - .6).toFixed(1), "data-at": `${i},${j}`,
      style: i === j ? "fill:var(--line)" : `fill:color-mix(in srgb, var(--high) ${Math.round(100 * (value - least) / Math.max(1, most - least))}%, var(--low))` }))));
    const size = Math.min(13, Math.max(8, cell * .85));
    const texts = order.map((k, i) => svg("text", { x: tree + side + 8, y: y(i) + size / 3, "font-size": size, lang: language, style: `fill:${colour(k)};cursor:pointer`,
      on: { click: () => choose(k, true) } }, `${k}  ${label(k, 3)}`));
    const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", style: `min-width:${Math.min(W, 620)}px;max-width:${W}px`,
      "aria-label": `Overlap of every two of ${K} topics, with a tree; each topic's similar topics are listed with it` }, lines, rows, texts);
    const told = part("similarity", ".reading");
    const rest = `From ${least}% overlap, the lightest square, to ${most}%, the darkest. Point at a square to read it.`;
    told.textContent = rest;
    picture.addEventListener("pointerover", (event) => {
      const at = event.target.dataset?.at;
      if (!at) { told.textContent = rest; return; }
      const [i, j] = at.split(",").map(Number);
      told.textContent = `Topic ${order[i]} (${label(order[i])}) and topic ${order[j]} (${label(order[j])}): ${overlap[i][j]}% overlap`;
    });
    part("similarity", "figure").append(picture);
  }

  // Curves

  function panelChart(xs, series, format, zero) {
    const W = 320, H = 170, left = 46, right = 10, top = 10, bottom = 24;
    const values = series.flatMap((one) => one.values).filter((v) => v != null);
    let low = zero ? 0 : Math.min(...values), high = Math.max(...values);
    if (high - low < 1e-9) { high += Math.abs(high) * .05 + 1e-3; if (!zero) low -= Math.abs(low) * .05 + 1e-3; }
    const ticks = steps(low, high, 4);
    low = Math.min(low, ticks[0]);
    high = Math.max(high, ticks[ticks.length - 1]);
    const x = (i) => left + (W - left - right) * (xs.length > 1 ? i / (xs.length - 1) : .5);
    const y = (v) => top + (H - top - bottom) * (1 - (v - low) / (high - low));
    const nodes = ticks.flatMap((v) => [
      svg("line", { x1: left, x2: W - right, y1: y(v), y2: y(v), style: "stroke:var(--line);stroke-width:1" }),
      svg("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end", "font-size": 11, style: "fill:var(--faint)" }, format(v))]);
    const shown = xs.length < 2 ? [0] : [0, ...(xs.length > 4 ? [Math.floor((xs.length - 1) / 2)] : []), xs.length - 1];
    for (const i of shown) nodes.push(svg("text", { x: x(i), y: H - 6, "font-size": 11, style: "fill:var(--faint)",
      "text-anchor": xs.length < 2 ? "middle" : i === 0 ? "start" : i === xs.length - 1 ? "end" : "middle" }, String(xs[i])));
    for (const one of series) {
      const points = one.values.map((v, i) => (v == null ? null : [x(i), y(v)])).filter(Boolean);
      nodes.push(svg("path", { d: `M${points.map((p) => p.map((c) => c.toFixed(1)).join(" ")).join("L")}`,
        style: `fill:none;stroke:${one.colour};stroke-width:2.2;stroke-linejoin:round${one.dashed ? ";stroke-dasharray:5 4" : ""}` }));
      if (points.length < 40) for (const [i, v] of one.values.entries()) if (v != null)
        nodes.push(svg("circle", { cx: x(i), cy: y(v), r: 2.6, style: `fill:${one.colour}` }, svg("title", {}, `${xs[i]}: ${format(v)}`)));
    }
    const last = series[0].values.filter((v) => v != null);
    return svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `From ${format(last[0])} at ${xs[0]} to ${format(last[last.length - 1])} at ${xs[xs.length - 1]}` }, nodes);
  }

  function steps(low, high, n) {
    const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const out = [];
    for (let v = Math.floor(low / step + 1e-9) * step; v < high + step * (1 - 1e-9); v += step) out.push(Math.abs(v) < step * 1e-6 ? 0 : v);
    return out;
  }

  const plain = (v) => (Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 10 ? v.toFixed(1) : v.toFixed(2)).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

  function drawTraining() {
    const t = data.training;
    if (!t.epoch.length) { $("training").hidden = true; return; }
    const known = (name) => t[name].some((v) => v != null);
    const valid = known("valid_nelbo");
    const figures = [["nelbo", "Loss", "nelbo, nats a document"], ["recon", "Reconstruction", "nats a document"], ["kl", "KL", "nats a document"],
      ["c_v", "Coherence", "C_V"], ["npmi", "Coherence", "NPMI"], ["diversity", "Diversity", "of the top 25 words"]];
    part("training", ".note").textContent = "By epoch; loss is reconstruction plus the weighted KL, lower is better. "
      + (known("npmi") ? "Coherence and diversity are of the training documents, higher is better."
        : "Train with --log_quality_every=1 to see coherence and diversity by epoch too.");
    part("training", ".panels").append(...figures.filter(([name]) => known(name)).map(([name, title, unit]) => {
      const both = valid && t[`valid_${name}`];
      const series = [{ values: t[name], colour: "var(--f0)" }];
      if (both) series.push({ values: t[`valid_${name}`], colour: "var(--f1)", dashed: true });
      const every = t.epoch.map((e, i) => [e, i]).filter(([, i]) => series.some((one) => one.values[i] != null)).map(([, i]) => i);
      return el("div", { class: "panel" }, el("h3", {}, title, el("small", {}, unit)),
        panelChart(every.map((i) => t.epoch[i]), series.map((one) => ({ ...one, values: every.map((i) => one.values[i]) })), plain, false),
        both ? el("p", { class: "legend" }, el("span", {}, el("i", { style: "color:var(--f0)" }), "training"),
          el("span", {}, el("i", { class: "dashed", style: "color:var(--f1)" }), "validation")) : null);
    }));
  }

  function drawTime() {
    if (!data.time) { $("time").hidden = true; return; }
    const { bins, shares, unit, documents } = data.time;
    const spread = shares.map((row, k) => [Math.max(...row) - Math.min(...row), k]).sort((a, b) => b[0] - a[0]).slice(0, 12);
    part("time", ".note").textContent = `Share of the words by ${unit}, of the ${spread.length} topics that move most, from ${bins[0]} to ${bins[bins.length - 1]}`
      + ` (${count(Math.min(...documents))} to ${count(Math.max(...documents))} documents a ${unit}). Every topic has its own curve above.`;
    part("time", ".panels").append(...spread.map(([, k]) => el("div", { class: "panel" },
      el("h3", {}, dot(k), el("button", { type: "button", lang: language, on: { click: () => choose(k, true) } }, label(k)), el("small", {}, `topic ${k}`)),
      panelChart(bins, [{ values: shares[k], colour: colour(k) }], (v) => percent(v, v < .1 ? 1 : 0), true))));
  }

  // Documents and settings

  function drawDocuments() {
    part("documents", ".note").textContent = `Of ${count(data.documents.of)} documents; each bar is a document, its parts the topics of 5% and more.`;
    part("documents", ".first").append(...data.first.map((document) => {
      const pairs = [];
      for (let i = 0; i < document.topics.length; i += 2) pairs.push([document.topics[i], document.topics[i + 1]]);
      return el("li", {}, el("p", { class: "id" }, document.id), el("p", { lang: language }, document.text),
        el("div", { class: "stack", "aria-hidden": "true" }, pairs.map(([k, p]) => el("i", { style: `width:${p}%;background:${colour(k)}` }))),
        el("ul", { class: "chips", style: "margin-top:.6rem" }, pairs.map(([k, p]) => chip(`${k}  ${label(k)}`, `${p}%`, () => choose(k, true)))));
    }));
  }

  function drawRun() {
    const tables = [];
    const table = (title, header, rows) => el("table", {}, el("caption", {}, title),
      header ? el("thead", {}, el("tr", {}, header.map((name) => el("th", { scope: "col" }, name)))) : null, el("tbody", {}, rows));
    tables.push(table("Figures", ["", "value", "measured on"], data.figures.map(([name, value, said]) =>
      el("tr", {}, el("td", {}, name), el("td", { class: "n" }, value), el("td", { class: "said" }, said)))));
    const others = el("div", {});
    if (data.filtering) others.append(table("What filtering did", ["", "before", "after", "kept"], data.filtering.map(([name, before, after], i) =>
      el("tr", {}, el("td", {}, name), el("td", {}, count(before)), el("td", {}, count(after)), el("td", {}, i < 3 && before ? percent(after / before) : "")))));
    const rows = (all) => data.settings.filter((row) => all || row[3]).map(([, flag, value, changed]) =>
      el("tr", { class: all && changed ? "changed" : "" }, el("td", {}, `--${flag}`), el("td", {}, value)));
    others.append(el("div", { style: "margin-top:1.4rem" }, table(`Settings that differ from --variant=${run.variant}`, null, rows(false))),
      el("details", { style: "margin-top:.8rem" }, el("summary", {}, "All settings"), table("", null, rows(true))));
    tables.push(others);
    part("run", ".tables").append(...tables.map((node) => (node.tagName === "TABLE" ? el("div", {}, node) : node)));
  }

  list();
  drawMap();
  drawSimilarity();
  drawTime();
  drawTraining();
  drawDocuments();
  drawRun();
  search();
  head();
  const asked = decodeURIComponent(location.hash);
  const topic = /^#topic-(\d+)$/.exec(asked), name = asked.startsWith("#word-") ? placeOf.get(asked.slice(6)) : undefined;
  choose(topic && topics[Number(topic[1])] ? Number(topic[1]) : byShare[0], false);
  if (topic) $("detail").scrollIntoView();
  if (name !== undefined) word(name);
})();
