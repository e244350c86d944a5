// Every answer's box on one crop. A legend entry lights its box up, and hides or shows it.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".verdicts");
  if (isLate(root, data)) return;
  root.hidden_boxes ??= new Set(); // stay hidden while the visitor goes from object to object
  root.style.setProperty("--halo", data.halo);
  drawPhoto(root, data);
  const frame = root.querySelector(".frame");
  const legend = root.querySelector(".legend");
  data.boxes.forEach(({ name, box, line, told }, number) => {
    const mark = child(frame, `[data-mark="${number}"]`, newOutline);
    mark.dataset.mark = number;
    place(mark, box, data, line, 0);
    mark.title = told;
    const entry = legend.children[number] ?? legend.appendChild(newEntry());
    entry.querySelector("span").textContent = name;
    entry.title = told;
    lineUp(entry, line);
    const show = () => {
      mark.hidden = root.hidden_boxes.has(line.label);
      entry.setAttribute("aria-pressed", String(!mark.hidden));
    };
    entry.onclick = () => {
      if (!root.hidden_boxes.delete(line.label)) root.hidden_boxes.add(line.label);
      show();
    };
    entry.onpointerenter = entry.onfocus = () => mark.classList.add("lit");
    entry.onpointerleave = entry.onblur = () => mark.classList.remove("lit");
    show();
  });
  while (legend.children.length > data.boxes.length) legend.lastChild.remove();
  frame.querySelectorAll(".mark").forEach((mark) => mark.dataset.mark < data.boxes.length || mark.remove());
}

function newEntry() {
  const entry = document.createElement("button");
  entry.type = "button";
  const stroke = document.createElementNS(SVG, "svg");
  stroke.setAttribute("class", "stroke");
  const line = stroke.appendChild(document.createElementNS(SVG, "line"));
  for (const [name, value] of Object.entries({ x1: "0", x2: "100%", y1: "50%", y2: "50%" })) line.setAttribute(name, value);
  entry.append(stroke, document.createElement("span"));
  return entry;
}
