// From the candidate to the final box, step by step. The box stands at the end until somebody plays or picks a step.

const PAUSE = 1500; // ms from one step to the next, so that one can look

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".refinement");
  if (isLate(root, data)) return;
  stop(root);
  root.data = data;
  root.style.setProperty("--halo", data.halo);
  drawPhoto(root, data);
  const frame = root.querySelector(".frame");
  drawStill(frame, "truth", data.truth, data);
  drawStill(frame, "start", data.steps[0], data);
  const group = root.querySelector('[role="radiogroup"]');
  data.steps.forEach(({ name }, number) => {
    const button = group.children[number] ?? group.appendChild(newStep());
    button.textContent = name;
    button.onclick = () => (stop(root), show(root, number));
    button.onkeydown = (event) => onArrow(root, event, number);
  });
  while (group.children.length > data.steps.length) group.lastChild.remove();
  root.querySelector(".play").onclick = () => (root.timer ? stop(root) : play(root));
  show(root, data.steps.length - 1);
  // The page may go away while it plays.
  return () => stop(root);
}

// A box that stays where it is.
function drawStill(frame, id, still, data) {
  const mark = child(frame, `[data-mark="${id}"]`, () => Object.assign(newOutline(), { hidden: true }));
  mark.dataset.mark = id;
  mark.hidden = !still;
  if (still) place(mark, still.box, data, still.line, 0);
}

function show(root, number) {
  const { data } = root;
  root.step = number;
  const moving = child(root.querySelector(".frame"), ".moving", () => {
    const mark = newOutline();
    mark.classList.add("moving");
    return mark;
  });
  place(moving, data.steps[number].box, data, data.steps[number].line, 0);
  moving.style.zIndex = 2000; // above the boxes that stay
  [...root.querySelector('[role="radiogroup"]').children].forEach((button, other) => {
    button.setAttribute("aria-checked", String(other === number));
    button.tabIndex = other === number ? 0 : -1;
  });
  root.querySelector(".said").textContent = data.steps[number].said;
}

function play(root) {
  root.querySelector(".play").textContent = "❚❚ Pause";
  show(root, root.step < root.data.steps.length - 1 ? root.step : 0);
  root.timer = setInterval(() => {
    show(root, root.step + 1);
    if (root.step === root.data.steps.length - 1) stop(root);
  }, PAUSE);
}

function stop(root) {
  clearInterval(root.timer);
  root.timer = null;
  root.querySelector(".play").textContent = "▶ Play";
}

function onArrow(root, event, number) {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  stop(root);
  const count = root.data.steps.length;
  show(root, (number + by + count) % count);
  root.querySelector('[aria-checked="true"]').focus();
}

function newStep() {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("role", "radio");
  return button;
}
