// One unit: what it wants, its facets with their interventions, trust, records.

/** The units before and after one, among those shown if it is one of them. */
function neighbors(unit) {
  const chosen = report.layers.flatMap(shown);
  const order = chosen.includes(unit) ? chosen : everything;
  const index = order.indexOf(unit);
  const place = `${(index + 1).toLocaleString("en")} of ${order.length.toLocaleString("en")}`;
  return { before: order[index - 1], after: order[index + 1],
    place: order.length < everything.length ? `${place} shown` : place };
}

function navigation(unit) {
  const { before, after, place } = neighbors(unit);
  const step = (to, id, text) => (to
    ? element("a", { id, href: link(to), class: "button" }, text)
    : element("span", { id, class: "button off" }, text));
  return element("nav", { class: "steps", "aria-label": "Units" },
    element("a", { id: "back", class: "button", href: "#", title: "Escape" }, "↑ all units"),
    step(before, "before", "← previous"), step(after, "after", "next →"),
    element("span", { class: "note" }, place));
}

function trustWords(unit) {
  if (unit.dead) return null;
  if (unit.trusted === null) {
    return unit.evidence.data ? "trust could not be checked" : "trust not checked: no real images";
  }
  return unit.trusted ? "✓ its picture takes a path like that of real images"
    : element("span", { class: "warning" }, `${WARNING} not trusted: the reason is below`);
}

function heading(unit) {
  const { neuron, field, data } = unit.evidence;
  const name = `${unit.layer} / ${unitName(unit.layer, unit.key)}`;
  const through = (first, length) => `${first} to ${first + length - 1}`;
  const signs = unit.dead ? [{ kind: "dead" }]
    : unit.facets.length > 1 ? unit.facets : [{ kind: unit.kinds[0], ...unit }];
  return element("header", { class: "head" },
    element("h2", { tabindex: "-1" }, data?.class ? `${name}, class ${data.class.label}` : name),
    element("p", { class: "wants" }, signs.map(symbol), wants(unit)),
    element("p", { class: "facts" }, !unit.dead && confidence(unit),
      element("span", {}, trustWords(unit)), unit.polysemantic
        && element("span", {}, `polysemantic: ${plural(unit.facets.length, "facet")}`)),
    unit.why.length > 0
      && element("ul", { class: "why" }, unit.why.map((why) => element("li", {}, why))),
    neuron && field && note(`Examined at its neuron (${neuron.join(", ")}), which sees `
      + `${field.height} × ${field.width} pixels: rows ${through(field.top, field.height)}, `
      + `columns ${through(field.left, field.width)}.`));
}

/** The unit of one of two subjects, in short. */
function panel(subject, unit, folder) {
  const content = (found) => {
    const [best] = found.facets;
    const { neutral, best: top } = found.evidence.score;
    const kept = (best?.interventions?.items ?? [])
      .filter((item) => ["without color", "pixels shuffled", "one flat color"].includes(item.name));
    return [
      best?.pictures.length
        ? picture(best.pictures[0], `The best picture in ${subject}: ${words(best)}`, 200, folder)
        : element("span", { class: "none" }, found.dead ? "nothing excites it" : "no picture"),
      element("div", {}, paragraph(badges(found)), paragraph(wants(found)),
        !found.dead && paragraph(confidence(found)),
        top !== null
          && paragraph(`Score ${number(neutral)} (neutral gray) → ${number(top)} (best).`),
        kept.length > 0 && paragraph("Of this way is left: ",
          kept.map((item) => `${item.name} ${percent(item.share)}`).join(", "), "."))];
  };
  return element("section", { class: "panel" }, element("h3", {}, subject),
    unit ? content(unit) : note("This unit was not examined there."));
}

function comparison(unit) {
  if (!report.against) return null;
  return element("div", {}, element("div", { class: "panels" },
    panel(report.subject, unit, ""), panel(report.against, unit.other, "against/")),
  note("The unit of this name in both CNNs; channels of one number need not be alike. Scores have a "
    + "scale of their own in each: compare shares."));
}

function facets(unit) {
  const several = unit.facets.length > 1;
  if (unit.facets.length) return unit.facets.map((_, index) => facet(unit, index, several));
  return part("What excites it", note(unit.dead
    ? "Nothing: from no start did the score rise. A dead unit has no facets."
    : "No picture was exciting enough to count as something that it wants."));
}

