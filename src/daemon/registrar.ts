/**
 * Answers machines that join, agents whose credential ends, and agents on behalf of executors: signs
 * for their keys what a token, or the credential that they have, gives them a right to. Lives
 * beside the keys, in `up` or in a process of its own; a use of a token is on disk before its credential is said (P-1.5). It
 * admits nobody to the cluster: that is the leader's work.
 */
import { holderOf, type Identity, inboxOf } from "#access";
import { isUserKey, natsBus, systemClock, systemRandom } from "#adapters";
import {
  type AnyMessage,
  asId,
  type BodyOf,
  decodeSingle,
  encodeSingle,
  isId,
  type JoinRefused,
  type Principal,
  type Subjects,
  subjectsOf,
} from "#protocol";
import type { Bus, BusMessage } from "#runtime";
import type { Trust } from "./credentials.ts";
import { fateOfToken, JoinTokens } from "./join-tokens.ts";
import type { Reach } from "./known-brokers.ts";
import { Revocations } from "./revocations.ts";

/** Questions that are being answered; further ones get no answer and are put again. */
export const JOINS_OPEN_MAX = 64;
/** Of the name of a machine, as much as is left when the end of the key is beside it. */
const HOST_LENGTH_MAX = 48;
const KEY_SHOWN_LENGTH = 10;

export interface RegistrarOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly trust: Trust;
  readonly tokens: JoinTokens;
  readonly revocations: Revocations;
  nowMs(): number;
  tell(sentence: string): void;
}

type Question = Extract<AnyMessage, { readonly kind: "Join" | "SignExecutors" }>;
type Answer = Extract<AnyMessage, { readonly kind: "Joined" | "ExecutorsSigned" | "JoinRefused" }>;

const REGISTRAR = { role: "registrar" } as const;

/** The registrar of a cluster on a connection of its own. */
export function openRegistrar({
  reach,
  dataDir,
  trust,
  tell,
}: {
  readonly reach: Reach;
  readonly dataDir: string;
  readonly trust: Trust;
  tell(sentence: string): void;
}): { readonly bus: Bus; stop(): Promise<void> } {
  const bus = natsBus({
    ...reach,
    credential: () => trust.issue(REGISTRAR),
    inbox: inboxOf(REGISTRAR),
    name: "meseta registrar",
    clock: systemClock(),
    nonce: systemRandom().token(8),
  });
  const tokens = new JoinTokens(dataDir);
  const subjects = subjectsOf(trust.cluster);
  const revocations = new Revocations(dataDir);
  const nowMs = (): number => Date.now();
  startRegistrar({ bus, subjects, trust, tokens, revocations, nowMs, tell });
  return { bus, stop: () => new Promise<void>((resolve) => bus.close(resolve)) };
}

const MENDS: Readonly<Record<JoinRefused["reason"], string>> = {
  "unknown-token": "the cluster has no such token any more",
  "token-expired": "the token has expired",
  "token-revoked": "the token was revoked",
  "token-used": "the token has been used as often as it may be",
  "key-invalid": "the key is none of a user",
  "key-unknown": "the key is not the one that this credential was given for",
  "key-revoked":
    "the credential of this machine was revoked; remove its files, and it joins as another",
  failed: "the registrar could not answer",
};

/** Begins to answer; ends with the bus. */
export function startRegistrar(options: RegistrarOptions): void {
  const { bus, subjects, tell } = options;
  let open = 0;
  // One after the other: two machines may not both be the last that a token allows.
  let before: Promise<unknown> = Promise.resolve();
  const serve = (judge: (name: string, asked: Question) => Promise<Answer>) => {
    return ({ subject, data, reply }: BusMessage): void => {
      const name = subject.split(".").at(-1) ?? "";
      const decoded = decodeSingle(data);
      const asked = decoded.reason === undefined ? decoded.message : undefined;
      if (reply === undefined || open >= JOINS_OPEN_MAX) return;
      if (asked?.kind !== "Join" && asked?.kind !== "SignExecutors") return;
      open += 1;
      const judged = before.then(() => judge(name, asked));
      before = judged.catch(() => undefined);
      judged
        .catch((error: Error): Answer => {
          tell(`${quoted(name)}, who asked for a credential, was not answered: ${error.message}`);
          return refusal("failed");
        })
        .then((answer) => {
          open -= 1;
          const encoded = encodeSingle(answer, asId0);
          if (encoded.fault === undefined) bus.publish(reply, encoded.bytes);
          else tell(`an answer to who asked for a credential is unfit: ${encoded.fault}`);
        });
    };
  };
  bus.subscribe(
    subjects.toRegistrar.joining,
    serve(async (id, asked) =>
      asked.kind === "Join" ? await admit(options, id, asked.body) : refusal("failed"),
    ),
  );
  bus.subscribe(
    subjects.toRegistrar.renewing,
    serve(async (name, asked) =>
      asked.kind === "Join"
        ? renew(options, name, asked.body)
        : signExecutors(options, name, asked.body),
    ),
  );
}

