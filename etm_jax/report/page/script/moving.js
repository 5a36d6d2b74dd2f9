// A topic whose words move: its words in a period, the words that rise and fall, its share with an interval.

// The place of the period that is shown, which stays when another topic is chosen.
let period = data.moving ? data.moving.periods.length - 1 : 0;

function wordsOfPeriod(k) {
  const { words: every, at, p } = data.moving.topics[k];
  const shown = at[period].map((i, rank) => [every[i], p[period][rank] / 1e5]);
  const most = Math.max(...data.moving.topics[k].p.map((row) => row[0])) / 1e5;
  return shown.flatMap(([j, share]) => [
    el("button", { type: "button", lang: language, on: { click: () => word(j) } }, words.text[j]),
    bar(share / most, k),
    el("span", {}, percent(share, 2)),
  ]);
}

function shareOverTime(k) {
  const { share, low, high } = data.moving.topics[k],
    { periods, documents } = data.moving;
  const series = [{ values: share, low, high, colour: colour(k) }];
  return panelChart(periods, series, (v) => percent(v, v < 0.1 ? 1 : 0), true, documents, period);
}

const turned = (rows, title) =>
  el(
    "div",
    {},
    el("h3", {}, title),
    el(
      "ul",
      { class: "turned" },
      rows.map(([j, early, late]) =>
        el(
          "li",
          {},
          el("button", { type: "button", lang: language, on: { click: () => word(j) } }, words.text[j]),
          el("span", {}, say("moving.from_to", { early: percent(early, 2), late: percent(late, 2) })),
        ),
      ),
    ),
  );

// The slider tells its period itself; ten words at each step would drown it.
function moving(k) {
  const { periods, documents, of, topics: every } = data.moving;
  const bars = el("div", { class: "bars" }),
    chart = el("div", {}),
    output = el("output", { for: "period", "aria-live": "off" }),
    count_of = el("small", {});
  const slider = el("input", {
    id: "period",
    type: "range",
    min: 0,
    max: periods.length - 1,
    step: 1,
    autocomplete: "off",
    on: { input: () => show(Number(slider.value)) },
  });
  function show(at) {
    period = at;
    slider.value = at;
    slider.setAttribute("aria-valuetext", periods[at]);
    output.textContent = periods[at];
    count_of.textContent = say("groups.documents", { documents: count(documents[at]) });
    bars.replaceChildren(...wordsOfPeriod(k));
    chart.replaceChildren(shareOverTime(k));
  }
  show(period);
  return el(
    "div",
    { class: "moving", "aria-live": "off" },
    el(
      "p",
      { class: "period" },
      el("label", { for: "period" }, say("moving.period")),
      slider,
      output,
      count_of,
      of > periods.length ? el("small", {}, say("moving.some", { shown: count(periods.length), all: count(of) })) : null,
    ),
    el(
      "div",
      { class: "columns" },
      el("div", {}, el("h3", {}, say("moving.words")), bars),
      el("div", {}, el("h3", {}, say("moving.share")), chart),
      turned(every[k].rises, say("moving.rises")),
      turned(every[k].falls, say("moving.falls")),
    ),
    el("p", { class: "note" }, say("moving.note")),
  );
}
