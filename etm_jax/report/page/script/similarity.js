// The tree of similar topics, cut at a level, and the matrix of their overlaps.

// The topics below each node: topics first, then joints.
function below() {
  const every = topics.map((_, k) => [k]);
  for (const [left, right] of data.similarity.links) every.push([...every[left], ...every[right]]);
  return every;
}

// The nodes that are the branches where the tree is cut into so many, largest share first.
function branchesAt(number) {
  const K = topics.length,
    there = new Set(topics.keys());
  data.similarity.links.slice(0, K - number).forEach(([left, right], i) => {
    there.delete(left);
    there.delete(right);
    there.add(K + i);
  });
  return [...there].sort((a, b) => shareOf(b) - shareOf(a) || a - b);
}

const joint = (node) => data.similarity.nodes[node - topics.length];
const shareOf = (node) => (node < topics.length ? topics[node].share : joint(node)[1]);
const nameOf = (node) => (node < topics.length ? label(node) : joint(node)[0]);

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
  const furthest = Math.max(...joints.flatMap((one) => one.slice(4)), 1e-9);
  const x = (distance) => tree - 4 - ((tree - 10) * distance) / furthest,
    y = (leaf) => (leaf + 0.5) * cell;
  const lines = joints.map((one) =>
    svg("path", {
      d: `M${[0, 1, 2, 3].map((i) => `${x(one[4 + i]).toFixed(1)} ${y(one[i]).toFixed(1)}`).join("L")}`,
      style: "fill:none;stroke:var(--faint);stroke-width:1",
    }),
  );
  const middle = (one) => (y(one[0]) + y(one[2])) / 2;
  const dots = joints.map((one, i) =>
    svg(
      "circle",
      { class: "joint", cx: x(one[5]).toFixed(1), cy: middle(one).toFixed(1), r: 3.5, "data-node": K + i },
      svg("title", {}, say("tree.node", { name: nameOf(K + i), share: percent(shareOf(K + i)) })),
    ),
  );
  const line = svg("line", { y1: 0, y2: H, style: "stroke:var(--accent);stroke-width:1.2;stroke-dasharray:4 3" });
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
    line,
    dots,
    rows,
    texts,
  );
  const members = below();
  function cut(number) {
    const heights = [0, ...joints.map((one) => one[5])],
      open = new Set(branchesAt(number));
    // Between the last joint that is left and the first that is undone.
    const at = number === 1 ? furthest * 1.02 : (heights[K - number] + heights[K - number + 1]) / 2;
    for (const end of ["x1", "x2"]) line.setAttribute(end, x(at).toFixed(1));
    for (const [i, one] of dots.entries()) one.classList.toggle("branch", open.has(K + i));
    showBranches([...open], members);
  }
  drawCut(cut);
  const reading = part("similarity", ".reading");
  const rest = say("similarity.rest", { least, most });
  reading.textContent = rest;
  picture.addEventListener("pointerover", (event) => {
    const { at, node } = event.target.dataset || {};
    if (node) {
      const [name, share, shown] = joint(Number(node));
      const about = { name, share: percent(share), topics: members[node].length, words: shown };
      reading.textContent = say("tree.about", about);
      return;
    }
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

// The slider of the number of branches, which the list below the tree follows.
function drawCut(cut) {
  const slider = $("cut"),
    output = part("similarity", ".cut output");
  const tell = (number) => {
    output.textContent = say("tree.branches", { branches: number });
    slider.setAttribute("aria-valuetext", output.textContent);
    cut(number);
  };
  part("similarity", ".cut").hidden = false;
  slider.max = topics.length;
  slider.value = data.similarity.cut;
  slider.addEventListener("input", () => tell(Number(slider.value)));
  tell(data.similarity.cut);
}

function showBranches(nodes, members) {
  part("similarity", ".branches").replaceChildren(
    ...nodes.map((node) => {
      const own = [...members[node]].sort((a, b) => topics[b].share - topics[a].share || a - b);
      return el(
        "li",
        {},
        el(
          "p",
          {},
          el("strong", { lang: language }, nameOf(node)),
          " ",
          el("small", {}, say("tree.share", { share: percent(shareOf(node)), topics: own.length })),
        ),
        el(
          "ul",
          { class: "chips" },
          own.map((k) => chip(`${k}  ${label(k, 2)}`, percent(topics[k].share), () => choose(k, true), colour(k))),
        ),
      );
    }),
  );
}
