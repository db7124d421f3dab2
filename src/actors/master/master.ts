/** Puts a master together and starts it on its ports: the same for production and simulator. */
import { createAllocator } from "#allocator";
import { MASTER_PEER } from "#protocol";
import { Quantities } from "#resources";
import {
  type ActorPorts,
  type Behaviour,
  type HostOptions,
  type Log,
  type Random,
  type RunningActor,
  startActor,
} from "#runtime";
import { type MasterConfig, settingsOf } from "./config.ts";
import { masterMachine } from "./machine.ts";
import { Publisher } from "./publish.ts";
import { MasterState } from "./state.ts";
import { batchEnded, entered, step } from "./step.ts";

const RANDOM_STEPS = 2 ** 32;

/** @throws RangeError when a setting cannot be: the message names it. */
export function masterBehaviour(
  config: MasterConfig,
  ports: { readonly exclusive: boolean; readonly hasDisk?: boolean },
  random: Random,
): Behaviour<MasterState> {
  const settings = settingsOf(config);
  const allocator = createAllocator({
    minAllocatable: settings.minAllocatable.map((text) => Quantities.parse(text)),
    allocationIntervalMs: settings.allocationIntervalMs,
    placement: settings.placement,
    roleSorter: settings.roleSorter,
    frameworkSorter: settings.frameworkSorter,
    random: () => random.below(RANDOM_STEPS) / RANDOM_STEPS,
  });
  return {
    name: "master",
    machine: masterMachine,
    state: new MasterState(settings, allocator, new Publisher(settings.eventsIntervalMs), ports),
    step,
    entered: (state, lifecycle, _event, env, out) => entered(state, lifecycle, env, out),
    batchEnded,
    served: ({ lead }) => lead !== undefined,
  };
}

/** Starts a master that stands by. It ends when it is deposed; start another then. */
export function createMaster(
  ports: ActorPorts & { readonly log: Log },
  config: MasterConfig,
  options: HostOptions = {},
): RunningActor<MasterState> {
  const { exclusive } = ports.log;
  const hasDisk = ports.disk !== undefined;
  const behaviour = masterBehaviour(config, { exclusive, hasDisk }, ports.random);
  const { state } = behaviour;
  return startActor(
    behaviour,
    ports,
    {
      subjects: config.subjects,
      self: MASTER_PEER,
      serves: ["agent", "framework"],
      kinds: [],
      epoch: () => state.epoch,
    },
    options,
  );
}
