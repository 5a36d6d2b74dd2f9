// The first documents, and the tables of the run.

function drawDocuments() {
  part("documents", ".note").textContent =
    `Of ${count(data.documents.of)} documents; each bar is a document, and its parts are the topics with a share of at least 5%.`;
  part("documents", ".first").append(
    ...data.first.map((document) => {
      const pairs = [];
      for (let i = 0; i < document.topics.length; i += 2) pairs.push([document.topics[i], document.topics[i + 1]]);
      return el(
        "li",
        {},
        el("p", { class: "id" }, document.id),
        el("p", { lang: language }, document.text),
        el(
          "div",
          { class: "stack", "aria-hidden": "true" },
          pairs.map(([k, p]) => el("i", { style: `width:${p}%;background:${colour(k)}` })),
        ),
        el(
          "ul",
          { class: "chips", style: "margin-top:.6rem" },
          pairs.map(([k, p]) => chip(`${k}  ${label(k)}`, `${p}%`, () => choose(k, true))),
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
      "Metrics",
      ["", "value", "measured on"],
      data.metrics.map(([name, value, said]) =>
        el("tr", {}, el("td", {}, name), el("td", { class: "n" }, value), el("td", { class: "said" }, said)),
      ),
    ),
  );
  const others = el("div", {});
  if (data.filtering)
    others.append(
      table(
        "Filtering of the corpus",
        ["", "before", "after", "kept"],
        data.filtering.map(([name, before, after], i) =>
          el(
            "tr",
            {},
            el("td", {}, name),
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
      table(`Settings that differ from --variant=${run.variant}`, null, rows(false)),
    ),
    el("details", { style: "margin-top:.8rem" }, el("summary", {}, "All settings"), table("", null, rows(true))),
  );
  tables.push(others);
  part("run", ".tables").append(...tables.map((node) => (node.tagName === "TABLE" ? el("div", {}, node) : node)));
}
