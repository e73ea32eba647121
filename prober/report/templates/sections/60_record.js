// The finding and the records of its pictures.

sections.push(records);

/** The finding and the records of its pictures as JSON, written out when they are opened. */
function records(unit) {
  const closed = (summary, value) => {
    const details = element("details", {}, element("summary", {}, summary));
    const write = () => details.append(element("pre", {}, JSON.stringify(value, null, 2)));
    details.addEventListener("toggle", write, { once: true });
    return details;
  };
  const { other, key, words, class_name: _, ...finding } = unit;
  return part("The record", closed("The finding, as in findings.json", finding),
    (unit.evidence.pictures?.items ?? []).map((item) => closed(`${item.look}, seed ${item.seed}, `
      + `${item.initial_image}: score ${number(item.score)}`, item.record)));
}
