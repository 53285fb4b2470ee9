import { CALDAV, CS, DAV, type Element, type QName, TWISTED } from "../xml/element.ts";

/** An instance in a pickle: its class and its attributes. */
interface Instance {
  readonly module: string;
  readonly name: string;
  state: Map<unknown, unknown>;
}
interface Class {
  readonly class: { readonly module: string; readonly name: string };
}
const mark = Symbol("mark");

/** A property that a server of 2008 stored as a Python pickle of its element object (generation 3). Runs nothing: objects
 *  are built as data, everything else is refused. Throws Error when it is no such pickle. */
export function unpickleProperty(name: QName, bytes: Buffer): Element {
  const value = load(bytes);
  if (!isInstance(value)) throw new Error(`${name}: neither XML nor a pickled element (${bytes.length} bytes)`);
  return { ...elementOf(value), name };
}

const isInstance = (value: unknown): value is Instance =>
  typeof value === "object" && value !== null && "state" in value && "module" in value;

// The names of the original's element classes follow the element's own, except for these.
const names: Readonly<Record<string, string>> = {
  HRef: "href",
  ACL: "acl",
  ACE: "ace",
  CalendarComponent: "comp",
  GETContentType: "getcontenttype",
  GETETag: "getetag",
  ResourceType: "resourcetype",
  DisplayName: "displayname",
};

function elementOf(instance: Instance): Element {
  const given = (key: string): string | undefined => {
    const value = instance.state.get(key);
    return typeof value === "string" ? value : undefined;
  };
  const namespace =
    given("namespace") ??
    (instance.module.includes("caldavxml")
      ? CALDAV
      : instance.module.includes("customxml")
        ? CS
        : instance.module.includes("extensions")
          ? TWISTED
          : DAV);
  const local =
    given("name") ?? names[instance.name] ?? instance.name.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();
  const children = instance.state.get("children");
  const attributes = instance.state.get("attributes");
  return {
    name: `{${namespace}}${local}`,
    attributes:
      attributes instanceof Map
        ? Object.fromEntries([...attributes].map(([key, value]) => [String(key), String(value)]))
        : {},
    children: Array.isArray(children)
      ? children.filter(isInstance).map((child) => {
          const data = child.state.get("data");
          return typeof data === "string" ? data : elementOf(child);
        })
      : [],
  };
}

/** The opcodes of pickle protocols 0 to 2 that data needs. */
function load(bytes: Buffer): unknown {
  const stack: unknown[] = [];
  const memo = new Map<number, unknown>();
  let at = 0;
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw new Error("pickle ends early");
    at += length;
    return bytes.subarray(at - length, at);
  };
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw new Error("pickle ends early");
    const text = bytes.toString("utf8", at, end);
    at = end + 1;
    return text;
  };
  const pop = (): unknown => {
    if (stack.length === 0) throw new Error("pickle pops an empty stack");
    return stack.pop();
  };
  const popToMark = (): unknown[] => {
    const from = stack.lastIndexOf(mark);
    if (from < 0) throw new Error("pickle has no mark");
    const items = stack.splice(from + 1);
    stack.pop();
    return items;
  };
  const instanceOf = (made: unknown): Instance => {
    if (typeof made !== "object" || made === null || !("class" in made))
      throw new Error("pickle makes something else than an element");
    const { module, name } = (made as Class).class;
    return { module, name, state: new Map() };
  };
  const setItems = (target: unknown, items: readonly unknown[]): void => {
    if (!(target instanceof Map)) throw new Error("pickle sets items of no dictionary");
    for (let i = 0; i + 1 < items.length; i += 2) target.set(items[i], items[i + 1]);
  };
  for (;;) {
    const opcode = String.fromCharCode(take(1)[0] ?? 0);
    switch (opcode) {
      case "\x80":
        take(1);
        break;
      case ".":
        return pop();
      case "(":
        stack.push(mark);
        break;
      case "N":
        stack.push(null);
        break;
      case "\x88":
        stack.push(true);
        break;
      case "\x89":
        stack.push(false);
        break;
      case "I":
      case "L":
        stack.push(Number.parseInt(line(), 10));
        break;
      case "J":
        stack.push(take(4).readInt32LE());
        break;
      case "K":
        stack.push(take(1)[0]);
        break;
      case "M":
        stack.push(take(2).readUInt16LE());
        break;
      case "S":
      case "V":
        stack.push(line().replace(/^(['"])(.*)\1$/s, "$2"));
        break;
      case "U":
        stack.push(take(take(1)[0] ?? 0).toString("utf8"));
        break;
      case "T":
      case "X":
        stack.push(take(take(4).readUInt32LE()).toString("utf8"));
        break;
      case ")":
      case "]":
        stack.push([]);
        break;
      case "}":
        stack.push(new Map());
        break;
      case "t":
      case "l":
        stack.push(popToMark());
        break;
      case "\x85":
      case "\x86":
      case "\x87": {
        const items = stack.splice(-(opcode.charCodeAt(0) - 0x84));
        stack.push(items);
        break;
      }
      case "d": {
        const made = new Map();
        setItems(made, popToMark());
        stack.push(made);
        break;
      }
      case "a": {
        const item = pop();
        (stack.at(-1) as unknown[]).push(item);
        break;
      }
      case "e": {
        const items = popToMark();
        (stack.at(-1) as unknown[]).push(...items);
        break;
      }
      case "s": {
        const value = pop();
        const key = pop();
        setItems(stack.at(-1), [key, value]);
        break;
      }
      case "u": {
        const items = popToMark();
        setItems(stack.at(-1), items);
        break;
      }
      case "c":
        stack.push({ class: { module: line(), name: line() } } satisfies Class);
        break;
      case "\x81":
        pop();
        stack.push(instanceOf(pop()));
        break;
      case "o":
        stack.push(instanceOf(popToMark()[0]));
        break;
      case "i":
        popToMark();
        stack.push(instanceOf({ class: { module: line(), name: line() } }));
        break;
      case "R": {
        // copy_reg._reconstructor(class, object, None): protocol 0 and 1 of new-style classes.
        const made = pop();
        pop();
        stack.push(instanceOf(Array.isArray(made) ? made[0] : undefined));
        break;
      }
      case "b": {
        const state = pop();
        const target = stack.at(-1);
        if (isInstance(target) && state instanceof Map) target.state = state;
        break;
      }
      case "p":
        memo.set(Number.parseInt(line(), 10), stack.at(-1));
        break;
      case "q":
        memo.set(take(1)[0] ?? 0, stack.at(-1));
        break;
      case "r":
        memo.set(take(4).readUInt32LE(), stack.at(-1));
        break;
      case "g":
        stack.push(memo.get(Number.parseInt(line(), 10)));
        break;
      case "h":
        stack.push(memo.get(take(1)[0] ?? 0));
        break;
      case "j":
        stack.push(memo.get(take(4).readUInt32LE()));
        break;
      case "0":
        pop();
        break;
      default:
        throw new Error(`pickle has the opcode 0x${opcode.charCodeAt(0).toString(16)}`);
    }
  }
}
