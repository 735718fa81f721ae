
// --- any plot as a PNG: data-png on a button names the picture; data-notes is written under it ----
// It holds all SVGs of the part of the page that the button stands in, with their legend, where
// they were measured, and the notes; without data-notes, the page's own credit.
const LOOK = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "color", "display", "visibility", "paint-order", "text-anchor", "font-family", "font-size", "font-weight", "font-style", "font-variant-numeric", "letter-spacing"];
const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 24;

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
    const word = each.textContent.trim();
    const wide = it.getBoundingClientRect().width + 6 + wrappedWidth(word, look);
    if (x > MARGIN && x + wide > width - MARGIN) [x, y] = [MARGIN, y + 22];
    const made = [sign(it, x, y), ...written([word], x + it.getBoundingClientRect().width + 6, y + 5, 14, look)];
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
  const plots = () => all("svg:not(.mark)", whole).filter((each) => each.getBoundingClientRect().width);
  while (!plots().length) whole = whole.parentNode;
  const boxes = plots().map((each) => each.getBoundingClientRect());
  const heads = plots().map((each) => find("figcaption", each.closest("figure") ?? each)).filter(Boolean);
  const rooms = [...boxes, ...heads.map((each) => each.getBoundingClientRect())];
  const [left, top] = ["left", "top"].map((side) => Math.min(...rooms.map((box) => box[side])));
  const [right, bottom] = ["right", "bottom"].map((side) => Math.max(...rooms.map((box) => box[side])));
  const look = getComputedStyle(whole);
  const quiet = { fontFamily: look.fontFamily, color: getComputedStyle(find("text", plots()[0]) ?? whole).fill };
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
  plots().forEach((each, at) => {
    const { left: x, top: from, width: wide, height } = boxes[at];
    made.push(still(each, { x: x - left + MARGIN, y: from - top + y, width: wide, height }));
  });
  heads.forEach((each) => {
    const { left: x, top: from, width: wide } = each.getBoundingClientRect();
    const lines = each.innerText.split("\n").flatMap((line) => wrapped(line, `12px ${look.fontFamily}`, wide));
    made.push(...written(lines, x - left + MARGIN, from - top + y + 12, 12, look));
  });
  y += bottom - top + 24;
  const said = [...all(".where p:not(.ways)", whole).map((each) => each.textContent), dataset.notes ?? find(".credit")?.textContent ?? ""];
  const lines = [...said, "Made with Parallax"].flatMap((each) => wrapped(each, `12px ${look.fontFamily}`, width - 2 * MARGIN));
  made.push(...written(lines, MARGIN, y, 12, quiet));
  const height = y + lines.length * 17 + MARGIN - 12;
  const ground = node("rect", { width, height, fill: getComputedStyle(document.body).backgroundColor });
  return node("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` }, ground, ...made);
}

async function png(button) {
  const svg = await within(composed(button));
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const url = URL.createObjectURL(await new Promise((done) => canvas.toBlob(done, "image/png")));
  const name = button.dataset.png.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  Object.assign(document.createElement("a"), { href: url, download: `${name}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

clicks["[data-png]"] = png;
