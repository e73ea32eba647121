// Numbers, hues, directions and kinds in words.

const WARNING = "\u26A0\uFE0E"; // as a letter, not as an emoji
const minus = (text) => text.replace("-", "−");
const plural = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** A number to compare with others: two decimals, fewer where it is large. */
function number(value) {
  if (!present(value)) return "–";
  const size = Math.abs(value);
  if (size < 0.005 && size > 0) return minus(value.toPrecision(1));
  return minus(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2));
}

/** A number that is round already, as short as can be. */
const short = (value) => minus(String(Number(value.toPrecision(3))));

/** A share of 1; what is not nearly all is never rounded to all, nor to nothing. */
function percent(share) {
  if (!present(share)) return "–";
  const round = (count) => Number((100 * share).toFixed(count));
  const exact = Math.abs(share - Math.round(share)) < 1e-5;
  const digits = exact ? 0 : [0, 1, 2].find((count) => ![0, 100].includes(round(count))) ?? 3;
  return minus(`${(100 * share).toFixed(digits)}\u00A0%`);
}

/** The name of an angle among those that divide a circle evenly, the first for 0°. */
const nearest = (names, degrees, circle) => {
  const turned = ((degrees % circle) + circle) % circle;
  return names[Math.round((turned * names.length) / circle) % names.length];
};
const hueWords = (hue) => `hue ${Math.round(hue)}° (${nearest(report.hues, hue, 360)})`;
const strokeWords = (degrees) =>
  `strokes at ${Math.round(degrees)}° (${nearest(report.directions, degrees, 180)})`;

/** What excites a facet, or a unit that has one. */
function words({ kind, hue, orientation }) {
  const color = hue !== null && hueWords(hue);
  const strokes = orientation !== null && strokeWords(orientation);
  switch (kind) {
    case "color": return color ? `color: ${color}` : "color, of no single hue";
    case "shape": return strokes ? `shape: ${strokes}` : "shape, of no single direction";
    case "color+shape": {
      const details = [color, strokes].filter(Boolean).join(", ");
      return `color and shape together${details && `: ${details}`}`;
    }
    case "brightness": return "brightness: light or dark, neither color nor shape";
    case "unclear": return "unclear: the evidence is too thin to say";
    default: return kind;
  }
}

/** What a unit wants, as a sentence. */
function wants(unit) {
  if (unit.dead) return "Dead: nothing that was tried excites it.";
  const [kind] = unit.kinds;
  if (kind === "unclear") return `${capital(words({ kind, ...unit }))}.`;
  if (unit.facets.length < 2) return `Wants ${words({ kind, ...unit })}.`;
  const things = unit.facets.map(words).map(capital).join("; ");
  return `Wants ${unit.facets.length} different things. ${things}.`;
}

/** A unit's name in its layer: "channel 3", "neuron (7, 7) of channel 3", "unit 3" if flat. */
function unitName(layer, key) {
  const [channel, position] = key.split("/");
  const name = `${layers.get(layer).flat ? "unit" : "channel"} ${channel}`;
  return position ? `neuron (${position.replace(",", ", ")}) of ${name}` : name;
}

const link = (unit) => `#${encodeURIComponent(unit.layer)}/${unit.key}`;

/** The sign of a kind: a disk of its hue, a stroke of its direction, half light and half dark … */
function symbol({ kind, hue = null, orientation = null }) {
  const name = kind === "color+shape" ? "both" : kind;
  const sort = `symbol ${name}${hue === null ? " any" : ""}`;
  return element("span", { class: sort, "aria-hidden": "true",
    style: `--hue:${hue ?? 0};--turn:${-(orientation ?? 60)}deg` });
}

/** The kinds of a unit, each with its sign. */
function badges(unit) {
  const kinds = unit.dead ? ["dead"] : unit.kinds;
  // A unit has one hue and one direction; of several kinds one cannot say whose they are.
  const { hue, orientation } = kinds.length > 1 ? {} : unit;
  return kinds.map((kind) =>
    element("span", { class: "badge" }, symbol({ kind, hue, orientation }), kind));
}

function confidence(unit) {
  const meter = element("span", { class: "meter", "aria-hidden": "true" },
    element("i", { style: `width:${100 * unit.confidence}%` }));
  return element("span", {}, "confidence ", meter, ` ${percent(unit.confidence)}`);
}
