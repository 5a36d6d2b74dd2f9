// A word with its topics and its neighbours.

function word(j) {
  const pairs = words.topics[j],
    box = $("word");
  const rows = [];
  for (let i = 0; i < pairs.length; i += 2) rows.push([pairs[i], pairs[i + 1] / 100]);
  const close = el(
    "button",
    {
      type: "button",
      class: "plain",
      on: {
        click: () => {
          box.hidden = true;
          $("search").focus();
        },
      },
    },
    say("word.close"),
  );
  box.replaceChildren(
    el("header", {}, el("h2", { lang: language }, words.text[j]), close),
    el(
      "div",
      { class: "two" },
      el(
        "div",
        {},
        el("h3", {}, say("word.topics")),
        el(
          "div",
          { class: "bars" },
          rows.flatMap(([k, p]) => [
            el(
              "button",
              { type: "button", on: { click: () => choose(k, true) } },
              `${k}  `,
              el("span", { lang: language }, label(k)),
            ),
            bar(p, k),
            el("span", {}, percent(p, 0)),
          ]),
        ),
      ),
      words.near.length
        ? el(
            "div",
            {},
            el("h3", {}, say("word.neighbours")),
            el(
              "ul",
              { class: "chips" },
              words.near[j].map((i) => chip(words.text[i], "", () => word(i))),
            ),
          )
        : null,
    ),
  );
  box.hidden = false;
  history.replaceState(null, "", `#word-${encodeURIComponent(words.text[j])}`);
  box.scrollIntoView({ block: "start" });
}
