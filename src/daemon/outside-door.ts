/**
 * What `up --listen` opens to other machines, and closes: the broker's listener. Without the flag
 * there is none.
 */
import type { Config } from "#config";
import { openBrokerAuthority } from "./broker-authority.ts";
import { parseListen, startBrokerListener } from "./broker-listener.ts";
import type { DataDir } from "./data-dir.ts";
import { recordListen } from "./token-command.ts";

export interface OutsideDoor {
  readonly servers: readonly string[];
  stop(): Promise<void>;
}

export interface OpenOutside {
  readonly config: Config;
  readonly data: DataDir;
  /** Of the broker that `up` started; undefined where others run it. */
  readonly brokerPort: number | undefined;
  tell(sentence: string): void;
}

/** Undefined where `--listen` is not given. @throws Error in one sentence when it cannot be had. */
export async function openOutside(options: OpenOutside): Promise<OutsideDoor | undefined> {
  const { config, data, brokerPort, tell } = options;
  const wanted = config.text("listen");
  if (wanted === undefined || brokerPort === undefined) {
    await recordListen(data.root, undefined);
    return undefined;
  }
  const nowMs = (): number => Date.now();
  const authority = await openBrokerAuthority(data.root, nowMs());
  const address = parseListen(wanted);
  const listener = await startBrokerListener({ address, authority, brokerPort, nowMs, tell });
  await recordListen(data.root, listener.servers);
  return { servers: listener.servers, stop: () => listener.stop() };
}
