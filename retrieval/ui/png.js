
// --- any plot as a PNG: data-png on a button names the picture; data-notes is written under it ----
// It holds the plots and tables that are seen in the part of the page that the button stands in, with
// their headings and legend, where they were measured, and the notes; without data-notes, the page's
// own credit.
const LOOK = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "color", "display", "visibility", "paint-order", "text-anchor", "font-family", "font-size", "font-weight", "font-style", "font-variant-numeric", "letter-spacing"];
const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 24;
const PARTS = "svg:not(.mark), table, figcaption, h3";

function node(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A copy of an SVG that looks alike without the page's style sheets. */
function still(svg, box) {
  const copy = svg.cloneNode(true);
  const copies = [copy, ...all("*", copy)];
  [svg, ...all("*", svg)].forEach((each, at) => {
    const look = getComputedStyle(each);
    copies[at].setAttribute("style", LOOK.map((name) => `${name}:${look.getPropertyValue(name)}`).join(";"));
  });
  for (const [name, value] of Object.entries(box)) copy.setAttribute(name, value);
  return copy;
}

/** Pictures in a plot as their own data: what is drawn from an address of its own fetches nothing. */
async function within(svg) {
  await Promise.all(all("image", svg).map(async (each) => {
    const data = await (await fetch(each.getAttribute("href"))).blob();
    const reader = new FileReader();
    await new Promise((done) => ((reader.onload = done), reader.readAsDataURL(data)));
    each.setAttribute("href", reader.result);
  }));
  return svg;
}

/** Lines of a text that are no wider than that. */
function wrapped(text, font, width) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = font;
  return text.split(/\s+/).reduce((lines, word) => {
    const longer = `${lines.at(-1) ?? ""} ${word}`.trim();
    if (lines.length && pen.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
    return lines;
  }, []);
}

function written(lines, x, y, size, look, weight = 400) {
  const style = `font-family:${look.fontFamily};font-size:${size}px;font-weight:${weight};fill:${look.color}`;
  return lines.map((line, at) => node("text", { x, y: y + at * size * 1.4, style }, line));
}

/** A text of the page, its lines where they stand. */
function words(text, look, at) {
  const range = document.createRange();
  const lines = [];
  for (const { index, 0: word } of text.data.matchAll(/\S+/g)) {
    range.setStart(text, index);
    range.setEnd(text, index + word.length);
    const [box] = range.getClientRects();
    if (!box) continue;
    if (lines.length && Math.abs(lines.at(-1).box.top - box.top) < 2) lines.at(-1).said += ` ${word}`;
    else lines.push({ box, said: word });
  }
  const style = `font:${look.fontStyle} ${look.fontWeight} ${look.fontSize} ${look.fontFamily};fill:${look.color};dominant-baseline:central`;
  return lines.map(({ box, said }) => node("text", { x: at(box).x, y: at(box).y + box.height / 2, style }, said));
}

/** The ground of an element, and the line under it. */
function ground(each, box, look, at) {
  const { x, y } = at(box);
  const { width, height } = box;
  const made = [];
  if (!/^rgba\(.*, 0\)$/.test(look.backgroundColor)) made.push(node("rect", { x, y, width, height, rx: Math.min(height / 2, parseFloat(look.borderTopLeftRadius) || 0), fill: look.backgroundColor }));
  if (each.matches("th, td") && parseFloat(look.borderBottomWidth)) made.push(node("path", { d: `M${x} ${y + height}h${width}`, stroke: look.borderBottomColor, "stroke-width": look.borderBottomWidth }));
  return made;
}

/** A part of the page as it is seen: a plot, or a table or heading of it. */
function painted(part, at) {
  return [part, ...all("*", part)].flatMap((each) => {
    const box = each.getBoundingClientRect();
    if (!box.width || !each.checkVisibility() || each.parentNode.closest("svg")) return [];
    if (each.matches("svg")) return [still(each, { ...at(box), width: box.width, height: box.height })];
    const look = getComputedStyle(each);
    const texts = [...each.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE);
    return [...ground(each, box, look, at), ...texts.flatMap((text) => words(text, look, at))];
  });
}

/** What a legend shows before a name: an SVG, or an element with a ground or a border. */
function sign(it, x, y) {
  const { width, height } = it.getBoundingClientRect();
  if (it.matches("svg")) return still(it, { x, y: y - height / 2, width, height });
  const look = getComputedStyle(it);
  const line = { stroke: look.borderTopColor, "stroke-width": look.borderTopWidth };
  if (height < 6) return node("path", { d: `M${x} ${y}h${width}`, ...line, "stroke-dasharray": look.borderTopStyle === "dashed" ? "6 4" : "none" });
  const round = { x, y: y - height / 2, width, height, rx: Math.min(width / 2, parseFloat(look.borderTopLeftRadius) || 0) };
  return node("rect", { ...round, fill: look.backgroundColor, ...line });
}

/** The names of a legend in rows; how high they are. */
function names(legend, width, top, look) {
  let [x, y] = [MARGIN, top];
  const drawn = all("li", legend).flatMap((each) => {
    const it = each.firstElementChild;
    const letter = it.matches("b"); // it is read, not looked at
    const word = letter ? [...each.childNodes].map((part) => part.textContent).join(" ") : each.textContent.trim();
    const room = letter ? 0 : it.getBoundingClientRect().width + 6;
    const wide = room + wrappedWidth(word, look);
    if (x > MARGIN && x + wide > width - MARGIN) [x, y] = [MARGIN, y + 22];
    const made = [...(letter ? [] : [sign(it, x, y)]), ...written([word], x + room, y + 5, 14, look)];
    x += wide + 18;
    return made;
  });
  return { drawn, high: y - top + 22 };
}

function wrappedWidth(word, look) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `14px ${look.fontFamily}`;
  return pen.measureText(word).width;
}

