/** What can go wrong, in one table: code ⇄ HTTP status ⇄ exit code of the command line. */

export const API_ERRORS = {
  invalid: { status: 400, exit: 2 },
  unauthenticated: { status: 401, exit: 7 },
  "not-allowed": { status: 403, exit: 7 },
  "not-found": { status: 404, exit: 4 },
  "method-not-allowed": { status: 405, exit: 2 },
  conflict: { status: 409, exit: 1 },
  "too-large": { status: 413, exit: 2 },
  "media-type": { status: 415, exit: 2 },
  busy: { status: 429, exit: 1 },
  failed: { status: 500, exit: 1 },
  "no-leader": { status: 503, exit: 6 },
  unreachable: { status: 503, exit: 6 },
  timeout: { status: 504, exit: 5 },
} as const satisfies Record<string, { readonly status: number; readonly exit: number }>;

export type ApiErrorCode = keyof typeof API_ERRORS;

/** The body of every answer that is not a success. */
export interface ApiErrorBody {
  readonly error: {
    readonly code: ApiErrorCode;
    /** What failed and why: field, value, limit. */
    readonly message: string;
    /** What to do. */
    readonly hint?: string;
  };
}

export class ApiError extends Error {
  readonly code: ApiErrorCode;
  readonly hint: string | undefined;

  constructor(code: ApiErrorCode, message: string, hint?: string) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.hint = hint;
  }

  get status(): number {
    return API_ERRORS[this.code].status;
  }

  get exit(): number {
    return API_ERRORS[this.code].exit;
  }

  toBody(): ApiErrorBody {
    const { code, message, hint } = this;
    return { error: hint === undefined ? { code, message } : { code, message, hint } };
  }
}

/** The error that an answer's body tells of; `failed` where the body is not one of ours. */
export function readApiError(status: number, body: unknown): ApiError {
  const error = (body as Partial<ApiErrorBody> | null)?.error;
  if (error !== undefined && Object.hasOwn(API_ERRORS, error.code)) {
    return new ApiError(error.code, error.message, error.hint);
  }
  return new ApiError("failed", `the server answered ${status} without saying why`);
}
