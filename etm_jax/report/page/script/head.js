// The head of the page and the links to its sections.

function head() {
  const kind = { etm: "ETM", gsm: "NVDM-GSM", lda: "LDA" }[run.kind] || run.kind;
  document.title = `${run.topics} topics of ${run.name}`;
  $("name").textContent = run.name;
  const documents = run.train + run.valid + run.test;
  const trained = run.seconds
    ? `, trained in ${run.seconds.toFixed(run.seconds < 10 ? 1 : 0)} s (${run.epochs} epochs)`
    : "";
  $("lead").textContent =
    `${topics.length} topics of ${count(documents)} documents of ${run.corpus}: ${kind}` +
    (run.kind === "etm" ? `, ${run.variant} variant` : "") +
    `${trained}.`;
  const cards = [
    ["documents", count(run.train), `for training, ${count(run.valid)} for validation, ${count(run.test)} for testing`],
    ["vocabulary", count(run.vocabulary), `words; ${count(run.tokens)} tokens for training`],
  ];
  for (const [title, name, said] of [
    ["coherence", "NPMI", "NPMI of the top 10 words, in training documents"],
    ["held-out coherence", "NPMI, held out", "the same, in test documents"],
    ["diversity", "diversity", "unique share of the top 25 words"],
    ["perplexity", "perplexity", "by document, on held-out halves"],
  ]) {
    const row = data.metrics.filter((one) => one[0] === name).at(name === "diversity" ? -1 : 0);
    if (row) cards.push([title, row[1].replace("-", "−"), said]);
  }
  $("cards").append(
    ...cards.map(([title, value, said]) =>
      el("div", {}, el("dt", {}, title), el("dd", {}, value, el("small", {}, said))),
    ),
  );
  const names = {
    topics: "Topics",
    map: "Map",
    similarity: "Similarity",
    time: "Over time",
    training: "Training",
    documents: "Documents",
    run: "Run",
  };
  for (const [id, name] of Object.entries(names))
    if (!$(id).hidden) $("links").append(el("a", { href: `#${id}` }, name));
  document.querySelector("footer").textContent =
    `Made by etm_jax on ${run.made}. This file contains all that it shows and makes no network requests.`;
}
