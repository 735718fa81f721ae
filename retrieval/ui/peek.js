// --- one picture, lit in all panels --------------------------------------------------------
const peek = find("#peek");
document.body.append(peek);
function light(it) {
  all(".lit").forEach((each) => each.classList.remove("lit"));
  peek.hidden = !it;
  if (!it) return;
  const twins = all(`.panel [data-row="${it.dataset.row}"]`);
  twins.forEach((each) => each.classList.add("lit"));
  const ranks = all(".panel").map((panel, at) => {
    const twin = twins.find((each) => panel.contains(each));
    const word = !twin ? "not here" : twin.closest(".lost") ? "missed" : `rank ${twin.dataset.rank}`;
    return `${"ABCD"[at]} ${word}`;
  });
  const lines = [find("img", it).alt, it.dataset.label, ranks.join(" · "), `${it.closest(".grid").dataset.licence} · ${it.dataset.source}`];
  peek.replaceChildren(...lines.filter(Boolean).map((line) => Object.assign(document.createElement("p"), { textContent: line })));
  const box = it.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left, innerWidth - peek.offsetWidth - 8));
  const below = box.bottom + 46 + peek.offsetHeight < innerHeight;
  Object.assign(peek.style, { left: `${left}px`, top: `${below ? box.bottom + 46 : box.top - peek.offsetHeight - 8}px` });
}
const tile = (event) => event.target.closest?.(".tile [data-row]");
on(document, "mouseover focusin", (event) => light(tile(event)));
on(document, "scroll", () => light(null));
on(document, "keydown", (event) => {
  if (event.key === "Escape") light(null);
  if (event.key === "/" && !event.target.matches("input, textarea, select")) (event.preventDefault(), text.focus());
  const it = tile(event);
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!it || !step) return;
  const tiles = all(".tile button", it.closest(".grid")).filter((each) => each.offsetParent);
  tiles[tiles.indexOf(it) + step]?.focus();
});
