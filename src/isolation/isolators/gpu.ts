/**
 * `gpu/nvidia`: tells a task which GPUs are its own. They were chosen before (`assign.ts`) and
 * are opened by `cgroups/devices`; here is only what the driver's library reads.
 */
import type { Isolator } from "../isolator.ts";

export const gpuIsolator: Isolator = {
  name: "gpu/nvidia",
  fragment({ assigned }) {
    if (assigned === undefined || assigned.gpus.length === 0) return {};
    const indices = assigned.gpus.join(",");
    return { env: { NVIDIA_VISIBLE_DEVICES: indices, CUDA_VISIBLE_DEVICES: indices } };
  },
};
