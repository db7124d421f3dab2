/** Requests of the launcher as calls of its port, and its answers as inputs. Owns that mapping. */
import type { LauncherRequest } from "./effects.ts";
import type { Done, LauncherEvent } from "./inputs.ts";
import type { Launcher, LauncherAnswer, LauncherFailure } from "./ports/launcher.ts";

/** Which requests must keep their order: those for one container. */
export function laneOf(request: LauncherRequest): string {
  if (request.call === "launch") return `launcher.${request.plan.containerId}`;
  if ("containerId" in request) return `launcher.${request.containerId}`;
  return `launcher:${request.call}`;
}

/** Calls the port; the answer comes as an input under the request's token. */
export function callLauncher(
  launcher: Launcher,
  request: LauncherRequest,
  done: (done: Done) => void,
): void {
  const { token } = request;
  const tell = (event: LauncherEvent): void => done({ what: "launcher", launcher: event });
  switch (request.call) {
    case "prepare":
      return launcher.prepare(request.steps, plain(request.call));
    case "launch":
      return launcher.launch(request.plan, (answer) =>
        tell({ event: "answer", token, call: "launch", answer }),
      );
    case "update":
      return launcher.update(request.containerId, request.steps, plain(request.call));
    case "signal":
      return launcher.signal(request.containerId, request.signal, plain(request.call));
    case "destroy":
      return launcher.destroy(request.containerId, request.graceMs, plain(request.call));
    case "forget":
      return launcher.forget(request.containerId, plain(request.call));
    case "recover":
      return launcher.recover((answer) =>
        tell({ event: "answer", token, call: "recover", answer }),
      );
    case "usage":
      return launcher.usage(request.containerIds, (answer) =>
        tell({ event: "answer", token, call: "usage", answer }),
      );
    case "measure":
      return launcher.measure(request.wish, (answer) =>
        tell({ event: "answer", token, call: "measure", answer }),
      );
    default:
      return unknownRequest(request);
  }

  function plain(call: "prepare" | "update" | "signal" | "destroy" | "forget") {
    return (answer: LauncherAnswer): void => tell({ event: "answer", token, call, answer });
  }
}

/** The answer of a launcher whose call threw. */
export function launcherFailure({ token, call }: LauncherRequest, message: string): Done {
  const answer: LauncherFailure = { ok: false, reason: "system", message };
  return { what: "launcher", launcher: { event: "answer", token, call, answer } };
}

function unknownRequest(request: never): never {
  throw new Error(`unknown request ${JSON.stringify(request)}`);
}
