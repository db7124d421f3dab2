/**
 * Guards that no schedule of the simulator reaches: of real adapters, of credentials, of what a
 * process would have to forge, and of what costs time only. Tests must miss them.
 */
import type { SuiteMutant } from "./mutant.ts";

const AGENT = "test/agent/index.test.js";
const ADAPTERS = "test/adapters/index.test.js";
const BUS = "the bus over a broker: the contract of the bus";
const MASTER = "test/master/index.test.js";
const RUNTIME = "test/runtime/index.test.js";

export const REAL_MUTANTS: readonly SuiteMutant[] = [
  {
    name: "batch-without-bound",
    statement: "a batch takes all that waits, however long the work lasts",
    edits: [
      {
        file: "src/runtime/host.js",
        find: "index % CLOCK_EVERY === CLOCK_EVERY - 1 && this.clock.monotonicMs() >= endMs",
        replace: "endMs < 0",
      },
    ],
    suite: RUNTIME,
    test: "a batch ends at its limit and at ten milliseconds of work",
  },
  {
    name: "frame-without-bound",
    statement: "a frame holds as many messages as there are",
    edits: [
      {
        file: "src/protocol/frame.js",
        find: "to - from < FRAME_MESSAGES_MAX",
        replace: "to >= 0",
      },
    ],
    suite: "test/protocol/index.test.js",
    test: "messages are split where a frame is full, by number and by bytes",
  },
  {
    name: "closed-said-to-every-frame",
    statement: "every frame of a session that is none is answered",
    edits: [
      {
        file: "src/protocol/session.js",
        find: "if (this.#current.has(peer) || this.#previous.has(peer))\n            return false;",
        replace: "",
      },
    ],
    suite: RUNTIME,
    test: "frames of foreign sessions are answered with Closed once a second",
  },
  {
    name: "window-not-judged",
    statement: "a peer may send more than the window that it was granted",
    edits: [
      {
        file: "src/protocol/session.js",
        find: "this.#receivedMessages + count > this.grant",
        replace: "count < 0",
      },
    ],
    suite: RUNTIME,
    test: "whoever ignores its window is closed before its messages count",
  },
  {
    name: "timer-before-mail",
    statement: "a timer that is due comes before mail that arrived before it",
    edits: [
      {
        file: "src/runtime/host.js",
        find: "this.input(waitingOf(input, this.clock, false, timer));",
        replace:
          "this.#mailbox.pushSystem(waitingOf(input, this.clock, false, timer));\n" +
          "        this.wake();",
      },
    ],
    suite: RUNTIME,
    test: "a timer that fires while mail waits comes behind that mail",
  },
  {
    name: "called-without-room",
    statement: "a client is called though the windows of all would be more than the mailbox takes",
    edits: [
      {
        file: "src/runtime/links.js",
        find: "this.#mailMax) {\n            link.waitsForRoom = true;",
        replace: "Infinity) {\n            link.waitsForRoom = true;",
      },
    ],
    suite: RUNTIME,
    test: "clients wait for Come until there is room for their window",
  },
  {
    name: "called-all-at-once",
    statement: "a leader calls all agents that say Hello at once",
    edits: [
      {
        file: "src/actors/master/greetings.js",
        find: "return coming.size < settings.comingMax;",
        replace: "return coming.size >= 0;",
      },
    ],
    suite: MASTER,
    test: "agents are called a few at a time, the next when one has registered",
  },
  {
    name: "hellos-not-spread",
    statement: "all agents say Hello as soon as they hear of a new leader",
    edits: [
      {
        file: "src/actors/agent/registration.js",
        find: "registration.windowMs === 0 ? 0 :",
        replace: "registration.windowMs >= 0 ? 0 :",
      },
    ],
    suite: AGENT,
    test: "the first Hello comes somewhere in the window that the leader has announced",
  },
  {
    name: "heard-of-before-it-hears",
    statement: "a leader says that it leads before the broker has its subscriptions",
    edits: [
      {
        file: "src/actors/master/takeover.js",
        find: 'out.push({ kind: "flush", token: FLUSH });\n}\n/** The broker has',
        replace: "listening(turn, true);\n}\n/** The broker has",
      },
    ],
    suite: MASTER,
    test: "a leader is heard of when the broker has its subscriptions, not before",
  },
  {
    name: "standby-hears",
    statement: "a master that cannot act listens to agents",
    edits: [
      {
        file: "src/actors/master/step.js",
        find: 'case "standby":\n',
        replace:
          'case "standby":\n' +
          '            out.push({ kind: "listen", to: "from-agents", listen: true });\n',
      },
    ],
    suite: MASTER,
    test: "a leader is heard of when the broker has its subscriptions, not before",
  },
  {
    name: "executors-heard-unread",
    statement: "an agent listens to executors before its checkpoints are read",
    edits: [
      {
        file: "src/actors/agent/step.js",
        find: 'case "recovering":\n            return begin(out);',
        replace:
          'case "recovering":\n' +
          '            out.push({ kind: "listen", to: "from-executors", listen: true });\n' +
          "            return begin(out);",
      },
    ],
    suite: AGENT,
    test: "an agent hears nobody before its checkpoints are read",
  },
  {
    name: "offers-in-the-way-stay",
    statement: "offers stand of what an operator sets aside",
    edits: [
      {
        file: "src/actors/master/operations.js",
        find: "    makeFree(turn, agent, change.consumed);\n",
        replace: "",
      },
    ],
    suite: MASTER,
    test: "an operator's is intent in the log, then done, then closed",
  },
  {
    name: "unfitting-operation-done",
    statement: "an agent does an operation to what it does not have, or to what a task uses",
    edits: [
      {
        file: "src/actors/agent/operations.js",
        find: "if (!free.contains(consumed))",
        replace: "if (consumed === undefined)",
      },
    ],
    suite: AGENT,
    test: "the agent refuses what no longer fits, and what a task uses",
  },
  {
    name: "other-epoch-obeyed",
    statement: "frames of another epoch than the session's count",
    edits: [
      {
        file: "src/runtime/door.js",
        find: 'if (epoch === expected || session.phase === "calling")',
        replace: "if (expected >= 0)",
      },
      { file: "src/runtime/door.js", find: "if (epoch < own) {", replace: "if (epoch < 0) {" },
    ],
    suite: RUNTIME,
    test: "a lower epoch is not obeyed; another epoch is told that its session is over",
  },
  {
    name: "older-session-spoken-in",
    statement: "what waits in a session of an older epoch leaves in the newer one",
    edits: [
      {
        file: "src/runtime/links.js",
        find: "session.epoch >= this.#host.address.epoch(link.peer)",
        replace: "session.epoch >= 0",
      },
    ],
    suite: RUNTIME,
    test: "a client that knows a newer epoch says nothing more in an older session",
  },
  {
    name: "said-while-disconnected",
    statement: "what is published without a connection is kept and leaves later",
    edits: [
      {
        file: "src/adapters/nats-bus.js",
        find: "if (!this.#up || link === undefined)",
        replace: "if (link === undefined)",
      },
    ],
    suite: ADAPTERS,
    test: `${BUS} > what is said without a connection is dropped and counted, never sent later`,
  },
  {
    name: "not-proven-after-reconnecting",
    statement: "a leader speaks at once when its connection is back",
    edits: [
      {
        file: "src/replication/election.js",
        find: "this.#proveAfterMs = nowMs;",
        replace: "",
      },
    ],
    suite: MASTER,
    test: "after a reconnection it is mute until an append commits",
  },
  {
    name: "subject-not-pinned",
    statement: "an agent's credential lets it speak as any agent",
    edits: [
      {
        file: "src/access/permissions.js",
        find: "subjects.toMaster(peer),\n            subjects.executor(principal, ANY",
        replace: "subjects.toMaster(agentPeer(ANY)),\n            subjects.executor(principal, ANY",
      },
    ],
    suite: ADAPTERS,
    test: `${BUS} > nobody speaks or answers as another, and whoever tries is told`,
  },
  {
    name: "claimed-id-admitted",
    statement: "an agent's id can be claimed by another principal",
    edits: [
      {
        file: "src/actors/master/agents.js",
        find: "if (known.principal !== principal) {",
        replace: 'if (known.principal === "") {',
      },
    ],
    suite: MASTER,
    test: "an id belongs to the principal that brought it",
  },
  {
    name: "cloned-disk-displaces",
    statement: "a second process under one identity ends the session of the first at once",
    edits: [
      {
        file: "src/actors/master/greetings.js",
        find: "const contested = waiting === undefined && isContested(turn, incumbent, link);",
        replace: "const contested = false;",
      },
    ],
    suite: MASTER,
    test: "two processes under one identity: the later one waits for the first to contest",
  },
  {
    name: "lower-incarnation-admitted",
    statement: "an earlier life of an agent takes the place of a later one",
    edits: [
      {
        file: "src/actors/master/agents.js",
        find: "if (incarnation < known.incarnation) {",
        replace: "if (incarnation < 0) {",
      },
      {
        file: "src/actors/master/greetings.js",
        find: "if (isStale(incumbent, link))",
        replace: "if (link.incarnation < 0)",
      },
    ],
    suite: MASTER,
    test: "a lower start count never displaces a higher one",
  },
  {
    name: "subscription-asked-twice-is-two",
    statement: "a subscription that is asked again makes a second framework",
    edits: [
      {
        file: "src/actors/master/state.js",
        find: ["return `f-", "{nonce}`;"].join("$"),
        replace: "counted += 1;\n    return nonce.slice(0, -4) + (1000 + counted);\n",
      },
      {
        file: "src/actors/master/state.js",
        find: "export function frameworkIdOf(",
        replace: "let counted = 0;\nexport function frameworkIdOf(",
      },
    ],
    suite: MASTER,
    test: "a subscription asked twice is answered with the same id",
  },
  {
    name: "wildcard-signed",
    statement: "a credential is signed for a name that is a wildcard",
    edits: [
      {
        file: "src/daemon/credentials.js",
        find: "if (fault !== undefined)\n            throw new Error(`no credential",
        replace: 'if (fault === "")\n            throw new Error(`no credential',
      },
    ],
    suite: "test/daemon/index.test.js",
    test: "a name that would be a wildcard is not signed",
  },
  {
    name: "executor-judged-while-away",
    statement: "an executor's time to come back runs while its agent hears nobody",
    edits: [
      {
        file: "src/actors/agent/executors.js",
        find: "if (!env.bus.connected || env.nowMs - env.bus.sinceMs < againMs) {",
        replace: "if (againMs < 0) {",
      },
    ],
    suite: "test/executor/index.test.js",
    test: "an executor's time to come back stands still while the bus is away",
  },
  {
    name: "limits-before-return",
    statement: "a new leader offers to roles under a limit before it knows what they use",
    edits: [
      {
        file: "src/actors/master/takeover.js",
        find: "    allocator.holdLimited(missing.size > 0);\n",
        replace: "",
      },
    ],
    suite: MASTER,
    test: "a new leader has quotas and weights, and waits for most agents",
  },
  {
    name: "answered-without-proof",
    statement: "a leader that cannot prove its lead answers questions",
    edits: [
      {
        file: "src/actors/master/operator.js",
        find: "turn.state.muted\n",
        replace: "turn.state.muted === undefined\n",
      },
    ],
    suite: MASTER,
    test: "a mute leader answers nobody's questions",
  },
  {
    name: "campaigns-at-once",
    statement: "a standby campaigns before the log has answered it for two proof intervals",
    edits: [
      {
        file: "src/replication/election.js",
        find: "if (nowMs - this.#answeringSinceMs < 2 * proofMs)",
        replace: "if (proofMs < 0)",
      },
    ],
    suite: "test/replication/index.test.js",
    test: "nobody campaigns before the log has answered for two proof intervals",
  },
  {
    name: "damaged-record-read",
    statement: "a record whose bytes do not match their hash is read",
    edits: [
      {
        file: "src/replication/chain.js",
        find: "if (!holds(bytes, MARK.length, digest)) {",
        replace: "if (digest.length === 0) {",
      },
    ],
    suite: "test/replication/index.test.js",
    test: "a missing position, a wrong predecessor or damaged bytes stop the reader",
  },
  {
    name: "losing-stream-taken",
    statement: "a stream that could lose records holds the log all the same",
    edits: [
      {
        file: "src/adapters/jetstream-stream.js",
        find: "if (faults.length > 0) {",
        replace: "if (faults.length < 0) {",
      },
    ],
    suite: ADAPTERS,
    test: "a stream that somebody made otherwise is not opened",
  },
  {
    name: "stream-setting-unread",
    statement: "a stream that discards old records passes for one that keeps them",
    edits: [
      {
        file: "src/adapters/jetstream-stream.js",
        find: "config.discard !== DiscardPolicy.New",
        replace: 'config.discard === "never"',
      },
    ],
    suite: ADAPTERS,
    test: "a stream that could lose records is refused, with each fault named",
  },
  {
    name: "snapshot-not-read-back",
    statement: "a snapshot is announced that was not read back whole",
    edits: [
      {
        file: "src/actors/master/snapshots.js",
        find: "if (reader.chunks !== written) {",
        replace: "if (written < 0) {",
      },
      {
        file: "src/actors/master/snapshots.js",
        find: "if (fault !== undefined || end === undefined) {",
        replace: "if (end === undefined) {",
      },
    ],
    suite: MASTER,
    test: "a snapshot that cannot be read back is not announced",
  },
  {
    name: "foreign-directory-opened",
    statement: "a directory that belongs to another log or adapter is written",
    edits: [
      {
        file: "src/adapters/log-owner.js",
        find: "if (fault !== undefined)",
        replace: 'if (fault === "")',
      },
    ],
    suite: ADAPTERS,
    test: "a log in segments > belongs to one log and one adapter",
  },
  {
    name: "locked-directory-opened",
    statement: "a second process opens the log that another one holds",
    edits: [
      {
        file: "src/adapters/exclusive-lock.js",
        find: "function isAnswered(path) {",
        replace:
          "function isAnswered(path) {\n    if (path !== undefined) return Promise.resolve(false);",
      },
    ],
    suite: ADAPTERS,
    test: "the log in segments: the contract of the log > a second opener is refused while the first lives",
  },
  {
    name: "foreign-container-adopted",
    statement: "an agent takes containers of another agent for its own",
    edits: [
      {
        file: "src/isolation/recover.js",
        find: "|| checkpoint.agentId !== agentId",
        replace: "",
      },
    ],
    suite: "test/isolation/index.test.js",
    test: "recovery tells running, ended, lost and orphan apart",
  },
];
