// One view for all panels: how much the photo is enlarged, and which point of it (as shares of its width and height)
// stands in the middle. Frames grow rather than being scaled, so that lines and labels keep their thickness and size.

const FARTHEST = 12;
const STEP = 1.5;

function zoomable(pair, data) {
  const view = (pair.view ??= { zoom: 1, x: 0.5, y: 0.5, photo: null });
  if (view.photo !== data.photo) Object.assign(view, { zoom: 1, x: 0.5, y: 0.5, photo: data.photo });
  view.target = chosenBox(data);
  pair.onkeydown = (event) => onKey(pair, event);
  for (const stage of pair.querySelectorAll(".stage")) {
    stage.onwheel = (event) => onWheel(pair, stage, event);
    stage.onpointerdown = (event) => onPress(pair, stage, event);
    stage.onpointermove = (event) => onMove(pair, stage, event);
    stage.onpointerup = stage.onpointercancel = (event) => pair.pointers?.delete(event.pointerId);
  }
  [...pair.children].forEach((panel, number) => {
    for (const button of panel.querySelectorAll(".zoom button")) {
      button.onclick = () => ACTIONS[button.dataset.zoom](pair);
      button.tabIndex = number ? -1 : 0; // every panel's do the same, and the first one may have gone
    }
  });
  applyView(pair);
}

const ACTIONS = {
  in: (pair) => zoomBy(pair, STEP),
  out: (pair) => zoomBy(pair, 1 / STEP),
  object: (pair) => zoomToChosen(pair),
  fit: (pair) => look(pair, 1, 0.5, 0.5),
};
const KEYS = { "+": "in", "=": "in", "-": "out", _: "out", 0: "fit" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function onKey(pair, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in KEYS) ACTIONS[KEYS[event.key]](pair);
  else if (event.key in ARROWS && pair.view.zoom > 1) {
    const [right, down] = ARROWS[event.key];
    const { zoom, x, y } = pair.view;
    look(pair, zoom, x + (0.15 * right) / zoom, y + (0.15 * down) / zoom);
  } else return;
  event.preventDefault();
}

// The page keeps the wheel, unless Ctrl is held (a pinch on a touchpad arrives as that) or the photo is enlarged.
function onWheel(pair, stage, event) {
  if (!event.ctrlKey && pair.view.zoom === 1) return;
  event.preventDefault();
  const step = event.deltaMode === 1 ? 16 * event.deltaY : event.deltaY;
  zoomBy(pair, Math.exp(-step * (event.ctrlKey ? 0.01 : 0.0025)), pointOf(stage, event));
}

// A drag that ends on a box is no click on it; a click by keyboard (no detail) follows no drag.
function ignoreDrags(stage) {
  const ignore = (event) => event.detail && stage.closest(".pair").dragged && event.stopPropagation();
  stage.addEventListener("click", ignore, { capture: true });
}

function onPress(pair, stage, event) {
  pair.pointers ??= new Map();
  if (!pair.pointers.size) pair.dragged = false;
  pair.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
}

// One pointer drags, two pinch.
function onMove(pair, stage, event) {
  const before = pair.pointers?.get(event.pointerId);
  if (!before) return;
  if (event.pointerType === "mouse" && !event.buttons) return void pair.pointers.delete(event.pointerId);
  const now = { x: event.clientX, y: event.clientY };
  const other = [...pair.pointers].find(([id]) => id !== event.pointerId)?.[1];
  const frame = stage.querySelector(".frame");
  const { zoom, x, y } = pair.view;
  if (other) {
    const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y);
    const middle = { clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 };
    zoomBy(pair, spread(now) / Math.max(spread(before), 1), pointOf(stage, middle));
    pair.dragged = true;
  } else if (zoom > 1) {
    if (!pair.dragged && Math.hypot(now.x - before.x, now.y - before.y) < 4) return;
    pair.dragged = true;
    look(pair, zoom, x - (now.x - before.x) / frame.offsetWidth, y - (now.y - before.y) / frame.offsetHeight);
  }
  pair.pointers.set(event.pointerId, now);
}

