
// --- the tab of duplicates -------------------------------------------------------------------------
const OPENED = new URLSearchParams(location.search);
// what is chosen there; empty is the server's own choice
const twins = Object.fromEntries(["hash", "radius", "near", "threshold", "picture", "show"].map((name) => [name, OPENED.get(name) ?? ""]));
let further = 0;
let looked = 0; // number of the latest picture that was asked for
let distortedNow; // which that was

const twinsAddress = () => Object.entries(twins).filter(([, value]) => value !== "");

/** The row that the search asks with, which the address tells before its answer is there. */
function queried() {
  const row = find(".over") || !OPENED.has("row") ? state.row : Number(OPENED.get("row"));
  return Number.isFinite(row) ? row : null;
}

const pictured = () => twins.picture || state.file?.path || queried();

function twinsRequest() {
  const number = (name) => (twins[name] === "" || !Number.isFinite(Number(twins[name])) ? {} : { [name]: Number(twins[name]) });
  const row = queried();
  const own = twins.picture === "" && row !== null ? { picture: row } : number("picture");
  const sent = twins.picture === "" && state.file ? { file: state.file } : own;
  const pictures = find("#duplicates [data-pictures]", element)?.valueAsNumber;
  return {
    hash: twins.hash, near: twins.near, show: twins.show, ...number("radius"), ...number("threshold"), ...sent,
    ...(further ? { count: further } : {}), ...(Number.isFinite(pictures) ? { pictures } : {}),
  };
}

/** What the server has chosen where nothing was; then the picture and the pairs, which take longer. */
function twinsDrawn() {
  const least = find("#duplicates [data-least]", element)?.dataset.least;
  const [radius, cosine] = ["data-radius", "data-cosine"].map((name) => find(`#duplicates [${name}]`, element));
  if (radius) label(radius);
  if (cosine && least) set(cosine, least);
  if (cosine && least) cosine.nextElementSibling.textContent = Number(least).toFixed(3);
  if (find(".over") && views.tab === "duplicates") remember(address());
  if (least) distort();
}

async function distort() {
  const number = ++looked;
  distortedNow = pictured();
  const place = part("duplicates", "live");
  place.setAttribute("aria-busy", "true");
  try {
    const pieces = await (await post("tab/duplicates/picture", request("duplicates"))).json();
    if (number !== looked) return;
    if (pieces.problem) place.replaceChildren(Object.assign(document.createElement("p"), { className: "note", textContent: sentence(pieces.problem) }));
    else put("duplicates", pieces);
  } catch {
    if (number === looked) part("duplicates", "say").textContent = "The server does not answer; try again in a moment.";
  }
  if (number === looked) place.removeAttribute("aria-busy");
}

function twinsChosen(name, value) {
  twins[name] = value;
  further = 0;
  halt("duplicates");
  draw("duplicates", name !== "hash" && name !== "near");
}

Object.assign(clicks, {
  "[data-twin]": (it) => {
    twins.picture = it.dataset.twin;
    remember(address());
    distort().then(() => part("duplicates", "live").scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" }));
  },
  "[data-equal]": () => twinsChosen("threshold", ""),
  "[data-further]": (it) => {
    further = Number(it.dataset.further);
    draw("duplicates", true);
  },
});
on(document, "input", ({ target }) => {
  if (!target.matches("#duplicates input[type=range]")) return;
  label(target);
  if (target.matches("[data-cosine]")) target.nextElementSibling.textContent = target.valueAsNumber.toFixed(3);
});
on(document, "change", ({ target }) => {
  if (target.matches("[data-way]")) twinsChosen(target.dataset.way, target.value);
  else if (target.matches("[data-radius]")) twinsChosen("radius", target.value);
  else if (target.matches("[data-cosine]")) twinsChosen("threshold", target.value);
  else if (target.matches("[name=found]")) twinsChosen("show", target.value);
});
on(gallery, "change", () => Object.assign(twins, { picture: "", show: "" }));
const drawnFirst = window.parallax.drawn;
window.parallax.drawn = () => {
  drawnFirst();
  if (views.tab === "duplicates" && looked && distortedNow !== pictured()) distort();
};
