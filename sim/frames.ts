/** Where in the project a violation was noticed, to group failures by: its top stack frame. */

/** Frames between a checker and the code that it watches are many. */
const FRAMES_MAX = 60;
/** As compiled, or as source maps show it where Node was told to read them. */
const FRAMES = [
  /^\s*at (?:(.+?) \()?(?:file:\/\/)?\S*?\/dist\/((src|sim\/checkers)\/[^:]+:\d+)/,
  /^\s*at (?:(.+?) \()?(?:.*\/)?((src|sim\/checkers)\/[^:()]+\.ts:\d+)/,
];

/** The first frame of the product in a stack; else the first of a checker. */
function topOf(stack: string): string | undefined {
  let checker: string | undefined;
  for (const line of stack.split("\n")) {
    const [compiled, source] = FRAMES;
    const [, name = "", place, part] = compiled?.exec(line) ?? source?.exec(line) ?? [];
    if (place === undefined) continue;
    const frame = `${name} ${place}`.trim();
    if (part === "src") return frame;
    checker ??= frame;
  }
  return checker;
}

/** Of the stack that a message carries, or of the present one. */
export function frameOf(message: string): string {
  const carried = topOf(message);
  if (carried !== undefined) return carried;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES_MAX;
  const { stack = "" } = new Error("here");
  Error.stackTraceLimit = limit;
  return topOf(stack) ?? "";
}