function facet(unit, index, several) {
  const found = unit.facets[index];
  const name = several ? `Facet ${index + 1} of ${unit.facets.length}` : "What excites it";
  const [, height, width] = report.input;
  const { field } = unit.evidence;
  const cropped = field && (field.height < height || field.width < width);
  const [best, ...others] = found.pictures.map((path, i) => element("figure", {},
    picture(path, `${name}: ${words(found)}; picture ${i + 1}`, i ? 168 : 280),
    element("figcaption", {}, i ? "from another start"
      : cropped ? "the best, cropped to what the neuron sees" : "the best")));
  return part([name, ": ", symbol(found), words(found)],
    paragraph(`Score ${number(found.score)}. ${percent(found.share)} of the starts led to it.`),
    element("div", { class: "row" }, best,
      cropped && found.full && whole(found.full, field, name), others),
    found.interventions?.items.length > 0 && [
      element("h4", {}, "What is left when something is taken away"),
      interventions(found.interventions),
      note("The bar is the share of the way from neutral gray (left mark, 0 %) to the picture as "
        + "synthesized (right mark, 100 %). Below 0 % it excites less than gray, above 100 % more "
        + "than the picture.")]);
}

/** The whole picture, with a frame around what the examined neuron sees of it. */
function whole(path, field, name) {
  const [, height, width] = report.input;
  const frame = `left:${(100 * field.left) / width}%;width:${(100 * field.width) / width}%;`
    + `top:${(100 * field.top) / height}%;height:${(100 * field.height) / height}%`;
  return element("figure", {}, element("span", { class: "framed" },
    picture(path, `${name}: the whole picture`, 280),
    element("span", { class: "frame", style: frame })),
  element("figcaption", {}, "the same, whole; framed: what the neuron sees"));
}

function interventions({ sprite, cell: size, items }) {
  return element("div", { class: "row" }, items.map((item, column) => {
    const label = `${item.name}: score ${number(item.score)}`;
    return scored(cell({ sprite, size, columns: items.length, column, label }), item.name, item);
  }));
}

function trust(unit) {
  const title = "How far to trust the picture";
  const found = unit.evidence.trust;
  if (!found) {
    return part(title, note(unit.dead ? "There is no picture of a dead unit to trust."
      : "This cannot be said: there was nothing real to compare it with."));
  }
  const names = {
    picture: "the picture", real: "an exciting real image", random: "random real images" };
  const table = element("table", { class: "figures" },
    element("thead", {}, element("tr", {}, ["layer", ...Object.values(names)].map((name) =>
      element("th", { scope: "col" }, name)))),
    element("tbody", {}, found.paths.map((path) => element("tr", {},
      element("th", { scope: "row" }, path.layer),
      Object.keys(names).map((name) => element("td", {}, number(path[name])))))));
  const times = found.times !== null
    && ` From neutral gray, the picture goes ${number(found.times)} times as far.`;
  return part(title,
    paragraph(`The best picture scores ${number(found.picture)}, the best real image `
      + `${number(found.best_real)}.`, times || ""),
    found.paths.length > 0 && [
      paragraph("Does it go through the earlier layers as those real images do that excite the "
        + "unit most? Its likeness to them (1: the same) should be near that of another such "
        + "image, not near that of random ones."),
      scrolling("Likeness in the earlier layers", table)],
    unit.trusted === false
      && element("p", { class: "warning" }, `${WARNING} So it is not trusted.`));
}

/** The finding and the records of its pictures as JSON, written out when they are opened. */
function records(unit) {
  const closed = (summary, value) => {
    const details = element("details", {}, element("summary", {}, summary));
    const write = () => details.append(element("pre", {}, JSON.stringify(value, null, 2)));
    details.addEventListener("toggle", write, { once: true });
    return details;
  };
  const { other, key, ...finding } = unit;
  return part("The record", closed("The finding, as in findings.json", finding),
    (unit.evidence.pictures?.items ?? []).map((item) => closed(`${item.look}, seed ${item.seed}, `
      + `${item.initial_image}: score ${number(item.score)}`, item.record)));
}
