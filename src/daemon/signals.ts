/**
 * Signals as one promise, so that every process of ours ends on the same path whether it is
 * asked by the terminal, by its parent or by the system.
 */

export interface Signals {
  /** Resolves with the first signal of those named. */
  readonly first: Promise<NodeJS.Signals>;
  /** Called for every further one: somebody is impatient. */
  onAgain(listener: (signal: NodeJS.Signals) => void): void;
  stop(): void;
}

export function catchSignals(names: readonly NodeJS.Signals[]): Signals {
  let resolveFirst: (signal: NodeJS.Signals) => void = () => undefined;
  let again: (signal: NodeJS.Signals) => void = () => undefined;
  let seen = false;
  const first = new Promise<NodeJS.Signals>((resolve) => {
    resolveFirst = resolve;
  });
  const hear = (signal: NodeJS.Signals): void => {
    if (seen) return again(signal);
    seen = true;
    resolveFirst(signal);
  };
  for (const name of names) process.on(name, hear);
  return {
    first,
    onAgain(listener) {
      again = listener;
    },
    stop() {
      for (const name of names) process.off(name, hear);
    },
  };
}
