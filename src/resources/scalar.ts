/**
 * Scalar values as integer thousandths ("milli"): 1.5 cpus are 1500. Sums and differences are exact;
 * doubles occur only when text or foreign JSON comes in. Never holds names or metadata.
 */

/** The largest scalar, in thousandths: integers stay exact up to here. */
export const SCALAR_MILLI_MAX = Number.MAX_SAFE_INTEGER;

const DECIMAL = /^\+?(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/;
const EXPONENT_SPAN_MAX = 400;

export type ScalarReading =
  | { readonly kind: "milli"; readonly milli: number }
  /** Not a non-negative decimal number at all: Mesos reads such a value as TEXT. */
  | { readonly kind: "text" }
  | { readonly kind: "invalid"; readonly message: string };

/**
 * Reads a decimal number and rounds it half away from zero to thousandths, in decimal, so that
 * what is written as 1.0005 is 1.001 whatever its nearest double is. `inf`, `nan` and negative
 * numbers are text (as in Mesos); a non-zero value that rounds to zero is invalid.
 */
export function readScalar(text: string): ScalarReading {
  const match = DECIMAL.exec(text);
  const whole = match?.[1] ?? "";
  const fraction = match?.[2] ?? "";
  if (match === null || whole.length + fraction.length === 0) return { kind: "text" };
  const digits = (whole + fraction).replace(/^0+/, "");
  if (digits === "") return { kind: "milli", milli: 0 };
  const shift = 3 + Number(match[3] ?? "0") - fraction.length;
  if (digits.length + shift > 17 || shift > EXPONENT_SPAN_MAX) return tooLarge(text);
  const milli = shift >= 0 ? BigInt(digits) * 10n ** BigInt(shift) : divideRounded(digits, -shift);
  if (milli > BigInt(SCALAR_MILLI_MAX)) return tooLarge(text);
  if (milli === 0n) {
    return { kind: "invalid", message: `${text} rounds to 0; the smallest value is 0.001` };
  }
  return { kind: "milli", milli: Number(milli) };
}

function divideRounded(digits: string, places: number): bigint {
  if (places > digits.length) return 0n;
  const divisor = 10n ** BigInt(places);
  return (BigInt(digits) * 2n + divisor) / (divisor * 2n);
}

function tooLarge(text: string): ScalarReading {
  const limit = formatScalar(SCALAR_MILLI_MAX);
  return { kind: "invalid", message: `${text} is above the largest value, ${limit}` };
}

/** A foreign double (JSON, Mesos v1) as thousandths, by its shortest decimal form. */
export function readScalarNumber(value: number): ScalarReading {
  if (!Number.isFinite(value) || value < 0) {
    return { kind: "invalid", message: `${value} is not a finite number of at least 0` };
  }
  return readScalar(String(value));
}

/** At most three decimals and no trailing zeros: 1500 ⇒ `1.5`. */
export function formatScalar(milli: number): string {
  const sign = milli < 0 ? "-" : "";
  const magnitude = Math.abs(milli);
  const rest = magnitude % 1000;
  const whole = (magnitude - rest) / 1000;
  if (rest === 0) return `${sign}${whole}`;
  return `${sign}${whole}.${String(rest).padStart(3, "0").replace(/0+$/, "")}`;
}

/** Whether a number may stand as thousandths on the wire: a safe integer of at least 0. */
export function isMilli(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
