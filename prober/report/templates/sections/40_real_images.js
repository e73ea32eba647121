// What real images say of a unit.

sections.push(realImages);

function realImages(unit) {
  const what = report.facets ? "images" : "inputs";
  const title = `Real ${what}`;
  const data = unit.evidence.data;
  if (!data) return part(title, note(`No real ${what} were given.`));
  if (unit.dead) return part(title, note(`None of the real ${what} moves it.`));
  if (!report.facets) return part(title, examples(data.examples, unit.words.examples, unit));
  return part(title, examples(data.examples, unit.words.examples, unit),
    element("h4", {}, "By class and color"), variance(data.variance),
    data.table?.length ? heatMap(data, unit.words.columns)
      : note("There is no table: the images could not be shown in several colors."),
    data.class?.logit && classChoice(data.class, unit.words.class_hue, unit.shares));
}

function examples(found, hues, unit) {
  if (!found.items.length) return null;
  const { sprite, cell: size, items } = found;
  const colors = report.class_colors ? ", each in the colors of all classes" : "";
  return [element("h4", {}, `Those that excite it most${colors}`),
    element("div", { class: "row" }, items.map((item, column) => {
      const name = present(item.label) ? `class ${item.label}` : "";
      const about = [name, hues[column]].filter(Boolean).join(", ");
      const label = `Real ${report.facets ? "image" : "input"}, ${about || "of no class"}: score ${number(item.score)}`;
      return scored(cell({ sprite, size, columns: items.length, column, label }), about, item);
    })),
    note(`The bar is the share of the gain from ${NEUTRAL} to the ${isCut(unit)
      ? "strongest answer" : "best picture"}.`)];
}

function variance(shares) {
  if (!shares) return null;
  return paragraph(`Of the variance of the score, ${percent(shares.hue)} goes with the hue at equal `
    + `brightness, ${percent(shares.brightness)} with the brightness, `
    + `${percent(shares.class)} with the class, and ${percent(shares.rest)} with none of them alone`
    + (shares.hue_by_class ? `: ${percent(shares.hue_by_class)} with the hue in each class otherwise.` : "."));
}

/** Mean scores as a table, classes down and colors across, from light to dark (or dark to light). */
function heatMap({ table, rows, columns, colors }, hues) {
  const values = table.flat().filter(present);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const level = (value) =>
    (value === null ? 0 : Math.round((100 * (value - low)) / (high - low || 1)));
  const caption = "Mean score of real images, classes down, colors across: "
    + `${number(low)} (faintest) to ${number(high)} (strongest).`;
  const nearZero = (value) => value !== null && Math.abs(value) < (high - low) / 1000;
  const said = (value) => number(nearZero(value) ? 0 : value);
  const paint = (color) => `background:rgb(${color.map((part) => Math.round(255 * part)).join(" ")})`;
  const named = (hue, i) => {
    if (present(hue)) return `${short(hue)}°`;
    return colors[i] ? "gray" : "several";
  };
  const head = columns.map((hue, i) => element("th", { scope: "col" },
    colors[i] && element("i", { class: "swatch", style: paint(colors[i]) }), named(hue, i)));
  const body = table.map((scores, i) => element("tr", {}, element("th", { scope: "row" }, rows[i]),
    scores.map((value, j) => element("td", { style: `--level:${level(value)}`,
      title: `class ${rows[i]}, ${hues[j] ?? named(null, j)}: ${said(value)}` }, said(value)))));
  const heat = element("table", { class: "heat" },
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "class"), head)),
    element("tbody", {}, body));
  return [note(caption), scrolling("Mean score by class and color", heat)];
}

/** Whether a class goes by its color or its shape: its logit when either is changed. */
function classChoice({ label, logit, used }, hue, wanted) {
  const { noun } = report; // color, or brightness where that is all that could give a class away
  const cases = { own: "its own images", color_changed: `its shape in another class's ${noun}`,
    shape_changed: `another class's shape in its ${noun}`, both_changed: "both of another class" };
  const values = Object.keys(cases).map((name) => logit[name]);
  const low = Math.min(0, ...values);
  const span = Math.max(0, ...values) - low || 1;
  const share = (value) => `${(100 * value) / span}%`;
  const place = (value) =>
    `left:${share(Math.min(0, value) - low)};width:${share(Math.abs(value))}`;
  const bar = (value) => element("span", { class: "bar plain", "aria-hidden": "true" },
    element("i", { style: place(value) }));
  const rows = Object.entries(cases).map(([name, said]) => element("tr", {},
    element("th", { scope: "row" }, said), element("td", {}, number(logit[name])),
    element("td", { class: "wide" }, bar(logit[name]))));
  const turned = logit.color_changed - logit.shape_changed;
  const gain = logit.own - logit.both_changed;
  const lowers = Math.abs(turned) > gain ? `; its ${turned > 0 ? noun : "shape"} lowers it` : "";
  return [element("h4", {}, `Class ${label}: ${noun} or shape?`),
    paragraph("Its mean logit over real images. ", hue === null
      ? "In the data this class has no hue of its own." : `In the data this class is ${hue}.`),
    element("table", { class: "figures bars" }, element("tbody", {}, rows)),
    used && wanted && paragraph(`So on real images ${percent(used.color)} of it is due to ${noun} and `
      + `${percent(used.shape)} to shape${lowers}. Of what excites it most, ${percent(wanted.color)} is due to `
      + `color, ${percent(wanted.shape)} to shape and ${percent(wanted.brightness)} to brightness.`)];
}
