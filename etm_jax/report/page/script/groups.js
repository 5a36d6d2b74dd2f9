// Topics by group: a table for each field of categories.

function drawGroups() {
  const fields = data.groups;
  if (!fields.length) {
    $("groups").hidden = true;
    return;
  }
  const box = part("groups", ".table"),
    note = part("groups", ".more-groups");
  function show(one) {
    const most = Math.max(...one.shares.flat(), 1e-9);
    note.textContent =
      one.of > one.levels.length ? say("groups.largest", { shown: count(one.levels.length), all: count(one.of) }) : "";
    box.replaceChildren(
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, say("groups.topic")),
            one.levels.map((level, g) =>
              el(
                "th",
                { scope: "col", lang: language },
                level,
                el("small", {}, say("groups.documents", { documents: count(one.documents[g]) })),
              ),
            ),
          ),
        ),
        el(
          "tbody",
          {},
          byShare.map((k) =>
            el(
              "tr",
              {},
              el(
                "th",
                { scope: "row" },
                dot(k),
                el("button", { type: "button", lang: language, on: { click: () => choose(k, true) } }, `${k}  ${label(k)}`),
              ),
              one.shares[k].map((share) =>
                el(
                  "td",
                  {
                    style: `background:color-mix(in srgb, var(--high) ${((40 * share) / most).toFixed(1)}%, transparent)`,
                  },
                  percent(share),
                ),
              ),
            ),
          ),
        ),
      ),
    );
  }
  if (fields.length > 1)
    part("groups", ".fields").append(
      el(
        "label",
        {},
        say("groups.field"),
        el(
          "select",
          { on: { change: (event) => show(fields[event.target.selectedIndex]) } },
          fields.map((one) => el("option", {}, one.field)),
        ),
      ),
    );
  else part("groups", ".fields").append(el("span", {}, fields[0].field));
  show(fields[0]);
}
