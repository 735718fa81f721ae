// --- a crop box over the picture: left, top, right, bottom as shares of its size --------------
const cropper = find("#cropper", element);
const stage = find(".stage", cropper);
const box = find("i", stage);
let edges = [0, 0, 1, 1];
const LEAST = 0.05;

function boxed() {
  const [left, top, right, bottom] = edges;
  const share = (value) => `${100 * value}%`;
  Object.assign(box.style, { left: share(left), top: share(top), width: share(right - left), height: share(bottom - top) });
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
function move([dx, dy], from, resize) {
  const [left, top, right, bottom] = from;
  if (resize) edges = [left, top, clamp(right + dx, left + LEAST, 1), clamp(bottom + dy, top + LEAST, 1)];
  else {
    const [x, y] = [clamp(dx, -left, 1 - right), clamp(dy, -top, 1 - bottom)];
    edges = [left + x, top + y, right + x, bottom + y];
  }
  boxed();
}

on(find("#crop", element), "click", () => {
  find("img", stage).src = find("img", chip).src;
  edges = state.crop ?? [0.15, 0.15, 0.85, 0.85];
  boxed();
  cropper.showModal();
});
on(stage, "pointerdown", (event) => {
  event.preventDefault();
  const area = stage.getBoundingClientRect();
  const at = (e) => [(e.clientX - area.left) / area.width, (e.clientY - area.top) / area.height];
  const start = at(event);
  const inside = box.contains(event.target);
  const resize = !inside || event.target.matches("b");
  if (!inside) {
    const [x, y] = start.map((value) => clamp(value, 0, 1 - LEAST));
    edges = [x, y, x + LEAST, y + LEAST];
  }
  const from = edges;
  const drag = (e) => move(at(e).map((value, axis) => value - start[axis]), from, resize);
  stage.setPointerCapture(event.pointerId);
  stage.addEventListener("pointermove", drag);
  stage.addEventListener("pointerup", () => stage.removeEventListener("pointermove", drag), { once: true });
  box.focus();
});
on(box, "keydown", (event) => {
  const step = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02] }[event.key];
  if (step) (event.preventDefault(), move(step, edges, event.shiftKey));
});
const cropped = (crop) => {
  state.crop = crop;
  chip.classList.toggle("cropped", Boolean(crop));
  cropper.close();
  ask();
};
on(find("[data-whole]", cropper), "click", () => cropped(null));
on(find("[data-done]", cropper), "click", () => cropped(edges.map((edge) => Number(edge.toFixed(4)))));
