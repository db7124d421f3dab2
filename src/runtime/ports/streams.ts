/**
 * The way to the logs and files of containers on this machine: byte ranges, read without following
 * links out of the sandbox. Callbacks never come within the call.
 */
import type { ContainerId } from "#protocol";

/** Most bytes of one read; one chunk of a stream on the bus. */
export const STREAM_CHUNK_BYTES_MAX = 256 * 1024;

export type StreamFile =
  /** A log: its rotated files as one sequence of bytes. */
  | "stdout"
  | "stderr"
  /** One file below the sandbox, as it is now. */
  | { readonly path: string }
  /** What a folder below the sandbox holds, as the JSON of a `StreamFolder`. */
  | { readonly folder: string };

export interface StreamFolder {
  readonly entries: readonly {
    readonly name: string;
    readonly kind: "file" | "directory" | "other";
    readonly bytes: number;
    readonly modifiedMs: number;
  }[];
  /** false: there are more than one listing holds. */
  readonly isComplete: boolean;
}

export type StreamRead =
  | {
      readonly kind: "chunk";
      /** Where `bytes` begin, counted over all rotations from the first byte ever written. */
      readonly offset: number;
      readonly bytes: Uint8Array;
      /** Where the file ends now; reading there gives no bytes. */
      readonly end: number;
    }
  /** The container's sandbox or file is not there (any more). */
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly why: string };

export interface Streams {
  /**
   * Reads at most `max` bytes from `offset`; a negative offset counts from the end. Bytes that
   * rotation has taken are skipped: the answer's `offset` is then higher than asked for.
   */
  read(
    containerId: ContainerId,
    file: StreamFile,
    offset: number,
    max: number,
    done: (outcome: StreamRead) => void,
  ): void;
}
