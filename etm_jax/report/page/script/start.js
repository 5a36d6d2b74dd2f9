// Draws everything, and opens what the address asks for.

list();
weigh();
drawMap();
drawSimilarity();
drawTime();
drawGroups();
drawTraining();
drawDocuments();
drawRun();
search();
head();
const asked = decodeURIComponent(location.hash);
const topic = /^#topic-(\d+)$/.exec(asked),
  name = asked.startsWith("#word-") ? placeOf.get(asked.slice(6)) : undefined;
choose(topic && topics[Number(topic[1])] ? Number(topic[1]) : byShare[0], false);
drawTerms();
if (topic) $("detail").scrollIntoView();
if (name !== undefined) word(name);