// Where a pointer is on the photo, as shares, and how far from the middle of the stage, in screen pixels.
function pointOf(stage, { clientX, clientY }) {
  const area = stage.getBoundingClientRect();
  return { right: clientX - area.left - area.width / 2, down: clientY - area.top - area.height / 2 };
}

// Enlarge around a point, which stays where it is.
function zoomBy(pair, factor, { right, down } = { right: 0, down: 0 }) {
  const frame = pair.querySelector(".frame");
  const { zoom, x, y } = pair.view;
  const next = Math.min(Math.max(zoom * factor, 1), FARTHEST);
  const share = (1 - zoom / next) || 0;
  look(pair, next, x + (right / frame.offsetWidth) * share, y + (down / frame.offsetHeight) * share);
}

function zoomToChosen(pair) {
  const { target } = pair.view;
  if (!target) return;
  const stage = pair.querySelector(".stage");
  const frame = stage.querySelector(".frame");
  const base = { width: frame.offsetWidth / pair.view.zoom, height: frame.offsetHeight / pair.view.zoom };
  const [x1, y1, x2, y2] = target;
  const fill = Math.min(stage.clientWidth / ((x2 - x1) * base.width), stage.clientHeight / ((y2 - y1) * base.height));
  look(pair, Math.min(Math.max(0.75 * fill, 1), FARTHEST), (x1 + x2) / 2, (y1 + y2) / 2);
}

// The chosen object's box as shares of the photo: the first panel's that has it.
function chosenBox({ panels, chosen, width, height }) {
  const boxes = panels.flatMap((panel) => panel.boxes).filter((box) => box.object === chosen);
  return boxes.length ? boxes[0].box.map((value, side) => value / (side % 2 ? height : width)) : null;
}

function look(pair, zoom, x, y) {
  Object.assign(pair.view, { zoom, x, y });
  applyView(pair);
}

function applyView(pair) {
  const { view } = pair;
  pair.style.setProperty("--zoom", view.zoom);
  const stage = pair.querySelector(".stage");
  const frame = stage.querySelector(".frame");
  // What the stage shows reaches this far from the middle; nothing beyond the photo's rim comes in.
  const within = (value, shown, whole) => {
    const reach = Math.min(shown / whole / 2, 0.5);
    return Math.min(Math.max(value, reach), 1 - reach);
  };
  view.x = within(view.x, stage.clientWidth, frame.offsetWidth);
  view.y = within(view.y, stage.clientHeight, frame.offsetHeight);
  pair.style.setProperty("--shift-x", `${100 * (0.5 - view.x)}%`);
  pair.style.setProperty("--shift-y", `${100 * (0.5 - view.y)}%`);
  pair.classList.toggle("zoomed", view.zoom > 1);
  pair.querySelectorAll('[data-zoom="out"], [data-zoom="fit"]').forEach((button) => (button.disabled = view.zoom === 1));
  pair.querySelectorAll('[data-zoom="in"]').forEach((button) => (button.disabled = view.zoom >= FARTHEST));
  pair.querySelectorAll('[data-zoom="object"]').forEach((button) => (button.disabled = !view.target));
  pair.querySelectorAll(".frame").forEach(uncoverTags);
}

function zoomButtons() {
  const tools = document.createElement("div");
  tools.className = "zoom";
  tools.setAttribute("role", "group");
  tools.setAttribute("aria-label", "Zoom, all photos together");
  const words = { in: "Zoom in (+)", out: "Zoom out (−)", object: "Zoom to the chosen object", fit: "Whole photo (0)" };
  const signs = { in: "+", out: "−", object: "◎", fit: "⤢" };
  for (const [action, label] of Object.entries(words)) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.zoom = action;
    button.textContent = signs[action];
    button.title = label;
    button.setAttribute("aria-label", label);
    tools.append(button);
  }
  return tools;
}
