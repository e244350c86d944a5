// Elements are kept from one run to the next and only moved: boxes glide when the decode rule changes,
// and keyboard focus stays where it was.

const CROWD = 12; // above this many boxes in a panel, only the ones pointed at keep their label
const CSS_DASH = { solid: "solid", dash: "dashed", dot: "dotted", dashdot: "dashed" };

export default function ({ data, parentElement, setTriggerValue }) {
  const pair = parentElement.querySelector(".pair");
  pair.classList.toggle("choosing", data.chosen !== null);
  pair.style.setProperty("--halo", data.halo);
  data.panels.forEach((panel) => drawPanel(pair, panel, data, setTriggerValue));
}

function drawPanel(pair, panel, data, setTriggerValue) {
  const element = child(pair, `[data-panel="${panel.key}"]`, () => newPanel(panel.key));
  const line = data.lines[panel.role];
  const swatch = element.querySelector(".swatch");
  swatch.style.border = `${line.width}px ${CSS_DASH[line.dash]} ${line.colour}`;
  element.querySelector("b").textContent = panel.title;
  element.querySelector(".subtitle").textContent = panel.subtitle;
  element.querySelector(".status").textContent = panel.status;

  const frame = element.querySelector(".frame");
  frame.style.setProperty("--w", data.width);
  frame.style.setProperty("--h", data.height);
  const image = frame.querySelector("img");
  if (image.src !== data.photo) image.src = data.photo;
  image.alt = `The photo with the boxes of ${panel.title}`;

  const wanted = new Set();
  const keep = (id, make) => {
    wanted.add(id);
    return child(frame, `[data-mark="${id}"]`, () => withId(make(), id));
  };
  panel.outlines.forEach((outline, number) => {
    const mark = keep(`outline-${outline.role}-${number}`, newOutline);
    place(mark, outline.box, data, data.lines[outline.role], 0);
    mark.dataset.role = outline.role;
    mark.title = outline.label;
  });
  panel.boxes.forEach((box) => {
    const mark = keep(`object-${box.object}`, newBox);
    const chosen = box.object === data.chosen;
    place(mark, box.box, data, line, chosen ? 1 : 0);
    mark.dataset.object = box.object;
    mark.dataset.role = panel.role;
    mark.setAttribute("aria-pressed", String(chosen));
    mark.setAttribute("aria-label", `${panel.title}: ${box.label}`);
    const tag = mark.querySelector(".tag");
    tag.textContent = box.label;
    tag.classList.toggle("inside", box.box[1] / data.height < 0.07);
    tag.classList.toggle("from-right", box.box[0] / data.width > 0.8);
    mark.onclick = () => setTriggerValue("chosen", box.object);
    mark.onpointerenter = mark.onfocus = () => light(pair, box.object, true);
    mark.onpointerleave = mark.onblur = () => light(pair, box.object, false);
  });
  frame.querySelectorAll("[data-mark]").forEach((mark) => wanted.has(mark.dataset.mark) || mark.remove());
  frame.classList.toggle("crowded", panel.boxes.length > CROWD);

  const note = element.querySelector(".note");
  note.hidden = !panel.busy;
  note.textContent = panel.busy;
}

function place(mark, [x1, y1, x2, y2], data, line, extra) {
  mark.style.left = `${(100 * x1) / data.width}%`;
  mark.style.top = `${(100 * y1) / data.height}%`;
  mark.style.width = `${(100 * (x2 - x1)) / data.width}%`;
  mark.style.height = `${(100 * (y2 - y1)) / data.height}%`;
  // Small boxes lie above large ones, so that each can be clicked.
  const share = ((x2 - x1) * (y2 - y1)) / (data.width * data.height);
  mark.style.zIndex = Math.round(1000 * (1 - Math.min(1, share))) + 1;
  mark.style.setProperty("--colour", line.colour);
  mark.style.setProperty("--dash", CSS_DASH[line.dash]);
  mark.style.setProperty("--thick", `${line.width + extra}px`);
}

function light(pair, object, on) {
  pair.querySelectorAll(`button[data-object="${object}"]`).forEach((mark) => mark.classList.toggle("lit", on));
}

function child(parent, selector, make) {
  return parent.querySelector(`:scope > ${selector}`) ?? parent.appendChild(make());
}

function withId(mark, id) {
  mark.dataset.mark = id;
  return mark;
}

function newPanel(key) {
  const panel = document.createElement("section");
  panel.className = "panel";
  panel.dataset.panel = key;
  panel.innerHTML = `
    <div class="head"><span class="swatch"></span><b></b><span class="subtitle"></span><span class="status"></span></div>
    <div class="stage"><div class="frame"><img draggable="false"><div class="note" role="status" hidden></div></div></div>`;
  return panel;
}

function newBox() {
  const mark = document.createElement("button");
  mark.type = "button";
  mark.className = "mark";
  mark.appendChild(document.createElement("span")).className = "tag";
  return mark;
}

function newOutline() {
  const mark = document.createElement("div");
  mark.className = "mark outline";
  return mark;
}
