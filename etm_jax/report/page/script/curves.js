// Curves: training by epoch, topics over time.

// documents: how many are behind each point, where the points are shares of several. A series may have the ends of its
// intervals, low and high; at: the point that is marked.
function panelChart(xs, series, format, zero, documents, at) {
  const W = 320,
    H = 170,
    left = 46,
    right = 10,
    top = 10,
    bottom = 24;
  const values = series.flatMap((one) => [...one.values, ...(one.high || []), ...(one.low || [])]).filter((v) => v != null);
  let low = zero ? 0 : Math.min(...values),
    high = Math.max(...values);
  if (high - low < 1e-9) {
    high += Math.abs(high) * 0.05 + 1e-3;
    if (!zero) low -= Math.abs(low) * 0.05 + 1e-3;
  }
  const ticks = steps(low, high, 4);
  low = Math.min(low, ticks[0]);
  high = Math.max(high, ticks[ticks.length - 1]);
  const bars = series.some((one) => one.bars);
  const across = (i) => (bars ? (i + 0.5) / xs.length : xs.length > 1 ? i / (xs.length - 1) : 0.5);
  const x = (i) => left + (W - left - right) * across(i);
  const y = (v) => top + (H - top - bottom) * (1 - (v - low) / (high - low));
  const nodes = ticks.flatMap((v) => [
    svg("line", { x1: left, x2: W - right, y1: y(v), y2: y(v), style: "stroke:var(--line);stroke-width:1" }),
    svg(
      "text",
      { x: left - 6, y: y(v) + 4, "text-anchor": "end", "font-size": 11, style: "fill:var(--faint)" },
      format(v),
    ),
  ]);
  const shown = xs.length < 2 ? [0] : [0, ...(xs.length > 4 ? [Math.floor((xs.length - 1) / 2)] : []), xs.length - 1];
  for (const i of shown)
    nodes.push(
      svg(
        "text",
        {
          x: x(i),
          y: H - 6,
          "font-size": 11,
          style: "fill:var(--faint)",
          "text-anchor": xs.length < 2 ? "middle" : i === 0 ? "start" : i === xs.length - 1 ? "end" : "middle",
        },
        String(xs[i]),
      ),
    );
  for (const one of series) {
    if (one.bars) {
      const wide = Math.min(18, ((W - left - right) / xs.length) * 0.7);
      for (const [i, v] of one.values.entries())
        nodes.push(
          svg(
            "rect",
            {
              x: x(i) - wide / 2,
              y: y(v),
              width: wide,
              height: y(low) - y(v),
              style: `fill:${one.colour}`,
            },
            svg("title", {}, say("curve.point", { x: xs[i], y: format(v) })),
          ),
        );
      continue;
    }
    if (one.low) nodes.push(...bands(one, x, y));
    const points = one.values.map((v, i) => (v == null ? null : [x(i), y(v)])).filter(Boolean);
    nodes.push(
      svg("path", {
        d: `M${points.map((p) => p.map((c) => c.toFixed(1)).join(" ")).join("L")}`,
        style: `fill:none;stroke:${one.colour};stroke-width:2.2;stroke-linejoin:round${one.dashed ? ";stroke-dasharray:5 4" : ""}`,
      }),
    );
    if (points.length < 40)
      for (const [i, v] of one.values.entries())
        if (v != null)
          nodes.push(
            svg(
              "circle",
              { cx: x(i), cy: y(v), r: 2.6, style: `fill:${one.colour}` },
              svg(
                "title",
                {},
                documents
                  ? say("time.point", { x: xs[i], y: format(v), documents: count(documents[i]) })
                  : say("curve.point", { x: xs[i], y: format(v) }),
              ),
            ),
          );
  }
  if (at !== undefined)
    nodes.push(
      svg("line", {
        x1: x(at),
        x2: x(at),
        y1: top,
        y2: H - bottom,
        style: "stroke:var(--ink);stroke-width:1;stroke-dasharray:2 3",
      }),
    );
  const last = series[0].values.filter((v) => v != null);
  return svg(
    "svg",
    {
      viewBox: `0 0 ${W} ${H}`,
      role: "img",
      "aria-label": say("curve.label", {
        first: format(last[0]),
        start: xs[0],
        last: format(last[last.length - 1]),
        end: xs[xs.length - 1],
      }),
    },
    nodes,
  );
}

