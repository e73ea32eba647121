// One unit: where it stands among the others, what it wants, and the same unit of a second CNN.

/**
 * The parts of a unit's page below that: each file in `sections` adds one, in the order of their
 * numbers. It is given the unit's finding with the keys of findings.json, and returns a `part`
 * (elements.js), or null where there is nothing to show. All scripts share their names.
 */
const sections = [];

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
  if (unit.dead || isCut(unit) || !report.facets) return null;
  if (unit.trusted === null) {
    return unit.evidence.data ? "trust could not be checked" : "trust not checked: no real images";
  }
  const tick = unit.why.length ? "" : "✓ "; // none above what casts a doubt
  if (unit.trusted && !unit.evidence.trust?.paths.length) {
    return `${tick}no real image excites it more than its picture`;
  }
  return unit.trusted ? `${tick}its picture excites it through the same channels as real images`
    : element("span", { class: "warning" }, `${WARNING} not trusted to say what real images do: the reason is below`);
}

function heading(unit) {
  const { neuron, field, data } = unit.evidence;
  const own = unit.class_name ? `, ${unit.class_name}` : "";
  const name = `${unit.layer} / ${unitName(unit.layer, unit.key)}${own}`;
  const through = (first, length) => `${first} to ${first + length - 1}`;
  const signs = unit.dead ? [{ kind: "dead" }]
    : unit.facets.length > 1 ? unit.facets : unit.kinds.map((kind) => ({ kind, ...unit }));
  return element("header", { class: "head" },
    element("h2", { tabindex: "-1" }, data?.class && !own ? `${name}, class ${data.class.label}` : name),
    element("p", { class: "wants" }, signs.map(symbol), unit.words.wants),
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
    const shown = found.facets[0]?.pictures[0] ?? found.evidence.styles[0]?.picture;
    const best = found.dead ? null : shown;
    const said = found.words.facets[0] ?? found.words.wants;
    const { neutral, best: top } = found.evidence.score;
    const { shares } = found;
    return [
      best
        ? picture(best, `The best picture in ${subject}: ${said}`, 200, folder)
        : element("span", { class: "none" }, found.dead ? "nothing excites it" : "no picture"),
      element("div", {}, paragraph(badges(found)), paragraph(found.words.wants),
        !found.dead && paragraph(confidence(found)),
        found.polysemantic !== null && top !== null
          && paragraph(`Score ${number(neutral)} (neutral gray) → ${number(top)} (best).`),
        shares && paragraph(`Due to color ${percent(shares.color)}, to shape `
          + `${percent(shares.shape)}, to brightness ${percent(shares.brightness)}.`),
        mix(shares))];
  };
  return element("section", { class: "panel" }, element("h3", {}, subject),
    unit ? content(unit) : note("This unit was not examined there."));
}

function comparison(unit) {
  if (!report.against) return null;
  return element("div", {},
    note(`The unit of this number in both CNNs${layers.get(unit.layer).flat ? "."
      : ". Channels of one number need not be alike."} Scores have a scale of their own in each`
      + `${report.facets ? ": compare shares" : ""}.`),
    element("div", { class: "panels" },
      panel(report.subject, unit, ""), panel(report.against, unit.other, "against/")));
}
