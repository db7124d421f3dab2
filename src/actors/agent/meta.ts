/**
 * The agent's identity on disk: `agent/meta`, one record, replaced whole. It holds the agent's
 * id, how often it was started, and the highest epoch it has obeyed (P-4.2, P-4.3).
 */
import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { AgentIdSchema, decodeValue, encodePlain } from "#protocol";
import type { Effect } from "#runtime";
import { frameRecords, readRecords } from "./journal.ts";
import { type AgentState, META_PATH, type Meta } from "./state.ts";

const Count = Type.Integer({ minimum: 0 });
const META_VERSION = 1;
const MetaSchema = Type.Object({
  v: Type.Literal(META_VERSION),
  agentId: AgentIdSchema,
  incarnation: Count,
  epoch: Count,
  logId: Type.String(),
  generation: Count,
  position: Count,
  hash: Type.String(),
});
const check = TypeCompiler.Compile(MetaSchema);
const checkVersion = TypeCompiler.Compile(Type.Object({ v: Count }));

export type MetaRead =
  | { readonly ok: true; readonly meta: Static<typeof MetaSchema> }
  | { readonly ok: false; readonly message: string };

export function readMeta(bytes: Uint8Array): MetaRead {
  const { payloads, end } = readRecords(bytes);
  const [payload] = payloads;
  if (payload === undefined || end !== "whole") {
    return { ok: false, message: `${META_PATH}: its checksum is wrong` };
  }
  const decoded = decodeValue(payload);
  if (decoded.fault !== undefined) return { ok: false, message: `${META_PATH}: ${decoded.fault}` };
  if (check.Check(decoded.value)) return { ok: true, meta: decoded.value };
  if (checkVersion.Check(decoded.value) && decoded.value.v > META_VERSION) {
    const message =
      `${META_PATH} is of version ${decoded.value.v} and this build reads ${META_VERSION}: ` +
      "a newer agent wrote it; start that one again";
    return { ok: false, message };
  }
  const first = check.Errors(decoded.value).First();
  return { ok: false, message: `${META_PATH}${first?.path ?? ""}: ${first?.message ?? "unknown"}` };
}

/** What is sent to a leader of this epoch waits for `state.metaToken`. */
export function writeMeta(state: AgentState, meta: Meta, out: Effect[]): void {
  state.meta = meta;
  state.metaWrites += 1;
  state.metaToken = `${META_PATH}/${state.metaWrites}`;
  pushMeta(state, out);
}

/** The same once more, under the same token, after a full disk. */
export function pushMeta(state: AgentState, out: Effect[]): void {
  if (state.metaToken === null) return;
  const bytes = frameRecords([encodePlain(state.meta)]);
  out.push({ kind: "write", token: state.metaToken, mode: "replace", path: META_PATH, bytes });
}
