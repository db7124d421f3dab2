/** Errors as answers: the code's status and the body that every client of ours can read. */
import { ApiError } from "#api";

/** What went wrong as an answer; an unknown error tells the caller nothing of our insides. */
export function problemOf(error: unknown, report: (error: unknown) => void): Response {
  const known = error instanceof ApiError ? error : undefined;
  if (known === undefined) report(error);
  const told =
    known ?? new ApiError("failed", "the server failed to answer", "look into the master's log");
  return new Response(JSON.stringify(told.toBody()), {
    status: told.status,
    headers: {
      "content-type": "application/json",
      ...(told.code === "unauthenticated" ? { "www-authenticate": "Bearer" } : {}),
    },
  });
}
