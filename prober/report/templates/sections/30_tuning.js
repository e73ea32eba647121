// Tuning curves as SVG.

sections.push(tuning);

const CHART = { width: 372, height: 222, left: 46, right: 354, top: 14, bottom: 170 };

function tuning(unit) {
  if (!report.facets) return null;
  const title = "Tuning curves";
  if (unit.dead) return part(title, note("They are flat: nothing moves a dead unit."));
  const { tuning: measured, score } = unit.evidence;
  const charts = measured ? [hueChart(measured.hue), orientationChart(measured.orientation),
    frequencyChart(measured.frequency)].filter(Boolean) : [];
  if (!charts.length) return part(title, note("None were measured for this unit."));
  // One range for all charts of a unit, with its best picture: flat curves shall look flat.
  const values = [...charts.flatMap((each) => each.lines.flatMap((line) => line.y)),
    score.neutral, score.best].filter(present);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const range = [low - 0.13 * (high - low), high + 0.05 * (high - low)];
  const best = isCut(unit) ? "strongest answer" : "best picture";
  const levels = { [best]: score.best, "neutral gray": score.neutral };
  return part(title, paragraph("How the unit answers to plain stimuli. Where a curve comes near "
    + `the upper dashed line, a plain stimulus excites it as much as ${isCut(unit)
      ? "anything that it was shown" : "its best picture"}.`),
  element("div", { class: "row" }, charts.map((each) => chart(each, range, levels))),
  !measured.hue && note("There is no curve of hue: the input does not have three color channels."));
}

/** A curve's ends meet: what comes after the last degree is the first one again. */
const circle = (values, last = values[0]) => [...values, last];

function hueChart(hue) {
  const names = { flat: "flat color", strokes: "strokes" };
  return hue && { title: "Hue", label: "hue of the stimulus", unit: "°",
    at: circle(hue.degrees, 360), marks: [0, 60, 120, 180, 240, 300, 360],
    lines: Object.keys(names).map((key) => ({ name: names[key], y: circle(hue[key]) })),
    strip: (x, y) => Array.from({ length: 36 }, (_, i) => element("rect", { x: x(10 * i), y,
      width: x(10) - x(0) + 0.5, height: 12, fill: `hsl(${10 * i + 5} 100% 50%)` })) };
}

function orientationChart(orientation) {
  return orientation && { title: "Orientation", label: "direction of the strokes", unit: "°",
    at: circle(orientation.degrees, 180), marks: [0, 45, 90, 135, 180],
    lines: ["bars", "gratings"].map((name) => ({ name, y: circle(orientation[name]) })),
    strip: (x, y) => [0, 45, 90, 135, 180].map((degrees) => element("line", { class: "stroke",
      x1: x(degrees) - 7, x2: x(degrees) + 7, y1: y + 8, y2: y + 8,
      transform: `rotate(${-degrees} ${x(degrees)} ${y + 8})` })) };
}

function frequencyChart(frequency) {
  if (!frequency) return null;
  const at = frequency.cycles_per_pixel;
  return { title: "Frequency", label: "cycles per pixel", unit: " cycles per pixel", at,
    marks: ticks(at[0], at.at(-1)), lines: [{ name: "gratings", y: frequency.gratings }],
    strip: () => null };
}

/** Some four to eight round numbers between two. */
function ticks(low, high) {
  const rough = (high - low) / 3 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [5, 2, 1].map((factor) => factor * power).find((size) => size <= rough) ?? power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** Where a curve is highest and lowest, in words, for those who do not see it. */
function extremes(line, at, unit) {
  const values = line.y.filter(present);
  if (!values.length) return `${line.name}: not measured`;
  const where = (value) => `${number(value)} at ${short(at[line.y.indexOf(value)])}${unit}`;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${line.name}: highest ${where(high)}, lowest ${where(low)}`;
}

/** The path of a curve, interrupted where there is no value. */
function path(points) {
  return points.map(([x, y], i) => y !== null
    && `${i && points[i - 1][1] !== null ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`)
    .filter(Boolean).join("");
}

/**
 * A chart of curves over `at`; `marks` are numbers below the axis, `strip` draws above them,
 * `levels` are scores by what they are of, the upper one first.
 */
function chart({ title, label, unit, at, marks, lines, strip }, [low, high], levels) {
  const { width, height, left, right, top, bottom } = CHART;
  const x = (value) => left + ((value - at[0]) / (at.at(-1) - at[0] || 1)) * (right - left);
  const y = (value) => bottom - ((value - low) / (high - low || 1)) * (bottom - top);
  const text = (content, atX, atY, anchor = "middle", more = {}) =>
    element("text", { x: atX, y: atY, "text-anchor": anchor, ...more }, content);
  const across = (name, value) =>
    element("line", { class: name, x1: left, x2: right, y1: y(value), y2: y(value) });
  // The name of a level stands where it is farthest from the curves: on the right or on the left,
  // above the line or below it.
  const room = (value, side, below) => Math.min(...lines.flatMap((line) => line.y.map((score, i) =>
    (score === null || Math.abs(side - x(at[i])) > 80 ? Infinity
      : Math.abs(y(score) - y(value) - below + 4)))));
  const level = (name, value) => {
    if (value === null) return null;
    const places = [[right, -4], [right, 12], [left, -4], [left, 12]];
    const [side, below] = places.reduce((best, place) =>
      (room(value, ...place) > room(value, ...best) ? place : best));
    return [across("level", value),
      text(name, side, y(value) + below, side === left ? "start" : "end")];
  };
  const upright = { transform: `rotate(-90 10 ${(top + bottom) / 2})` };
  const curve = (line, i) => [
    element("path", { class: `curve curve${i}`,
      d: path(at.map((value, j) => [x(value), line.y[j] === null ? null : y(line.y[j])])) }),
    at.map((value, j) => line.y[j] !== null
      && element("circle", { class: `curve${i}`, cx: x(value), cy: y(line.y[j]), r: 3 },
        element("title", {}, `${line.name}, ${short(value)}${unit}: ${number(line.y[j])}`)))];
  const key = (line, i) => element("span", { class: "key" },
    element("svg", { viewBox: "0 0 24 8", width: 24, height: 8, "aria-hidden": "true" },
      element("line", { class: `curve curve${i}`, x1: 0, x2: 24, y1: 4, y2: 4 })), line.name);
  const said = `${title}. ${lines.map((line) => extremes(line, at, unit)).join("; ")}.`;
  return element("figure", { class: "chart" },
    element("figcaption", {}, element("b", {}, title), lines.map(key)),
    element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said },
      ticks(low, high).map((value) =>
        [across("grid", value), text(short(value), left - 5, y(value) + 4, "end")]),
      Object.entries(levels).map(([name, value]) => level(name, value)),
      element("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
      strip(x, bottom + 4),
      marks.map((value) => text(short(value) + (unit === "°" ? unit : ""), x(value), bottom + 32)),
      text(label, (left + right) / 2, height - 4),
      text("score", 10, (top + bottom) / 2, "middle", upright),
      lines.map(curve)));
}
