/**
 * What a task asks of its machine beyond amounts of resources: bounds and devices of its
 * container. Mesos has no words for these; each is enforced by the isolator that is named.
 */
import { type Static, Type } from "@sinclair/typebox";

const Mib = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Rate = Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }));

export const TaskControlsSchema = Type.Object({
  /** Processes and threads (cgroups/pids). */
  pids: Type.Optional(Type.Integer({ minimum: 1, maximum: 4_194_304 })),
  /** Swap beside its memory, MiB; the agent's own bound otherwise (cgroups/mem). */
  swapMib: Type.Optional(Mib),
  /** From here on it is slowed down instead of killed; cgroup v2 only (cgroups/mem). */
  memHighMib: Type.Optional(Mib),
  /** Page size, such as `2MB`, to the MiB of such pages (cgroups/hugetlb). */
  hugetlbMib: Type.Optional(Type.Record(Type.String({ maxLength: 16 }), Mib)),
  /** Bytes and operations in a second of a block device, such as `vda` (cgroups/blkio). */
  io: Type.Optional(
    Type.Array(
      Type.Object({
        device: Type.String({ minLength: 1, maxLength: 64 }),
        readBps: Rate,
        writeBps: Rate,
        readIops: Rate,
        writeIops: Rate,
      }),
      { maxItems: 32 },
    ),
  ),
  /** Paths of devices that the agent grants (cgroups/devices). */
  devices: Type.Optional(Type.Array(Type.String({ maxLength: 255 }), { maxItems: 64 })),
  /** Its cpus, a whole number, are on no other task's list of the same kind (cgroups/cpuset). */
  exclusiveCpus: Type.Optional(Type.Boolean()),
});
export type TaskControls = Static<typeof TaskControlsSchema>;