/** The whole picture as one SVG. */
function composed({ dataset, parentNode }) {
  let whole = parentNode;
  const seen = (what) => all(what, whole).filter((each) => each.checkVisibility() && each.getBoundingClientRect().width && !each.parentNode.closest("table, .legend"));
  while (!seen("svg:not(.mark), table").length) whole = whole.parentNode;
  const boxes = seen(PARTS).map((each) => each.getBoundingClientRect());
  const [left, top] = ["left", "top"].map((side) => Math.min(...boxes.map((box) => box[side])));
  const [right, bottom] = ["right", "bottom"].map((side) => Math.max(...boxes.map((box) => box[side])));
  const look = getComputedStyle(whole);
  const quiet = { fontFamily: look.fontFamily, color: getComputedStyle(find(".hint, .where, .credit", whole) ?? whole).color };
  const width = right - left + 2 * MARGIN;
  const title = wrapped(dataset.png, `600 18px ${look.fontFamily}`, width - 2 * MARGIN);
  const made = written(title, MARGIN, MARGIN + 16, 18, look, 600);
  let y = MARGIN + 16 + title.length * 25;
  const legend = find(".legend", whole);
  if (legend) {
    const { drawn, high } = names(legend, width, y, look);
    made.push(...drawn);
    y += high;
  }
  const down = y;
  const at = (box) => ({ x: box.left - left + MARGIN, y: box.top - top + down });
  made.push(...seen(PARTS).flatMap((each) => painted(each, at)));
  y += bottom - top + 24;
  const said = [...all(".where p:not(.ways)", whole).map((each) => each.textContent), dataset.notes ?? find(".credit")?.textContent ?? ""];
  const lines = [...said, "Made with Parallax"].flatMap((each) => wrapped(each, `12px ${look.fontFamily}`, width - 2 * MARGIN));
  made.push(...written(lines, MARGIN, y, 12, quiet));
  const height = y + lines.length * 17 + MARGIN - 12;
  const back = node("rect", { width, height, fill: getComputedStyle(document.body).backgroundColor });
  return node("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` }, back, ...made);
}

async function png(button) {
  const svg = await within(composed(button));
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  await image.decode();
  const times = Math.min(2, 16000 / Math.max(image.width, image.height)); // a canvas has an end
  const canvas = Object.assign(document.createElement("canvas"), { width: times * image.width, height: times * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  save(await new Promise((done) => canvas.toBlob(done, "image/png")), "", filed(button.dataset.png, "png"));
}

clicks["[data-png]"] = png;
