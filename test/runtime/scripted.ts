/** An actor that does what a test tells it: each input is written down, then handed to a script. */
import { setup } from "xstate";
import {
  agentPeer,
  asId,
  type ClusterId,
  KINDS,
  MASTER_PEER,
  type Peer,
  type Principal,
  roleOf,
  type SessionId,
  subjectsOf,
} from "#protocol";
import {
  type Address,
  type Behaviour,
  type Effect,
  type Env,
  type HostOptions,
  type Input,
  type RunningActor,
  startActor,
} from "#runtime";
import type { DeskPorts } from "./desk.ts";

export const scriptedMachine = setup({
  types: { events: {} as { type: "Inputs" | "Rest" | "Wake" | "Depose" | "Stop" } },
  actions: { handleBatch: () => undefined },
}).createMachine({
  id: "scripted",
  initial: "working",
  states: {
    working: {
      tags: "handle",
      on: { Inputs: { actions: "handleBatch" }, Rest: "resting", Depose: "deposed", Stop: "ended" },
    },
    resting: {
      tags: "defer",
      on: { Inputs: { actions: "handleBatch" }, Wake: "working", Stop: "ended" },
    },
    deposed: { tags: "refuse", on: { Stop: "ended" } },
    ended: { type: "final" },
  },
});

/** An actor whose behaviour a test changes while it runs. */
export interface Scripted {
  readonly actor: RunningActor<string[]>;
  readonly seen: string[];
  /** Outcomes of `ask-leader`. */
  readonly asks: string[];
  /** Has the actor ask for effects, by a word of a neighbour. */
  run(...effects: Effect[]): void;
  script: (input: Input, out: Effect[], env: Env) => void;
  onHello: (peer: Peer, session: SessionId, out: Effect[]) => void;
  /** After any answer of a port. */
  onDone: (out: Effect[]) => void;
  /** What handling one input costs. */
  work: () => void;
  /** Whether its life counts as one that was of use. */
  served: boolean;
}

/** What an input looks like in a story. */
export function show(input: Input): string {
  if (input.family === "mail") return `mail ${input.kind} from ${input.from}`;
  if (input.family === "due") return `due ${input.timer} late ${input.lateMs}`;
  if (input.what === "link") {
    const { link } = input;
    return `link ${input.peer} ${link.change}${link.change === "closed" ? ` ${link.reason}` : ""}`;
  }
  if (input.what === "append" || input.what === "write") {
    return `${input.what} ${input.token} ${input.outcome.kind}`;
  }
  return input.what;
}

interface Told {
  readonly kind: "do";
  readonly effects: readonly Effect[];
}

export const SUBJECTS = subjectsOf(asId<ClusterId>("desk"));
export const A1 = agentPeer(asId<Principal>("a1"));
export const A2 = agentPeer(asId<Principal>("a2"));

export function addressOf(self: Address["self"], epoch: Address["epoch"] = () => 1): Address {
  const master = self === MASTER_PEER;
  return {
    subjects: SUBJECTS,
    self,
    serves: master ? ["agent", "framework"] : roleOf(self) === "agent" ? ["executor"] : [],
    kinds: master ? [] : Object.keys(KINDS),
    epoch,
  };
}

export function startScripted(
  ports: DeskPorts,
  address: Address,
  options: HostOptions = {},
): Scripted {
  const seen: string[] = [];
  const asks: string[] = [];
  const behaviour: Behaviour<string[]> = {
    name: address.self,
    machine: scriptedMachine,
    state: seen,
    step(_state, input, env, out) {
      scripted.work();
      if (input.family === "done" && input.what === "told" && input.message.kind === "do") {
        out.push(...(input.message as Told).effects);
        return;
      }
      seen.push(show(input));
      if (input.family === "done" && input.what === "ask") asks.push(input.outcome);
      if (input.family === "done" && input.what === "link" && input.link.change === "hello") {
        scripted.onHello(input.peer, input.link.session, out);
      } else if (input.family === "done") scripted.onDone(out);
      scripted.script(input, out, env);
    },
    entered: (_state, lifecycle, event) => void seen.push(`entered ${lifecycle} by ${event.type}`),
    batchEnded: () => undefined,
    served: () => scripted.served,
  };
  const actor = startActor(behaviour, ports, address, options);
  const scripted: Scripted = {
    actor,
    seen,
    asks,
    run(...effects) {
      const told: Told = { kind: "do", effects };
      actor.tell("test", told);
    },
    script: () => undefined,
    onHello: () => undefined,
    onDone: () => undefined,
    work: () => undefined,
    served: false,
  };
  return scripted;
}
