// The first documents, and the tables of the run.

function drawDocuments() {
  part("documents", ".note").textContent =
say("documents.note", { documents: count(data.documents.of) });
  part("documents", ".first").append(
    ...data.first.map((document) => {
      const pairs = [];
      for (let i = 0; i < document.topics.length; i += 2) pairs.push([document.topics[i], document.topics[i + 1]]);
      return el(
        "li",
        {},
        el("p", { class: "id" }, document.id),
        document.title ? el("p", { class: "title", lang: language }, document.title) : null,
        el("p", { lang: language }, document.text),
        el(
          "div",
          { class: "stack", "aria-hidden": "true" },
          pairs.map(([k, p]) => el("i", { style: `width:${p}%;background:${beside(k)}` })),
        ),
        el(
          "ul",
          { class: "chips", style: "margin-top:.6rem" },
          pairs.map(([k, p]) => chip(`${k}  ${label(k)}`, `${p}%`, () => choose(k, true), beside(k))),
        ),
      );
    }),
  );
}

function drawRun() {
  const tables = [];
  const table = (title, header, rows) =>
    el(
      "table",
      {},
      el("caption", {}, title),
      header
        ? el(
            "thead",
            {},
            el(
              "tr",
              {},
              header.map((name) => el("th", { scope: "col" }, name)),
            ),
          )
        : null,
      el("tbody", {}, rows),
    );
  tables.push(
    table(
      say("run.metrics"),
      ["", say("run.value"), say("run.measured_on")],
      data.measured.map(([name, value, said]) =>
        el("tr", {}, el("td", {}, explained(name)), el("td", { class: "n" }, value), el("td", { class: "said" }, explained(said))),
      ),
    ),
  );
  const others = el("div", {});
  if (data.filtering)
    others.append(
      table(
        say("run.filtering"),
        ["", say("run.before"), say("run.after"), say("run.kept")],
        data.filtering.map(([name, before, after], i) =>
          el(
            "tr",
            {},
            el("td", {}, say(`filtering.${name}`)),
            el("td", {}, count(before)),
            el("td", {}, count(after)),
            el("td", {}, i < 3 && before ? percent(after / before) : ""),
          ),
        ),
      ),
    );
  const rows = (all) =>
    data.settings
      .filter((row) => all || row[3])
      .map(([, flag, value, changed]) =>
        el("tr", { class: all && changed ? "changed" : "" }, el("td", {}, `--${flag}`), el("td", {}, value)),
      );
  others.append(
    el(
      "div",
      { style: "margin-top:1.4rem" },
      table(say("run.differ", { variant: run.variant }), null, rows(false)),
    ),
    el("details", { style: "margin-top:.8rem" }, el("summary", {}, say("run.all")), table("", null, rows(true))),
  );
  tables.push(others);
  part("run", ".tables").append(
    ...tables.map((node) => (node.tagName === "TABLE" ? el("div", {}, node) : node)),
  );
}

function drawTerms() {
  for (const note of document.querySelectorAll(".note, #lead")) note.replaceChildren(...explained(note.textContent));
  part("terms", "dl").append(
    ...terms.filter((name) => met.has(name)).map((name) => el("div", {}, el("dt", {}, name), el("dd", {}, say(`term.${name}`)))),
  );
}
