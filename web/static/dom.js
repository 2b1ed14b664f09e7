// What the page's parts find in the page and make for it. What a template lacks is an error that names it.

/**
 * Return the address of one of the site's paths: a proxy may show all of them under a path of its own.
 * @param {string} path
 */
export function here(path) {
  return (globalThis.document?.documentElement.dataset.root ?? "") + path;
}

/**
 * Return the element with this id.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @throws {TypeError} the page has none of this type.
 */
export function byId(id, type) {
  return of(type, document.getElementById(id), `#${id}`);
}

/**
 * Return the first element in `root` that `selector` finds.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 * @throws {TypeError} there is none of this type.
 */
export function find(root, selector, type) {
  return of(type, root.querySelector(selector), selector);
}

/**
 * Return the element that an event is about: the nearest around its target that `selector` finds.
 * @param {Event} event
 * @param {string} selector
 */
export function around(event, selector) {
  const node = event.target instanceof Element ? event.target.closest(selector) : null;
  return node instanceof HTMLElement ? node : null;
}

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {string} [className]
 * @param {string} [text]
 */
export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * Have in `box` these, in this order; what is there already is not moved, and keeps the keyboard if it has it.
 * @param {Element} box
 * @param {Element[]} wanted
 */
export function arrange(box, wanted) {
  const held = box.contains(document.activeElement) ? document.activeElement : null;
  for (const child of [...box.children]) if (!wanted.includes(child)) child.remove();
  wanted.forEach((child, index) => {
    if (box.children[index] !== child) box.insertBefore(child, box.children[index] ?? null);
  });
  if (held instanceof HTMLElement && box.contains(held) && document.activeElement !== held)
    held.focus({ preventScroll: true });
}

/**
 * Set a text where it differs: what is set again is read out again.
 * @param {Element} node
 * @param {string} text
 */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @template {Element} T
 * @param {new () => T} type
 * @param {Element | null} node
 * @param {string} name
 */
function of(type, node, name) {
  if (node instanceof type) return node;
  throw new TypeError(`the page has no ${type.name} ${name}`);
}
