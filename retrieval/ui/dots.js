
// --- a setting's figures beside its mark ---------------------------------------------------------
function tell(dot) {
  views.told?.classList.remove("told");
  views.told = dot;
  if (!dot) return;
  dot.classList.add("told");
  peek.hidden = false;
  const [first, ...rest] = dot.getAttribute("aria-label").split(" · ");
  const lines = [first, ...rest, "Enter or click: open it in the search"];
  peek.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
  const box = dot.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.right + 6, innerWidth - peek.offsetWidth - 8));
  const top = box.top - peek.offsetHeight - 6 > 0 ? box.top - peek.offsetHeight - 6 : box.bottom + 6;
  Object.assign(peek.style, { left: `${left}px`, top: `${top}px` });
}

/** The setting under a pointer: marks lie in each other's reach, and the nearest is meant. */
function nearest({ target, clientX, clientY }) {
  const dot = target.closest?.(".dot");
  if (!dot || clientX === undefined) return dot ?? null; // a keyboard points nowhere
  const away = (each) => {
    const { left, top, width, height } = find(".reach", each).getBoundingClientRect();
    return Math.hypot(left + width / 2 - clientX, top + height / 2 - clientY);
  };
  const places = all(".dot", dot.ownerSVGElement).map((each) => [away(each), each]);
  return places.reduce((best, each) => (each[0] < best[0] ? each : best))[1];
}
on(document, "mousemove mouseover focusin", (event) => {
  // a press focuses what lies on top, which may be another than the nearest
  if (event.type === "focusin" && event.target.matches(".dot:not(:focus-visible)")) return;
  const dot = nearest(event);
  if (dot !== views.told) tell(dot);
});
