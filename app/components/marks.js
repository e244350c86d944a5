// Boxes on a photo, for every component that draws some.

const CSS_DASH = { solid: "solid", dash: "dashed", dot: "dotted", dashdot: "dashed" };

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

function child(parent, selector, make) {
  return parent.querySelector(`:scope > ${selector}`) ?? parent.appendChild(make());
}

function newOutline() {
  const mark = document.createElement("div");
  mark.className = "mark outline";
  return mark;
}
