// Makes elements. Whatever people wrote goes in as text nodes and attributes, never as
// markup: nothing here parses a string.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("p", { class: "body", dir: "auto" }, text)`. Functions are listeners. */
export function h(name, properties = {}, ...children) {
  return dress(document.createElement(name), properties, children);
}

/** The same of SVG. */
export function svg(name, properties = {}, ...children) {
  return dress(document.createElementNS(SVG, name), properties, children);
}

function dress(element, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else if (key === "value" && "value" in element) element.value = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** Says what a list shows, and changes no more of it than is different: focus and scroll stay. */
export function keyed(container, items, { key, same, make }) {
  const known = new Map([...container.children].map((node) => [node.dataset.key, node]));
  let before = container.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const mark = same(item);
    let node = known.get(name);
    known.delete(name);
    if (node === undefined || node.mark !== mark) {
      const hadFocus = node?.contains(document.activeElement);
      const fresh = make(item);
      fresh.dataset.key = name;
      fresh.mark = mark;
      if (node === undefined) container.insertBefore(fresh, before);
      else {
        if (node === before) before = fresh;
        node.replaceWith(fresh);
        if (hadFocus) (fresh.matches("a, button") ? fresh : fresh.querySelector("a, button"))?.focus({ preventScroll: true });
      }
      node = fresh;
    }
    if (node === before) before = before.nextElementSibling;
    else container.insertBefore(node, before);
  }
  for (const node of known.values()) node.remove();
}

/** Runs at most once a frame, also of a page that nobody looks at. */
export function batched(work) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    const run = () => {
      isDue = false;
      work();
    };
    if (document.hidden) setTimeout(run, 100);
    else requestAnimationFrame(run);
  };
}

/** Arrow keys, Home and End move the focus among what matches; Tab leaves it as one stop. */
export function roving(container, selector) {
  const items = () => [...container.querySelectorAll(selector)];
  const settle = (wanted) => {
    const all = items();
    const one = wanted ?? all.find((item) => item.getAttribute("aria-current")) ?? all[0];
    for (const item of all) item.tabIndex = item === one ? 0 : -1;
  };
  container.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement?.closest(selector));
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    const next = to === undefined ? undefined : all[Math.max(0, Math.min(to, all.length - 1))];
    if (next === undefined) return;
    event.preventDefault();
    settle(next);
    next.focus();
  });
  return settle;
}
