/**
 * The master's side of the log: stand by and read, campaign, prove the lead, fall silent, give
 * up (P-7). It turns what the writer says into effects, and committed records into the registry;
 * what an operation means for agents and frameworks is `committed.ts`.
 */
import { epochOf, type Position } from "#protocol";
import {
  apply,
  type AskOutcome,
  Candidacy,
  ClusterTime,
  Lead,
  type LogRecord,
  Writer,
  type WriterCommand,
  witnessFault,
} from "#replication";
import type { DoneInput, LogEntry, LogFields } from "#runtime";
import { committed } from "./committed.ts";
import { answerRead } from "./operator.ts";
import { snapshotRead } from "./snapshots.ts";
import { note, propose, type Turn } from "./state.ts";
import { mindMute } from "./speech.ts";
import { keepWitness, readWitness, witnessRead } from "./witness.ts";

/** Entries asked for at once while catching up. */
const ENTRIES_PER_READ_MAX = 256;
/** So long others may take a lead that was given away, before who gave it takes it again. */
const GIVEN_AWAY_MS = 1_500;
/** Length of the random part of a record's id. */
const NONCE_LENGTH = 12;

/** Standing by begins: nothing is known of the leader yet. */
export function standBy(turn: Turn): void {
  const { state, env } = turn;
  state.writer = undefined;
  state.lead = undefined;
  state.clusterTime ??= new ClusterTime(env.nowMs);
  state.candidacy = new Candidacy(state.settings.election, env.random, env.nowMs);
  if (!readWitness(turn)) poll(turn);
}

/** The disk has said what this master saw of the log in its earlier lives. */
export function diskRead(turn: Turn, done: Extract<DoneInput, { what: "disk-read" }>): void {
  const fault = witnessRead(turn, done);
  if (fault !== undefined) return distrust(turn, fault);
  poll(turn);
}

/** Reads on, and asks whether anybody leads. */
export function poll(turn: Turn): void {
  const { state, env, out } = turn;
  if (state.writer !== undefined) return;
  const { askMs } = state.settings.election;
  read(turn);
  keepWitness(turn);
  if (!state.exclusive) out.push({ kind: "ask-leader", token: "ask", timeoutMs: askMs * 2 });
  const inMs = state.candidacy?.askInMs(env.nowMs) ?? askMs;
  out.push({ kind: "timer", name: "poll", inMs });
}

/** Somebody is there on the leader's subject, or not: then it is asked again soon. */
export function asked({ state, env, out }: Turn, outcome: AskOutcome): void {
  const { candidacy, settings, writer } = state;
  if (candidacy === undefined || writer !== undefined) return;
  candidacy.asked(env.nowMs, outcome);
  if (outcome !== "no-responders") return;
  out.push({ kind: "timer", name: "poll", inMs: settings.election.askMs });
}

function read({ state, env, out }: Turn): void {
  if (state.reading !== undefined) return;
  state.reading = `follow-${env.random.token(NONCE_LENGTH)}`;
  const from = state.follower.next;
  out.push({ kind: "log-read", token: state.reading, from, max: ENTRIES_PER_READ_MAX });
}

/** The log's answer to a read, of the standby or of the writer. */
export function wasRead(turn: Turn, done: Extract<DoneInput, { what: "log-read" }>): void {
  const { state, env } = turn;
  const { token, outcome } = done;
  if (snapshotRead(turn, done)) return;
  if (token !== state.reading) return perform(turn, state.writer?.wasRead(token, outcome) ?? []);
  state.reading = undefined;
  if (state.writer !== undefined) return;
  state.candidacy?.logAnswered(env.nowMs, outcome.kind === "read");
  if (outcome.kind === "failed") {
    note(turn, "debug", "the log does not answer", { why: outcome.why });
    return;
  }
  // Others have truncated the log beyond what was read here: it goes on from their snapshot.
  if (outcome.first > state.follower.next) {
    state.follower.restart(outcome.first);
    return read(turn);
  }
  if (!take(turn, outcome.entries)) return;
  // An adapter gives what it can at once: the end is where nothing more comes.
  if (outcome.entries.length > 0) return read(turn);
  const { fault } = state.follower;
  if (fault !== undefined) {
    const end = state.follower.next - 1;
    // Its snapshot may stand in what this copy lacks.
    const isShort = end < (state.witness?.position ?? 0);
    return isShort ? wentBackwards(turn, fault, end) : distrust(turn, fault);
  }
  state.caughtUp = true;
  follow(turn);
  considerCampaign(turn);
}

/** Entries as they come: those known already are passed over. False: the log is not trusted. */
function take(turn: Turn, entries: readonly LogEntry[]): boolean {
  const { state } = turn;
  const fed = state.follower.feed(entries);
  if (fed.kind === "stop") {
    distrust(turn, fed.why);
    return false;
  }
  state.registry = state.follower.registry;
  heard(turn, fed.records);
  return true;
}

/** From here on new records come by themselves, so that a lead given away is taken at once. */
function follow({ state, out }: Turn): void {
  if (state.exclusive || state.following) return;
  state.following = true;
  out.push({ kind: "log-follow", from: state.follower.next });
}

