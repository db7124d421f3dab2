/** What the machines of a simulated cluster have for tasks. */
export interface MachineSize {
  readonly cpusMilli: number;
  readonly memMib: number;
}

export const MACHINE: MachineSize = { cpusMilli: 8_000, memMib: 8_192 };
