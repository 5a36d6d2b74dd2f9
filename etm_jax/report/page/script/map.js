// Topics and words in the plane.

function drawMap() {
  if (!data.map) {
    $("map").hidden = true;
    return;
  }
  // A square on phones, where labels need the height.
  const narrow = innerWidth < 700,
    W = narrow ? 620 : 1140,
    H = narrow ? 620 : 700,
    edge = narrow ? 40 : 60;
  const view = { x: 0, y: 0, zoom: 1 };
  const most = Math.max(...topics.map((topic) => topic.share));
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "group", "aria-label": say("map.label") });
  const pen = document.createElement("canvas").getContext("2d");
  const family = getComputedStyle(document.body).fontFamily;
  // Both axes are stretched to fill the map: large distances of t-SNE mean nothing that this could distort.
  const every = [...data.map.topics, ...data.map.words.map((word) => word.slice(2))];
  const [left, top] = [0, 1].map((i) => Math.min(...every.map((point) => point[i])));
  const [wide, high] = [0, 1].map((i) => Math.max(...every.map((point) => point[i])) - [left, top][i] || 1);
  const at = ([x, y]) => [
    (edge + ((x - left) / wide) * (W - 2 * edge) - view.x) * view.zoom,
    (edge + ((y - top) / high) * (H - 2 * edge) - view.y) * view.zoom,
  ];
  function draw() {
    const focused = document.activeElement?.dataset?.topic;
    const taken = [],
      shapes = [],
      labels = [],
      marks = [];
    const free = (box) =>
      box[0] >= 2 &&
      box[2] <= W - 2 &&
      taken.every((other) => box[2] < other[0] || box[0] > other[2] || box[3] < other[1] || box[1] > other[3]);
    function write(name, x, y, size, weight, fill, offset) {
      pen.font = `${weight} ${size}px ${family}`;
      const wide = pen.measureText(name).width,
        spots = [
          [0, -offset],
          [0, offset + size],
          [wide / 2 + offset, size / 3],
          [-wide / 2 - offset, size / 3],
        ];
      for (const [dx, dy] of spots) {
        const box = [x + dx - wide / 2, y + dy - size, x + dx + wide / 2, y + dy + 3];
        if (!free(box)) continue;
        taken.push(box);
        labels.push(
          svg(
            "text",
            {
              x: x + dx,
              y: y + dy,
              "text-anchor": "middle",
              "font-size": size,
              "font-weight": weight,
              style: `fill:${fill};paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round;pointer-events:none`,
              lang: language,
            },
            name,
          ),
        );
        return;
      }
    }
    const scale = narrow ? 1.3 : 1;
    const discs = byShare.map((k) => ({
      k,
      xy: at(data.map.topics[k]),
      r: (6 + 15 * Math.sqrt(topics[k].share / most)) * Math.min(1.6, Math.sqrt(view.zoom)),
    }));
    for (const {
      xy: [x, y],
      r,
    } of discs)
      taken.push([x - r, y - r, x + r, y + r]);
    for (const {
      k,
      xy: [x, y],
      r,
    } of discs) {
      shapes.push(
        svg(
          "g",
          {
            class: `disc${k === chosen ? " chosen" : ""}`,
            tabindex: 0,
            role: "button",
            "data-topic": k,
            "aria-label": say("map.disc", { k, words: label(k) }),
            on: {
              click: () => choose(k, true),
              keydown: (e) => {
                if (e.key === "Enter" || e.key === " ") {
                  e.preventDefault();
                  choose(k, true);
                }
              },
            },
          },
          svg(
            "title",
            {},
            say("map.about", {
              k,
              share: percent(topics[k].share),
              words: [topics[k].name, unsaid(topics[k].name, topics[k].words.map((j) => words.text[j]), 8)]
                .filter(Boolean)
                .join(" · "),
            }),
          ),
          svg("circle", { cx: x, cy: y, r, style: `fill:${colour(k)};fill-opacity:.86` }),
          svg(
            "text",
            {
              x,
              y: y + 4 * scale,
              "text-anchor": "middle",
              "font-size": 11 * scale,
              "font-weight": 600,
              style: "fill:var(--card);pointer-events:none",
            },
            k,
          ),
        ),
      );
      write(label(k, 2), x, y, 13 * scale, 600, "var(--ink)", r + 4);
    }
    for (const [j, k, ...point] of data.map.words) {
      const [x, y] = at(point);
      if (x < 0 || y < 0 || x > W || y > H) continue;
      marks.push(
        svg(
          "circle",
          { cx: x, cy: y, r: 2.2, style: `fill:${colour(k)};fill-opacity:.6` },
          svg("title", {}, words.text[j]),
        ),
      );
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
  const button = (name, said, act) =>
    el("button", { type: "button", "aria-label": said, title: said, on: { click: act } }, name);
  let from = null;
  picture.addEventListener("pointerdown", (e) => {
    if (view.zoom > 1) from = [e.clientX, e.clientY];
  });
  addEventListener("pointerup", () => {
    from = null;
  });
  picture.addEventListener("pointermove", (e) => {
    if (!from) return;
    const size = (picture.getBoundingClientRect().width / W) * view.zoom;
    view.x -= (e.clientX - from[0]) / size;
    view.y -= (e.clientY - from[1]) / size;
    from = [e.clientX, e.clientY];
    bound();
  });
  picture.addEventListener(
    "wheel",
    (e) => {
      if (!e.ctrlKey && !e.metaKey) return; // The page itself scrolls with the wheel.
      e.preventDefault();
      const box = picture.getBoundingClientRect();
      zoom(
        Math.exp(-e.deltaY / 300),
        ((e.clientX - box.left) * W) / box.width,
        ((e.clientY - box.top) * H) / box.height,
      );
    },
    { passive: false },
  );
  part("map", "figure").append(
    picture,
    el(
      "div",
      { class: "zoom" },
      button("+", say("map.in"), () => zoom(1.5)),
      button("−", say("map.out"), () => zoom(1 / 1.5)),
      button("⤢", say("map.whole"), () => zoom(0)),
    ),
  );
  draw();
}
