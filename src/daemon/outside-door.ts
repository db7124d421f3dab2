/**
 * What `up --listen` opens to other machines, and closes: the broker's listener, and the registrar
 * who signs for those that join. Without the flag neither is there.
 */
import { inboxOf } from "#access";
import { natsBus, systemClock, systemRandom } from "#adapters";
import type { Config } from "#config";
import { subjectsOf } from "#protocol";
import { openBrokerAuthority } from "./broker-authority.ts";
import { parseListen, startBrokerListener } from "./broker-listener.ts";
import type { Trust } from "./credentials.ts";
import type { DataDir } from "./data-dir.ts";
import { JoinTokens } from "./join-tokens.ts";
import { Revocations } from "./revocations.ts";
import { startRegistrar } from "./registrar.ts";
import { recordListen } from "./token-command.ts";

const REGISTRAR = { role: "registrar" } as const;

export interface OutsideDoor {
  readonly servers: readonly string[];
  stop(): Promise<void>;
}

export interface OpenOutside {
  readonly config: Config;
  readonly data: DataDir;
  readonly trust: Trust;
  /** Of the broker that `up` started; undefined where others run it. */
  readonly brokerPort: number | undefined;
  tell(sentence: string): void;
}

/** Undefined where `--listen` is not given. @throws Error in one sentence when it cannot be had. */
export async function openOutside(options: OpenOutside): Promise<OutsideDoor | undefined> {
  const { config, data, trust, brokerPort, tell } = options;
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
  const bus = natsBus({
    servers: [`nats://127.0.0.1:${brokerPort}`],
    credential: () => trust.issue(REGISTRAR),
    inbox: inboxOf(REGISTRAR),
    name: "meseta registrar",
    clock: systemClock(),
    nonce: systemRandom().token(8),
  });
  const tokens = new JoinTokens(data.root);
  const revocations = new Revocations(data.root);
  const subjects = subjectsOf(trust.cluster);
  startRegistrar({ bus, subjects, trust, tokens, revocations, nowMs, tell });
  return {
    servers: listener.servers,
    async stop() {
      await new Promise<void>((resolve) => bus.close(resolve));
      await listener.stop();
    },
  };
}
