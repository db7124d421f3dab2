/**
 * A trace as lines of fixed width, after TigerBeetle's VOPR: one character for each node, one
 * sign for each crash, restart and fault, then the leader's numbers, then what happened. A line
 * stands for every change; a hundred nodes still fit on a screen.
 */
import type { TraceFact, TraceNode, TraceRecord, TraceState } from "#runtime";
import type { TraceDocument } from "../trace-file.ts";
import { Records } from "./select.ts";
import { shortened } from "./words.ts";

const LEGEND = [
  "L leads  C campaigns  R recovers  m stands by  A runs  a looks for its leader  F subscribed",
  "f not  B broker is up  . is down  z stands still",
  "! ends  ^ starts  # fault  + heal  * violation",
].join("\n");

/** States of lifecycle machines that are more than being up. */
const LETTERS: Readonly<Record<string, string>> = {
  "master leading": "L",
  "master campaigning": "C",
  "master recovering": "R",
  "agent running": "A",
  "framework subscribed": "F",
};
/** Kinds that have a line, and their signs. */
const SIGNS: Readonly<Record<string, string>> = {
  up: "^",
  down: "!",
  fault: "#",
  heal: "+",
  violation: "*",
  "log-leader": "l",
  "actor-died": "!",
  uncaught: "!",
};
const HALTS = /^(pause|suspend|leader-pause|framework-pause) (\S+)/;

type Facts = Record<string, TraceFact>;

class Cells {
  readonly #nodes: readonly TraceNode[];
  readonly #facts = new Map<string, Facts>();
  readonly #up = new Set<string>();
  readonly #still = new Set<string>();

  constructor(nodes: readonly TraceNode[]) {
    this.#nodes = nodes;
    for (const { name, role } of nodes) if (role === "broker") this.#up.add(name);
  }

  change({ node, facts }: TraceState): void {
    const known = this.#facts.get(node) ?? {};
    for (const [name, value] of Object.entries(facts)) {
      if (value === null) delete known[name];
      else known[name] = value;
    }
    this.#facts.set(node, known);
  }

  happened({ node, kind, summary }: TraceRecord): void {
    if (kind === "up") this.#up.add(node);
    if (kind === "down") this.#up.delete(node);
    const halted = HALTS.exec(summary)?.[2];
    if (halted === undefined) return;
    if (kind === "fault") this.#still.add(halted);
    if (kind === "heal") this.#still.delete(halted);
  }

  #letter({ name, role }: TraceNode): string {
    if (!this.#up.has(name)) return ".";
    if (this.#still.has(name)) return "z";
    if (role === "broker") return "B";
    const lifecycle = this.#facts.get(name)?.["lifecycle"] ?? "";
    return LETTERS[`${role} ${String(lifecycle)}`] ?? role[0] ?? "?";
  }

  /** @param sign stands at the place of `at`. */
  row(at: ReadonlySet<string>, sign: string): string {
    let text = "";
    let role = "";
    for (const node of this.#nodes) {
      if (role !== "" && node.role !== role) text += " ";
      role = node.role;
      text += at.has(node.name) ? sign : this.#letter(node);
    }
    return text;
  }

  /** Epoch, head of the log, agents, tasks and offers, as the leader has them. */
  leader(): string {
    const leads = [...this.#facts].find(
      ([name, facts]) => facts["lifecycle"] === "leading" && this.#up.has(name),
    );
    const facts = leads?.[1] ?? {};
    const number = (name: string, width: number): string =>
      String(facts[name] ?? "-").padStart(width);
    return [
      number("epoch", 5),
      number("position", 5),
      number("agents registered", 4),
      number("tasks", 5),
      number("offers", 4),
    ].join(" ");
  }
}

/** The whole of it, with what the signs mean. */
export function gridOf(document: TraceDocument, chosen: Iterable<TraceRecord> = document.records) {
  return `${LEGEND}\n${grid(document, new Records(document), chosen)}`;
}

/** Lines of what is news, in order. */
export function grid(document: TraceDocument, records: Records, chosen: Iterable<TraceRecord>) {
  const nodes = document.header.nodes.filter(
    ({ role }) => role !== "faults" && role !== "checkers",
  );
  const names = nodes.map(({ name }) => name);
  const cells = new Cells(nodes);
  const wanted = new Set([...chosen].map(({ n }) => n));
  const [row, leader] = [cells.row(new Set(), ""), cells.leader()];
  const lines = [
    `${"time s".padStart(9)} ${"nodes".padEnd(row.length)} epoch  head agts tasks offr`,
  ];
  const say = (t: number, at: ReadonlySet<string>, sign: string, text: string): void => {
    const time = (t / 1000).toFixed(3).padStart(9);
    const shown = sign === "" ? cells.row(new Set(), "") : cells.row(at, sign);
    lines.push(`${time} ${shown} ${cells.leader()}  ${text}`.padEnd(leader.length));
  };
  let next = 0;
  const states = (until: number): void => {
    for (let state = document.states[next]; state && state.after < until; ) {
      cells.change(state);
      const { lifecycle } = state.facts;
      const told = typeof lifecycle === "string" && wanted.has(state.cause);
      if (told) say(state.t, new Set(), "", `${state.node} is ${lifecycle}`);
      next += 1;
      state = document.states[next];
    }
  };
  for (const record of records.all) {
    states(record.n);
    const sign = SIGNS[record.kind];
    if (sign === undefined || !wanted.has(record.n)) {
      cells.happened(record);
      continue;
    }
    const said = new Set(record.summary.split(/[^\w-]+/));
    const at = new Set(names.filter((name) => name === record.node || said.has(name)));
    say(record.t, at, sign, `${record.node} ${record.kind} ${shortened(record.summary)}`);
    cells.happened(record);
  }
  states(Number.POSITIVE_INFINITY);
  return `${lines.join("\n")}\n`;
}
