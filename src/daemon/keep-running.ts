/**
 * A supervised actor as a process has it: running until the process is asked to leave, or given
 * up, which the process is told. Backoff and blame are the supervisor's.
 */
import {
  type Clock,
  type Life,
  type Logger,
  type RunningActor,
  type Supervisor,
  supervise,
} from "#runtime";

export interface KeepOptions<State> {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  start(life: Life): RunningActor<State>;
  /** Nothing is started any more; the process should say why and end. */
  onGiveUp(why: string): void;
}

export interface Kept<State> {
  readonly supervisor: Supervisor<State>;
  /** Resolves when the actor has ended in order. */
  stop(): Promise<void>;
}

export function keepRunning<State>(options: KeepOptions<State>): Kept<State> {
  const { name, clock, logger, start } = options;
  let stopped: () => void = () => undefined;
  const end = new Promise<void>((resolve) => {
    stopped = resolve;
  });
  const supervisor = supervise({
    name,
    clock,
    logger,
    start,
    afterEnd: true,
    onOver({ kind, why }) {
      stopped();
      if (kind !== "stopped") options.onGiveUp(why);
    },
  });
  return {
    supervisor,
    stop() {
      supervisor.stop();
      return end;
    },
  };
}