/** The followed log goes on. */
export function followed(turn: Turn, done: Extract<DoneInput, { what: "log-entries" }>): void {
  const { state } = turn;
  if (state.writer !== undefined || !state.caughtUp) return;
  const [first] = done.entries;
  // What lies between was truncated, or is being read right now: the read tells.
  if (first === undefined || first.position > state.follower.next) return;
  if (take(turn, done.entries)) considerCampaign(turn);
}

function heard({ state, env }: Turn, records: readonly LogRecord[]): void {
  const last = records.at(-1);
  if (last === undefined) return;
  const { clusterTime, candidacy } = state;
  if (state.caughtUp) clusterTime?.heard(last.clusterTimeMs, env.nowMs);
  else clusterTime?.replayed(last.clusterTimeMs, last.wallMs, env.wallMs, env.nowMs);
  state.heardMs = env.nowMs;
  const elects = records.some(({ operations }) =>
    operations.some(({ kind }) => kind === "LeaderElected"),
  );
  // An election of the past says nothing of who takes over now.
  candidacy?.heardRecord(env.nowMs, elects && state.caughtUp);
}

/**
 * The log is shorter than what is known of it. Perhaps the copy that serves it lacks what others
 * hold: then another is to, before this master ends and its next life reads anew (P-7.4).
 */
function wentBackwards({ state, env, out }: Turn, why: string, end: Position): void {
  if (state.distrusts !== undefined) return;
  state.distrusts = why;
  const token = `step-down-${env.random.token(NONCE_LENGTH)}`;
  out.push({ kind: "log-step-down", token, end });
}

/** Another copy serves the log now, or it cannot be had. */
export function steppedDown(
  turn: Turn,
  { outcome }: Extract<DoneInput, { what: "log-step-down" }>,
): void {
  const { distrusts } = turn.state;
  if (distrusts === undefined) return;
  const other = outcome.kind === "done" ? "asked for" : `not to be had: ${outcome.why}`;
  distrust(turn, distrusts, { otherCopy: other });
}

/** The log is not what it must be: this master does not act on it any more (P-7.5). */
function distrust(turn: Turn, why: string, fields: LogFields = {}): void {
  const mend =
    "of several brokers, restart the one that leads the stream: the others may hold what it lacks; " +
    "else restore a snapshot";
  note(turn, "error", "the log cannot be trusted; this master stops", { why, ...fields, mend });
  turn.out.push({ kind: "fence", why });
  turn.out.push({ kind: "lifecycle", event: { type: "Depose" } });
}

/** Whether somebody else may have led before and may still speak. */
function hasPredecessor({ state }: Turn): boolean {
  const { leader } = state.registry;
  const { masterId, masterIdLocked } = state.settings;
  if (state.exclusive || leader === undefined) return false;
  return !(masterIdLocked && leader === masterId);
}

/** Who has just given the lead away leaves it to the others, if there are any. */
function gaveItAway({ state, env }: Turn): boolean {
  const { yieldedBy } = state.registry;
  const { masterId } = state.settings;
  return yieldedBy === masterId && env.nowMs - (state.heardMs ?? env.nowMs) < GIVEN_AWAY_MS;
}

function considerCampaign(turn: Turn): void {
  const { state, env, out } = turn;
  if (state.distrusts !== undefined) return;
  const why = state.candidacy?.reason(env.nowMs, hasPredecessor(turn));
  if (why === undefined || gaveItAway(turn)) return;
  const { witness } = state;
  const { head, witnessed } = state.follower;
  const fault = witness === undefined ? undefined : witnessFault(witness, head, witnessed);
  if (fault?.wentBackwards === true) return wentBackwards(turn, fault.why, head.position);
  if (fault !== undefined) return distrust(turn, fault.why);
  note(turn, "info", "campaigns for the lead", { why, position: head.position });
  out.push({ kind: "lifecycle", event: { type: "Campaign" } });
}

/** Appends the election record; a log that is empty gets its name with it. */
export function campaign(turn: Turn): void {
  const { state, env, out } = turn;
  const { head } = state.follower;
  const { masterId, clusterId, recordVersion } = state.settings;
  out.push({ kind: "cancel-timer", name: "poll" });
  if (state.following) out.push({ kind: "log-unfollow" });
  state.following = false;
  state.reading = undefined;
  state.campaigns += 1;
  state.quiet = hasPredecessor(turn);
  state.writer = new Writer({
    writer: masterId,
    nonce: env.random.token(NONCE_LENGTH),
    epoch: epochOf(head.generation, head.position + 1),
    head,
    reads: recordVersion,
  });
  if (head.logId === undefined) {
    const logId = `${clusterId}-${env.random.token(NONCE_LENGTH)}`;
    const created = { kind: "LogCreated", logId, generation: 0 } as const;
    propose(turn, { ...{}, ...created, minimumVersion: recordVersion });
  }
  propose(turn, { kind: "LeaderElected", masterId, version: recordVersion });
  flush(turn);
}

