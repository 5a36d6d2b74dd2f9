// The search for words and topics.

function search() {
  const input = $("search"),
    found = $("found");
  let options = [],
    active = -1;
  const close = () => {
    found.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  function mark(i) {
    active = i;
    [...found.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === i)));
    if (options[i]) {
      input.setAttribute("aria-activedescendant", found.children[i].id);
      found.children[i].scrollIntoView({ block: "nearest" });
    }
  }
  function take(i) {
    if (!options[i]) return;
    options[i].act();
    close();
  }
  function look() {
    const asked = input.value.trim().toLowerCase();
    options = [];
    if (!asked) return close();
    const number = /^\d+$/.test(asked) && topics[Number(asked)] ? Number(asked) : -1;
    if (number >= 0) options.push({ name: say("topics.topic", { k: number }), said: label(number), act: () => choose(number, true) });
    topics.forEach((topic, k) => {
      if (topic.name.toLowerCase().includes(asked))
        options.push({ name: topic.name, said: say("topics.small", { k }), act: () => choose(k, true) });
    });
    const begins = [],
      holds = [];
    words.text.forEach((name, j) => {
      const at = name.toLowerCase().indexOf(asked);
      if (at === 0) begins.push(j);
      else if (at > 0) holds.push(j);
    });
    const exact = placeOf.get(asked);
    const first = exact === undefined ? begins : [exact, ...begins.filter((j) => j !== exact)];
    for (const j of [...first, ...holds].slice(0, 12))
      options.push({ name: words.text[j], said: say("topics.small", { k: words.topics[j][0] }), act: () => word(j) });
    const none =
      words.of > words.text.length
        ? say("search.not_here", { listed: count(words.text.length), all: count(words.of) })
        : say("search.none");
    found.replaceChildren(
      ...(options.length
        ? options.map((option, i) =>
            el(
              "li",
              {
                role: "option",
                id: `option-${i}`,
                on: {
                  mousedown: (e) => {
                    e.preventDefault();
                    take(i);
                  },
                },
              },
              el("span", { lang: language }, option.name),
              el("small", { lang: language }, option.said),
            ),
          )
        : [el("li", { class: "none" }, none)]),
    );
    found.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(options.length ? 0 : -1);
  }
  input.addEventListener("input", look);
  input.addEventListener("focus", look);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // Enter ends the spelling of a Chinese word
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) {
      event.preventDefault();
      mark((active + step + options.length) % options.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      take(active);
    } else if (event.key === "Escape") {
      input.value = "";
      close();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/input|textarea/i.test(document.activeElement.tagName)) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });
}