// The areas of a series' intervals, one for each stretch of points that have them.
function bands(one, x, y) {
  const stretches = [[]];
  for (const [i, v] of one.low.entries()) {
    if (v == null) stretches.push([]);
    else stretches.at(-1).push(i);
  }
  const corner = (i, v) => `${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
  return stretches
    .filter((some) => some.length)
    .map((some) => {
      const back = [...some].reverse();
      const corners = [...some.map((i) => corner(i, one.high[i])), ...back.map((i) => corner(i, one.low[i]))];
      return svg("path", { d: `M${corners.join("L")}Z`, style: `fill:${one.colour};opacity:0.18;stroke:none` });
    });
}

function steps(low, high, n) {
  const rough = (high - low) / n,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const out = [];
  for (let v = Math.floor(low / step + 1e-9) * step; v < high + step * (1 - 1e-9); v += step)
    out.push(Math.abs(v) < step * 1e-6 ? 0 : v);
  return out;
}

const plain = (v) =>
  (Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 10 ? v.toFixed(1) : v.toFixed(2))
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "");

function drawTraining() {
  const t = data.training;
  if (!t.epoch.length) {
    $("training").hidden = true;
    return;
  }
  const known = (name) => t[name].some((v) => v != null);
  const valid = known("valid_nelbo");
  const panels = [
    ["nelbo", say("training.loss"), say("training.nelbo")],
    ["recon", say("training.reconstruction"), say("training.nats")],
    ["kl", say("training.kl"), say("training.nats")],
    ["c_v", say("training.coherence"), "C_V"],
    ["npmi", say("training.coherence"), "NPMI"],
    ["diversity", say("training.diversity"), say("training.diversity_of")],
  ];
  part("training", ".note").textContent =
    `${say("training.note")} ${known("npmi") ? say("training.quality") : say("training.no_quality")}`;
  part("training", ".panels").append(
    ...panels
      .filter(([name]) => known(name))
      .map(([name, title, unit]) => {
        const both = valid && t[`valid_${name}`];
        const series = [{ values: t[name], colour: "var(--f0)" }];
        if (both) series.push({ values: t[`valid_${name}`], colour: "var(--f1)", dashed: true });
        const every = t.epoch
          .map((e, i) => [e, i])
          .filter(([, i]) => series.some((one) => one.values[i] != null))
          .map(([, i]) => i);
        return el(
          "div",
          { class: "panel" },
          el("h3", {}, explained(title), el("small", {}, explained(unit))),
          panelChart(
            every.map((i) => t.epoch[i]),
            series.map((one) => ({ ...one, values: every.map((i) => one.values[i]) })),
            plain,
            false,
          ),
          both
            ? el(
                "p",
                { class: "legend" },
                el("span", {}, el("i", { style: "color:var(--f0)" }), say("training.training")),
                el("span", {}, el("i", { class: "dashed", style: "color:var(--f1)" }), say("training.validation")),
              )
            : null,
        );
      }),
  );
}

function drawTime() {
  if (!data.time) {
    $("time").hidden = true;
    return;
  }
  const { bins, shares, unit, documents } = data.time;
  const spread = shares
    .map((row, k) => [Math.max(...row) - Math.min(...row), k])
    .sort((a, b) => b[0] - a[0])
    .slice(0, 12);
  part("time", ".note").textContent =
say("time.note", {
    unit: unitOf(unit),
    topics: spread.length,
    first: bins[0],
    last: bins[bins.length - 1],
    least: count(Math.min(...documents)),
    most: count(Math.max(...documents)),
  });
  part("time", ".panels").append(
    el(
      "div",
      { class: "panel" },
      el("h3", {}, say("time.documents"), el("small", {}, say("time.by", { unit: unitOf(unit) }))),
      panelChart(bins, [{ values: documents, colour: "var(--faint)", bars: true }], count, true),
    ),
    ...spread.map(([, k]) =>
      el(
        "div",
        { class: "panel" },
        el(
          "h3",
          {},
          dot(k),
          el("button", { type: "button", lang: language, on: { click: () => choose(k, true) } }, label(k)),
          el("small", {}, say("topics.small", { k })),
        ),
        panelChart(bins, [{ values: shares[k], colour: colour(k) }], (v) => percent(v, v < 0.1 ? 1 : 0), true, documents),
      ),
    ),
  );
}