/** Hands what was proposed in this batch to the log, as one record (P-1.5). */
export function flush(turn: Turn): void {
  const { state, env } = turn;
  const { writer, clusterTime } = state;
  if (writer === undefined) return;
  if (state.barrier.wantsProof && writer.proposed === 0) propose(turn, { kind: "Proof" });
  const clusterTimeMs = clusterTime?.at(env.nowMs) ?? 0;
  perform(turn, writer.flush({ nowMs: env.nowMs, wallMs: env.wallMs, clusterTimeMs }));
}

export function appended(turn: Turn, done: Extract<DoneInput, { what: "append" }>): void {
  perform(turn, turn.state.writer?.answered(done.token, done.outcome) ?? []);
}

export function retry(turn: Turn): void {
  perform(turn, turn.state.writer?.retry() ?? []);
}

function perform(turn: Turn, commands: readonly WriterCommand[]): void {
  const { state, env, out } = turn;
  for (const command of commands) {
    switch (command.kind) {
      case "append": {
        const { token, expected, bytes, again } = command;
        state.lead?.sent(env.nowMs);
        if (!again) state.barrier.flushed();
        out.push({ kind: "append", token, expected, record: bytes });
        break;
      }
      case "read":
        out.push({ kind: "log-read", token: command.token, from: command.from, max: command.max });
        break;
      case "retry":
        out.push({ kind: "timer", name: "log-retry", inMs: command.inMs });
        break;
      case "committed":
        settled(turn, command.record, command.sentAtMs);
        break;
      case "lost":
        return lost(turn, command.why);
      case "went-backwards":
        return wentBackwards(turn, command.why, command.end);
    }
  }
}

/** One of our records is in the log: now, and only now, the registry changes (P-1.7). */
function settled(turn: Turn, record: LogRecord, sentAtMs: number): void {
  const { state, env } = turn;
  state.registry = apply(state.registry, record);
  state.clusterTime?.heard(record.clusterTimeMs, env.nowMs);
  const reads = state.barrier.committed();
  if (state.lead === undefined) elected(turn, sentAtMs);
  else state.lead.committed(sentAtMs);
  const untilMs = state.lead?.speakUntilMs;
  if (untilMs !== undefined) turn.out.push({ kind: "lease", untilMs });
  mindMute(turn);
  for (const operation of record.operations) committed(turn, operation);
  for (const read of reads) answerRead(turn, read);
}

function elected(turn: Turn, sentAtMs: number): void {
  const { state, out } = turn;
  const predecessorMs = state.quiet ? state.heardMs : undefined;
  state.lead = new Lead(state.settings.election, sentAtMs, predecessorMs, state.exclusive);
  note(turn, "info", "elected", { epoch: state.epoch, campaigns: state.campaigns });
  out.push({ kind: "lifecycle", event: { type: "Elected" } });
}

/** Somebody else wrote where we were to write. */
function lost(turn: Turn, why: string): void {
  const { state, env, out } = turn;
  if (env.lifecycle === "campaigning") {
    note(turn, "info", "lost the election", { why });
    out.push({ kind: "cancel-timer", name: "log-retry" });
    out.push({ kind: "lifecycle", event: { type: "Yield" } });
    return;
  }
  out.push({ kind: "fence", why });
  note(turn, "warn", "deposed", { why, epoch: state.epoch });
  out.push({ kind: "lifecycle", event: { type: "Depose" } });
}

/** The timer of proofs: a record at least every interval, unless one is under way (P-7.2). */
export function prove(turn: Turn): void {
  const { state, env, out } = turn;
  if (state.lead === undefined || state.exclusive) return;
  if (state.lead.proofDue(env.nowMs) && state.writer?.proposed === 0) {
    propose(turn, { kind: "Proof" });
  }
  out.push({ kind: "timer", name: "proof", inMs: state.lead.proofInMs(env.nowMs) });
}

/** New kinds of records from here on, if all that ever led know them (P-7.8). */
export function raiseVersion(turn: Turn): void {
  const { registry, settings } = turn.state;
  const { minimumVersion, masters } = registry;
  const known = Math.min(settings.recordVersion, ...masters.values());
  if (known > minimumVersion) propose(turn, { kind: "MinimumVersion", version: known });
}

/** Recovering: wait until the predecessor is silent for certain, then lead. */
export function awaitSilence(turn: Turn): void {
  const { state, env, out } = turn;
  if (state.lead === undefined || env.lifecycle !== "recovering") return;
  const inMs = state.lead.speakFromMs - env.nowMs;
  if (inMs > 0) {
    out.push({ kind: "timer", name: "speak", inMs });
    return;
  }
  out.push({ kind: "lifecycle", event: { type: "Lead" } });
}

/** The bus came back: what was lost meanwhile is unknown, so the lead is proven first (P-3.5). */
export function busChanged(turn: Turn, connected: boolean): void {
  const { state, env, out } = turn;
  if (!connected || state.lead === undefined) return;
  state.lead.reconnected(env.nowMs);
  mindMute(turn);
  if (state.writer?.proposed === 0) propose(turn, { kind: "Proof" });
  out.push({ kind: "timer", name: "proof", inMs: state.lead.proofInMs(env.nowMs) });
}
