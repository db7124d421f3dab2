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
