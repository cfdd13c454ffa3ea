// The scores of search results. A key of the topology language that is the whole query comes before titles and text, and
// so does a command; of several such keys, the one with the lowest priority number (TABLES in key_search.py) comes first.
// Then come pages whose title has the query.
var Scorer = {
  score: ([, , anchor, , score, , kind]) => score + (kind === "title" && !anchor ? 20 : 0),
  objNameMatch: 100,
  objPartialMatch: 0,
  objPrio: Object.fromEntries(Array.from({length: 50}, (_, priority) => [priority, 5 - priority / 10])),
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
