// The head of the page and the links to its sections.

// Coherence in fewer test documents varies too much with their choice to stand at the head of the page.
const LEAST_TEST = 200;

function head() {
  const kind = { etm: "ETM", detm: "DETM", detm_paper: "DETM", gsm: "NVDM-GSM", lda: "LDA" }[run.kind] || run.kind;
  document.title = say("page.title", { topics: run.topics, name: run.name });
  $("name").textContent = run.name;
  const documents = run.train + run.valid + run.test;
  const trained = run.seconds
    ? say("head.trained", { seconds: run.seconds.toFixed(run.seconds < 10 ? 1 : 0), epochs: run.epochs })
    : "";
  $("lead").textContent =
    say("head.lead", { topics: topics.length, documents: count(documents), corpus: run.corpus, model: kind }) +
    (run.kind === "etm" ? say("head.variant", { variant: run.variant }) : "") +
    trained +
    say("head.end");
  const cards = [
    [
      say("head.documents"),
      count(documents),
      say("head.parts", { train: count(run.train), valid: count(run.valid), test: count(run.test) }),
    ],
    [say("head.vocabulary"), count(run.vocabulary), say("head.tokens", { tokens: count(run.tokens) })],
  ];
  for (const [title, name, said] of [
    [say("head.coherence"), "NPMI", say("head.coherence_of")],
    [say("head.held_out"), "NPMI, held out", say("head.held_out_of")],
    [say("head.diversity"), "diversity", say("head.diversity_of")],
    [say("head.perplexity"), "perplexity", say("head.perplexity_of")],
  ]) {
    if (name === "NPMI, held out" && run.test < LEAST_TEST) continue;
    const row = data.metrics.filter((one) => one[0] === name).at(name === "diversity" ? -1 : 0);
    if (row) cards.push([title, row[1].replace("-", "−"), said]);
  }
  $("cards").append(
    ...cards.map(([title, value, said]) =>
      el("div", {}, el("dt", {}, title), el("dd", {}, value, el("small", {}, explained(said)))),
    ),
  );
  const names = {
    topics: say("nav.topics"),
    map: say("nav.map"),
    similarity: say("nav.similarity"),
    time: say("nav.time"),
    groups: say("nav.groups"),
    training: say("nav.training"),
    documents: say("nav.documents"),
    run: say("nav.run"),
  };
  for (const [id, name] of Object.entries(names))
    if (!$(id).hidden) $("links").append(el("a", { href: `#${id}` }, name));
  document.querySelector("footer").textContent =
say("page.footer", { date: run.made });
}