const asId0 = 0 as Parameters<typeof encodeSingle>[1];

async function admit(options: RegistrarOptions, id: string, join: BodyOf<"Join">): Promise<Answer> {
  const { tokens, tell } = options;
  if (!isUserKey(join.key)) return refusal("key-invalid");
  if (options.revocations.has(join.key)) return refusal("key-revoked");
  const state = await tokens.find(id);
  if (state === undefined) return refusal("unknown-token");
  const fate = fateOfToken(state, options.nowMs(), join.key);
  if (fate !== "good") {
    tell(`a machine named ${quoted(join.host)} may not join by token ${id}: ${MENDS[fate]}`);
    return refusal(fate);
  }
  const principal = principalOf(join);
  const isNew = !state.usedBy.includes(join.key);
  if (isNew) await tokens.markUsed(asId(id), join.key, principal);
  await options.revocations.remember({ key: join.key, holder: holderOf(agentNamed(principal)) });
  const answer = signed(options, principal, join.key);
  if (isNew) tell(`${principal} joins by token ${id}`);
  return answer;
}

/** The broker vouches for who asks: its credential is still good. */
async function renew(
  options: RegistrarOptions,
  name: string,
  join: BodyOf<"Join">,
): Promise<Answer> {
  const { revocations, tokens } = options;
  if (!isUserKey(join.key) || !isId(name)) return refusal("key-invalid");
  if (revocations.has(join.key)) return refusal("key-revoked");
  const principal = asId<Principal>(name);
  // For the key that it was given alone: a thief of the credential must not outlive its revocation.
  const isKnown =
    revocations.holderOf(join.key) === holderOf(agentNamed(principal)) ||
    (await tokens.joined()).some((one) => one.key === join.key && one.principal === name);
  return isKnown ? signed(options, principal, join.key) : refusal("key-unknown");
}

function agentNamed(principal: Principal) {
  return { role: "agent", principal } as const satisfies Identity;
}

/**
 * For executors of the agent that asks, whose name the broker vouches for: whatever it does with
 * them, they reach subjects below its own name alone (P-4.5).
 */
function signExecutors(
  { trust }: RegistrarOptions,
  name: string,
  { executors }: BodyOf<"SignExecutors">,
): Answer {
  if (!isId(name) || !executors.every(({ key }) => isUserKey(key))) return refusal("key-invalid");
  const principal = asId<Principal>(name);
  const jwts = executors.map(({ containerId, key }) =>
    trust.mint({ identity: { role: "executor", principal, containerId }, userId: key }),
  );
  return { kind: "ExecutorsSigned", id: 1, re: 1, body: { jwts } };
}

function signed({ trust }: RegistrarOptions, principal: Principal, userId: string): Answer {
  const jwt = trust.mint({ identity: agentNamed(principal), userId });
  return { kind: "Joined", id: 1, re: 1, body: { principal, jwt } };
}

function refusal(reason: JoinRefused["reason"]): Answer {
  return { kind: "JoinRefused", id: 1, re: 1, body: { reason, message: MENDS[reason] } };
}

/**
 * Made of the key, so that nobody can ask for the name of another, and whoever asks twice is the
 * same; the machine's name is for people.
 */
export function principalOf({ host, key }: Pick<BodyOf<"Join">, "host" | "key">): Principal {
  const name =
    host
      .split(".")[0]
      ?.replace(/[^A-Za-z0-9_-]+/g, "-")
      .replace(/^-+/, "") ?? "";
  const short = (name === "" ? "agent" : name).slice(0, HOST_LENGTH_MAX);
  // Not the key's end, which is its check sum.
  const mark = key.slice(-4 - KEY_SHOWN_LENGTH, -4).toLowerCase();
  return asId<Principal>(`${short}-${mark}`);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, HOST_LENGTH_MAX));
}
