/**
 * Processor time of a piece of work, for tests that hold work to be bounded: unlike the wall clock it
 * hardly depends on what else the machine does. Bounds stand far above what is usual.
 */
export function processorMsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
