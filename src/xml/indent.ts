import { type Element, isElement } from "./element.ts";

/** The element laid out in lines, for documents that people and the original's tests read: every element that holds elements only
 *  has each on a line of its own, two blanks deeper. */
export function indented(element: Element, depth = 0): Element {
  const { children } = element;
  if (children.length === 0 || !children.every(isElement)) return element;
  const line = `\n${"  ".repeat(depth + 1)}`;
  return {
    ...element,
    children: [...children.flatMap((child) => [line, indented(child, depth + 1)]), `\n${"  ".repeat(depth)}`],
  };
}
