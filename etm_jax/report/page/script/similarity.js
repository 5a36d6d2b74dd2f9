// The tree of similar topics, and the matrix of their overlaps.

function drawSimilarity() {
  const { order, joints, overlap } = data.similarity,
    K = order.length;
  if (K < 2) {
    $("similarity").hidden = true;
    return;
  }
  const cell = Math.max(9, Math.min(20, 760 / K)),
    tree = 150,
    names = 190,
    side = cell * K,
    W = tree + side + names,
    H = side;
  const furthest = Math.max(...joints.flatMap((joint) => joint.slice(4)), 1e-9);
  const x = (distance) => tree - 4 - ((tree - 10) * distance) / furthest,
    y = (leaf) => (leaf + 0.5) * cell;
  const lines = joints.map((joint) =>
    svg("path", {
      d: `M${[0, 1, 2, 3].map((i) => `${x(joint[4 + i]).toFixed(1)} ${y(joint[i]).toFixed(1)}`).join("L")}`,
      style: "fill:none;stroke:var(--faint);stroke-width:1",
    }),
  );
  const others = overlap.flatMap((row, i) => row.filter((_, j) => i !== j));
  const most = Math.max(...others),
    least = Math.min(...others);
  const rows = overlap.map((row, i) =>
    svg(
      "g",
      {},
      row.map((value, j) =>
        svg("rect", {
          x: (tree + j * cell).toFixed(1),
          y: (i * cell).toFixed(1),
          width: (cell - 0.6).toFixed(1),
          height: (cell - 0.6).toFixed(1),
          "data-at": `${i},${j}`,
          style:
            i === j
              ? "fill:var(--line)"
              : `fill:color-mix(in srgb, var(--high) ${Math.round((100 * (value - least)) / Math.max(1, most - least))}%, var(--low))`,
        }),
      ),
    ),
  );
  const size = Math.min(13, Math.max(8, cell * 0.85));
  const texts = order.map((k, i) =>
    svg(
      "text",
      {
        x: tree + side + 8,
        y: y(i) + size / 3,
        "font-size": size,
        lang: language,
        style: `fill:${colour(k)};cursor:pointer`,
        on: { click: () => choose(k, true) },
      },
      `${k}  ${label(k, 3)}`,
    ),
  );
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${W} ${H}`,
      role: "img",
      style: `min-width:${Math.min(W, 620)}px;max-width:${W}px`,
      "aria-label": say("similarity.label", { topics: K }),
    },
    lines,
    rows,
    texts,
  );
  const reading = part("similarity", ".reading");
  const rest = say("similarity.rest", { least, most });
  reading.textContent = rest;
  picture.addEventListener("pointerover", (event) => {
    const at = event.target.dataset?.at;
    if (!at) {
      reading.textContent = rest;
      return;
    }
    const [i, j] = at.split(",").map(Number);
    reading.textContent = say("similarity.pair", {
      i: order[i],
      words_i: label(order[i]),
      j: order[j],
      words_j: label(order[j]),
      overlap: overlap[i][j],
    });
  });
  part("similarity", "figure").append(picture);
}
