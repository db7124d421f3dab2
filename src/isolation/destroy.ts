/**
 * The numbered steps of ending a container, and what comes next after each answer. A destroy
 * that fails is tried again for as long as the agent lives, ever more slowly, and is counted:
 * a process in state D can outlive any timeout, and its resources stay accounted until it is gone.
 *
 * 1 ask: SIGTERM to every process. 2 wait: at most the grace period, for the shim's end.
 * 3 kill: the whole cgroup at once (`cgroup.kill`; freezer, SIGKILL, thaw; or by descent).
 * 4 wait: until the shim has written the status and nobody is left. 5 remove: the cgroups,
 * children first, EBUSY tried again. 6 forget: the runtime directory, once the exit is safe
 * elsewhere. The launcher does 1 to 5 within one request; each may be repeated.
 */
import type { LauncherAnswer } from "#runtime";

/** First and longest pause between two tries. */
export const DESTROY_RETRY_MS_MIN = 500;
export const DESTROY_RETRY_MS_MAX = 60_000;

export interface DestroyProgress {
  readonly step: "destroying" | "forgetting" | "gone";
  /** Failed tries of the present step. */
  readonly failures: number;
  /** The latest refusal, for people; null when there was none. */
  readonly message: string | null;
}

export type DestroyNext =
  | { readonly do: "destroy" | "forget"; readonly inMs: number; readonly progress: DestroyProgress }
  /** Nothing more to ask: wait for leave to forget, or the end. */
  | { readonly do: "nothing"; readonly progress: DestroyProgress };

export const DESTROY_BEGIN: DestroyProgress = { step: "destroying", failures: 0, message: null };

/** 500 ms, 1 s, 2 s … 60 s. */
export function destroyRetryMs(failures: number): number {
  return Math.min(DESTROY_RETRY_MS_MAX, DESTROY_RETRY_MS_MIN * 2 ** Math.min(failures, 16));
}

/** What follows from the answer to `destroy` or `forget`. */
export function afterDestroyAnswer(progress: DestroyProgress, answer: LauncherAnswer): DestroyNext {
  const done = answer.ok || answer.reason === "unknown";
  if (progress.step === "gone") return { do: "nothing", progress };
  if (!done) {
    const again: DestroyProgress = {
      step: progress.step,
      failures: progress.failures + 1,
      message: answer.message,
    };
    const verb = progress.step === "destroying" ? "destroy" : "forget";
    return { do: verb, inMs: destroyRetryMs(progress.failures), progress: again };
  }
  const step = progress.step === "destroying" ? "forgetting" : "gone";
  return { do: "nothing", progress: { step, failures: 0, message: null } };
}
