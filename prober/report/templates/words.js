// Numbers in words, names, and the signs of kinds. What a unit wants comes in words: `unit.words`.

const WARNING = "\u26A0\uFE0E"; // as a letter, not as an emoji
const minus = (text) => text.replace("-", "−");
const plural = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

/** A number to compare with others: two decimals, fewer where it is large. */
function number(value) {
  if (!present(value)) return "–";
  const size = Math.abs(value);
  if (size < 0.005 && size > 0) return minus(value.toPrecision(1));
  return minus(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2));
}

/** A number that is round already, as short as can be. */
const short = (value) => minus(String(Number(value.toPrecision(3))));

/** A share of 1; what is not all is never rounded to all, nor to nothing. As `percent` of Python. */
function percent(share) {
  if (!present(share)) return "–";
  share = Math.round(1e5 * share) / 1e5 + 0; // what three digits do not show is nothing
  const round = (digits) => (100 * share + 1e-9).toFixed(digits);
  const whole = share === 0 || share === 1;
  const digits = [0, 1, 2].find((count) => whole || ![0, 100].includes(Number(round(count)))) ?? 3;
  return `${minus(round(digits))}%`;
}

/** A unit's name in its layer: "channel 3", "neuron (7, 7) of channel 3", "unit 3" if flat. */
function unitName(layer, key) {
  const [channel, position] = key.split("/");
  const name = `${layers.get(layer).flat ? "unit" : "channel"} ${channel}`;
  return position ? `neuron (${position.replace(",", ", ")}) of ${name}` : name;
}

/** A score with whose it is: a channel's, or one neuron's; of flat layers there is one alone. */
function scoreOf(unit, score, { objective, position }) {
  if (layers.get(unit.layer).flat) return `score ${number(score)}`;
  const ofChannel = objective === "ChannelMean" ? "the channel's mean" : "the channel's";
  return `score ${number(score)} (${position === null ? ofChannel : "one neuron's"})`;
}

/** Whether no gradient leads back from a unit, so that there are answers alone. */
const isCut = (unit) => unit.polysemantic === null && !unit.evidence.pictures;

/** What shares of the gain are counted from. */
const NEUTRAL = report.facets ? "neutral gray" : "the neutral input, all values halfway,";

const link = (unit) => `#${encodeURIComponent(unit.layer)}/${unit.key}`;

/** The sign of a kind: a disk of its hue, a stroke of its direction, half light and half dark … */
function symbol({ kind, hue = null, orientation = null }) {
  const name = kind === "color+shape" ? "both" : kind;
  const sign = `symbol ${name}${hue === null ? " any" : ""}`;
  return element("span", { class: sign, "aria-hidden": "true",
    style: `--hue:${hue ?? 0};--turn:${-(orientation ?? 60)}deg` });
}

/** The kinds of a unit, each with its sign. */
function badges(unit) {
  const kinds = unit.dead ? ["dead"] : unit.kinds; // none where facets were not looked for
  // A unit has one hue and one direction; of several kinds one cannot say whose they are.
  const { hue, orientation } = kinds.length > 1 ? {} : unit;
  return kinds.map((kind) =>
    element("span", { class: "badge" }, symbol({ kind, hue, orientation }), kind));
}

function confidence(unit) {
  if (!present(unit.confidence)) return null;
  const meter = element("span", { class: "meter", "aria-hidden": "true" },
    element("i", { style: `width:${100 * unit.confidence}%` }));
  const about = unit.trusted === false ? " in what its picture shows" : "";
  return element("span", {}, `confidence${about} `, meter, ` ${percent(unit.confidence)}`);
}

/** What is said beside a picture whose penalties fell by more than its score rose. */
const penalties = () => element("span", { class: "warning" },
  ` ${WARNING} This is what the penalties want: the score hardly moved.`);
