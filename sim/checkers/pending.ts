/**
 * Statements of the specification that cannot be judged yet, because what they speak of comes
 * with failover: they are listed by name, and nothing is said of them.
 */
export interface PendingStatement {
  readonly id: string;
  readonly statement: string;
  /** What has to be there first. */
  readonly waitsFor: string;
}

export const PENDING: readonly PendingStatement[] = [
  {
    id: "V1",
    statement: "reservations and volumes survive restarts and failover; one task mounts a volume",
    waitsFor: "RESERVE, UNRESERVE, CREATE and DESTROY",
  },
];
