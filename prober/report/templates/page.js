// Which page is shown: `#conv2/3` (a unit), `#conv2/3/7,7` (a neuron), `#conv2` (a layer), or all.

const evidence = new Map(); // layer name -> promise of its units, by key
const handOver = new Map(); // layer name -> what to call with its units
let current = null; // the unit that is shown

/** Called by a layer's script, page/conv2.js. */
function receive(layer, units) {
  handOver.get(layer)?.(units);
}

/**
 * Returns the evidence on the units of a layer, by key; fails if its script is missing. It is a
 * script because a page that is opened from the file system may not fetch data.
 */
function load(layer) {
  if (!evidence.has(layer)) {
    evidence.set(layer, new Promise((resolve, reject) => {
      handOver.set(layer, resolve);
      const file = encodeURIComponent(layers.get(layer).file);
      const script = element("script", { src: `page/${file}` });
      script.onerror = reject;
      document.head.append(script);
    }));
  }
  return evidence.get(layer);
}

async function drawUnit(unit) {
  $("unit").replaceChildren(navigation(unit), note("Loading …"));
  const units = await load(unit.layer).catch(() => null);
  if (current !== unit) return; // someone went on while it was loading
  if (!units) {
    $("unit").replaceChildren(navigation(unit), element("p", { class: "notice" },
      `page/${layers.get(unit.layer).file} could not be loaded. It belongs into the folder of index.html.`));
    return;
  }
  const found = { ...units[unit.key], key: unit.key, class_name: unit.class_name };
  const parts = [heading, comparison, ...sections].flatMap((draw) => draw(found)).filter(present);
  $("unit").replaceChildren(navigation(unit), ...parts);
  $("unit").querySelector("h2").focus({ preventScroll: true });
}

function route() {
  stopPlaying();
  const [name, ...rest] = location.hash.slice(1).split("/").map(decoded);
  const key = rest.join("/");
  const before = current;
  current = layers.get(name)?.units.find((unit) => unit.key === key) ?? null;
  $("overview").hidden = current !== null;
  $("unit").hidden = current === null;
  document.title = current
    ? `${name}/${key} of ${report.subject}` : `What ${report.subject} wants to see`;
  if (current) {
    scrollTo(0, 0);
    drawUnit(current);
    return;
  }
  $("unit").replaceChildren();
  $("notice").hidden = !name || (layers.has(name) && !key);
  $("notice").textContent = `There is no ${[name, ...rest].join("/")} in this report.`;
  if (!$("notice").hidden) $("notice").scrollIntoView({ block: "center" });
  else if (before) returnTo(before);
  else if (name) ofLayer("section", name).scrollIntoView();
}

/** Decodes an address, also one that was typed by hand and is not quite right. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Brings the card of the unit that was looked at back into view. */
function returnTo(unit) {
  const list = ofLayer("ul", unit.layer);
  fill(list);
  const card = [...list.querySelectorAll(".card")].find((each) => each.dataset.key === unit.key);
  (card ?? list).scrollIntoView({ block: "center" });
  card?.focus({ preventScroll: true });
}

/** Arrow keys step through the units, or through the cards of the overview; Escape goes back. */
function press(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.key === "Escape" && current) $("back").click();
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  // A slider, a menu and a table that scrolls have their own use for arrow keys.
  if (!step || event.target.closest?.("input, select, .scroll")) return;
  if (current) {
    $(step < 0 ? "before" : "after").click();
  } else if (document.activeElement.classList.contains("card")) {
    const cards = [...document.querySelectorAll(".card")];
    cards[cards.indexOf(document.activeElement) + step]?.focus();
  }
}

addEventListener("hashchange", route);
addEventListener("keydown", press);
drawOverview();
route();
