import { readdirSync, readFileSync } from "node:fs";

// Jiffies a second; 100 on every Linux that Node runs on.
const ticks = 100;

/** Every process by id: parent, CPU ms (that of children already reaped included), resident bytes. */
function all() {
  const found = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/stat`, "latin1");
      // Behind the command's name, which may hold blanks and brackets.
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      const cpu = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) * (1000 / ticks);
      found.set(Number(name), { parent: Number(fields[1]), cpu, resident: Number(fields[21]) * 4096 });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** CPU ms used so far by a process and everything below it, and the resident bytes of each of them. */
export function treeOf(root) {
  const processes = all();
  const inside = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const [id, { parent }] of processes)
      if (inside.has(parent) && !inside.has(id)) {
        inside.add(id);
        grown = true;
      }
  }
  const members = [...inside].map((id) => processes.get(id)).filter((one) => one !== undefined);
  return {
    cpu: members.reduce((sum, { cpu }) => sum + cpu, 0),
    resident: members.map(({ resident }) => resident),
  };
}

/** CPU ms that all processes of the machine used so far. */
export function machineBusy() {
  const [, user, nice, system, , , irq, softirq] = readFileSync("/proc/stat", "latin1")
    .split("\n", 1)[0]
    .split(/ +/)
    .map(Number);
  return (user + nice + system + irq + softirq) * (1000 / ticks);
}
