/** The type of the handlers behind the table of routes, one per row that answers an object. */
import type { Static, TSchema } from "@sinclair/typebox";
import { ApiError, type ApiErrorCode, type InputOf, type ROUTES, type RouteName } from "#api";
import type { BodyOf } from "#protocol";
import type { GatewayContext } from "../context.ts";

type QueryOf<Name extends RouteName> = (typeof ROUTES)[Name] extends {
  readonly query: infer Schema extends TSchema;
}
  ? Static<Schema>
  : Record<string, never>;

export interface Asked<Name extends RouteName> {
  readonly path: Readonly<Record<string, string>>;
  readonly query: QueryOf<Name>;
  readonly body: InputOf<Name>;
}

/** Routes that answer with one JSON object. */
type ObjectRoute = Exclude<RouteName, "events" | "taskLogs" | "taskFile">;

export type Handlers = {
  readonly [Name in ObjectRoute]: (
    context: GatewayContext,
    asked: Asked<Name>,
  ) => object | Promise<object>;
};

type Reason = NonNullable<BodyOf<"OPERATOR_ANSWER">["reason"]>;

/** What the leader's reasons are over HTTP; all others are conflicts. */
const CODES: Readonly<Partial<Record<Reason, ApiErrorCode>>> = {
  "not-found": "not-found",
  invalid: "invalid",
  busy: "busy",
  "not-allowed": "not-allowed",
  mute: "no-leader",
};

/** @throws ApiError with the leader's own words. */
export function refuseUnaccepted({ accepted, reason, message }: BodyOf<"OPERATOR_ANSWER">): void {
  if (accepted) return;
  const code = reason === undefined ? "conflict" : (CODES[reason] ?? "conflict");
  throw new ApiError(code, message ?? `the leader refused: ${reason ?? "?"}`);
}
