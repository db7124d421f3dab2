/** A small world for the cases: a seed, a trace, nodes that are up. */
import { type SimNode, Trace, World } from "#sim";

export function aWorld(seed = "7") {
  const trace = new Trace({ keepAll: true });
  const world = new World({ seed, recorder: trace });
  const node = (name: string, boot: () => void = () => undefined): SimNode => {
    const made = world.addNode(name);
    made.start(boot);
    return made;
  };
  return { world, trace, node };
}

export const STEP_MS = 5;
export const WAIT_MS_MAX = 120_000;

/** Runs the world until the condition holds. */
export function untilIn(world: World) {
  return async (condition: () => boolean, what: string): Promise<void> => {
    const endMs = world.nowMs + WAIT_MS_MAX;
    while (!condition()) {
      if (world.nowMs > endMs) throw new Error(`not within ${WAIT_MS_MAX} ms: ${what}`);
      world.runUntil(world.nowMs + STEP_MS);
    }
    // What was asked for together with it is told too.
    world.runUntil(world.nowMs + STEP_MS);
  };
}

export const settleIn = (world: World) => async (): Promise<void> =>
  world.runUntil(world.nowMs + 500);
